#include "sim/sim_store.h"

#include <cstdlib>
#include <cstring>

namespace ppspp::sim {

void SimStore::Free::operator()(std::byte* octets) const {
  std::free(octets);
}

SimStore::SimStore(const Content& content, StoreVerdicts& verdicts, bool complete)
    : content_(content),
      verdicts_(verdicts),
      written_(static_cast<std::size_t>(content.chunks()), complete),
      complete_(complete) {}

StoreStatus SimStore::read(std::uint64_t offset, std::span<const std::span<std::byte>> pieces) {
  const std::uint32_t chunk_size = content_.metadata().chunk_size;
  for (const std::span<std::byte> piece : pieces) {
    if (offset > content_.length() || piece.size() > content_.length() - offset) {
      return StoreStatus::failed;
    }
    if (piece.empty()) continue;
    const ChunkIndex last = (offset + piece.size() - 1) / chunk_size;
    for (ChunkIndex chunk = offset / chunk_size; chunk <= last; ++chunk) {
      if (!written_[static_cast<std::size_t>(chunk)]) ++verdicts_.unwritten_reads;
    }
    std::memcpy(piece.data(), content_.octets().data() + offset, piece.size());
    offset += piece.size();
  }
  return StoreStatus::done;
}

// Whole chunks, as the core verifies them.
StoreStatus SimStore::write(std::uint64_t offset,
                            std::span<const std::span<const std::byte>> pieces) {
  const std::uint32_t chunk_size = content_.metadata().chunk_size;
  const std::uint64_t begin = offset;
  for (const std::span<const std::byte> piece : pieces) {
    if (offset > content_.length() || piece.size() > content_.length() - offset ||
        (!piece.empty() &&
         std::memcmp(content_.octets().data() + offset, piece.data(), piece.size()) != 0)) {
      ++verdicts_.wrong_writes;
      return StoreStatus::failed;
    }
    offset += piece.size();
  }
  if (begin % chunk_size != 0 || (offset % chunk_size != 0 && offset != content_.length())) {
    ++verdicts_.wrong_writes;
  }
  for (std::uint64_t at = begin; at < offset; at += chunk_size) {
    written_[static_cast<std::size_t>(at / chunk_size)] = true;
  }
  return StoreStatus::done;
}

StoreStatus SimStore::set_content_length(std::uint64_t length) {
  if (length == content_.length()) return StoreStatus::done;
  ++verdicts_.wrong_lengths;
  return StoreStatus::failed;
}

std::span<std::byte> SimStore::tree_memory(std::size_t size) {
  if (tree_size_ != size) {
    tree_.reset(static_cast<std::byte*>(std::calloc(1, size)));
    tree_size_ = size;
    if (complete_ && size == content_.tree().size()) {
      std::memcpy(tree_.get(), content_.tree().data(), size);
    }
  }
  return {tree_.get(), tree_size_};
}

}  // namespace ppspp::sim
