#include "sim/sim_store.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <optional>

#include "integrity/merkle_tree.h"

namespace ppspp::sim {

void SimDisk::Free::operator()(std::byte* octets) const {
  std::free(octets);
}

SimDisk::SimDisk(const Content& content, bool complete)
    : content_(content), written_(static_cast<std::size_t>(content.chunks()), complete) {
  if (!complete) return;
  count_ = content.chunks();
  if (content.tree().empty()) return;
  const auto tree = tree_of(content.tree().size());
  std::memcpy(tree.data(), content.tree().data(), tree.size());
}

bool SimDisk::has_all(ChunkRange chunks) const {
  for (ChunkIndex chunk = chunks.begin; chunk < chunks.end; ++chunk) {
    if (!has(chunk)) return false;
  }
  return true;
}

void SimDisk::set(ChunkIndex chunk) {
  if (!written_[static_cast<std::size_t>(chunk)]) ++count_;
  written_[static_cast<std::size_t>(chunk)] = true;
}

void SimDisk::lose(ChunkIndex chunk) {
  if (written_[static_cast<std::size_t>(chunk)]) --count_;
  written_[static_cast<std::size_t>(chunk)] = false;
}

// Pages that are not touched cost nothing.
std::span<std::byte> SimDisk::tree_of(std::size_t size) {
  if (tree_size_ != size) {
    tree_.reset(static_cast<std::byte*>(std::calloc(1, size)));
    tree_size_ = tree_ == nullptr ? 0 : size;
  }
  return tree();
}

std::vector<ChunkRange> SimDisk::check() {
  const SwarmMetadata& metadata = content_.metadata();
  std::vector<ChunkRange> runs;
  std::optional<MerkleTree> tree;
  bool usable = true;
  if (metadata.integrity == IntegrityMethod::merkle) {
    usable = tree_size_ == content_.tree().size();
    if (usable) tree.emplace(content_.chunks(), metadata.hash, this->tree());
    usable = usable && tree->check(metadata.id.octets());
  }
  for (ChunkIndex chunk = 0; chunk < content_.chunks(); ++chunk) {
    if (!has(chunk) || !usable || (tree && !tree->is_known(Bin::leaf(chunk)))) {
      lose(chunk);
    } else if (!runs.empty() && runs.back().end == chunk) {
      ++runs.back().end;
    } else {
      runs.push_back({chunk, chunk + 1});
    }
  }
  length_known_ = !runs.empty();
  return runs;
}

StoreStatus SimStore::read(std::uint64_t offset, std::span<const std::span<std::byte>> pieces) {
  const Content& content = disk_->content();
  if (slow_every_ != 0 && loaded_.erase(offset) == 0 && ++reads_ % slow_every_ == 0) {
    loaded_.insert(offset);
    put_off_ = true;
    return StoreStatus::not_yet;
  }
  const std::uint32_t chunk_size = content.metadata().chunk_size;
  for (const std::span<std::byte> piece : pieces) {
    if (offset > content.length() || piece.size() > content.length() - offset) {
      return StoreStatus::failed;
    }
    if (piece.empty()) continue;
    const ChunkIndex end = (offset + piece.size() - 1) / chunk_size + 1;
    if (!disk_->has_all({offset / chunk_size, end})) ++verdicts_.unwritten_reads;
    std::memcpy(piece.data(), content.octets().data() + offset, piece.size());
    offset += piece.size();
  }
  return StoreStatus::done;
}

// Whole chunks, as the core verifies them; the last one of a feed ends where the feed did.
StoreStatus SimStore::write(std::uint64_t offset,
                            std::span<const std::span<const std::byte>> pieces) {
  const Content& content = disk_->content();
  const std::uint32_t chunk_size = content.metadata().chunk_size;
  const std::uint64_t begin = offset;
  for (const std::span<const std::byte> piece : pieces) {
    if (offset > content.length() || piece.size() > content.length() - offset ||
        (!piece.empty() &&
         std::memcmp(content.octets().data() + offset, piece.data(), piece.size()) != 0)) {
      ++verdicts_.wrong_writes;
      return StoreStatus::failed;
    }
    offset += piece.size();
  }
  if (begin % chunk_size != 0 ||
      (offset % chunk_size != 0 && offset != content.length() && !content.metadata().live)) {
    ++verdicts_.wrong_writes;
  }
  for (std::uint64_t at = begin; at < offset; at += chunk_size) disk_->set(at / chunk_size);
  return StoreStatus::done;
}

StoreStatus SimStore::set_content_length(std::uint64_t length) {
  if (length != disk_->content().length()) {
    ++verdicts_.wrong_lengths;
    return StoreStatus::failed;
  }
  disk_->set_length_known();
  return StoreStatus::done;
}

}  // namespace ppspp::sim
