#include "storage/memory_chunk_store.h"

#include <cstdlib>
#include <cstring>

#include "base/assert.h"

namespace ppspp {
namespace {

template <typename Piece>
std::uint64_t total_size(std::span<const Piece> pieces) {
  std::uint64_t size = 0;
  for (const Piece& piece : pieces) size += piece.size();
  return size;
}

bool fits(std::uint64_t offset, std::uint64_t size, std::uint64_t length) {
  return offset <= length && size <= length - offset;
}

}  // namespace

void MemoryChunkStore::Memory::Free::operator()(std::byte* octets) const {
  std::free(octets);
}

// calloc gives pages of zeros that exist once they are touched, and says no instead of throwing.
bool MemoryChunkStore::Memory::allocate(std::uint64_t size) {
  octets_.reset(static_cast<std::byte*>(std::calloc(1, static_cast<std::size_t>(size))));
  size_ = octets_ != nullptr ? static_cast<std::size_t>(size) : 0;
  return octets_ != nullptr;
}

MemoryChunkStore::MemoryChunkStore(std::uint64_t max_length) : max_length_(max_length) {}

MemoryChunkStore::MemoryChunkStore(std::span<const std::byte> content)
    : max_length_(content.size()), written_(true) {
  if (content.empty()) return;
  PPSPP_ASSERT(content_.allocate(content.size()));
  std::memcpy(content_.octets().data(), content.data(), content.size());
}

StoreStatus MemoryChunkStore::read(std::uint64_t offset,
                                   std::span<const std::span<std::byte>> pieces) {
  if (!fits(offset, total_size(pieces), content_.octets().size())) return StoreStatus::failed;
  const std::byte* from = content_.octets().data() + offset;
  for (const std::span<std::byte> piece : pieces) {
    if (!piece.empty()) std::memcpy(piece.data(), from, piece.size());
    from += piece.size();
  }
  return StoreStatus::done;
}

StoreStatus MemoryChunkStore::write(std::uint64_t offset,
                                    std::span<const std::span<const std::byte>> pieces) {
  if (!fits(offset, total_size(pieces), content_.octets().size())) return StoreStatus::failed;
  std::byte* to = content_.octets().data() + offset;
  for (const std::span<const std::byte> piece : pieces) {
    if (!piece.empty()) std::memcpy(to, piece.data(), piece.size());
    to += piece.size();
  }
  written_ = true;
  return StoreStatus::done;
}

StoreStatus MemoryChunkStore::set_content_length(std::uint64_t length) {
  if (length == content_.octets().size()) return StoreStatus::done;
  if (written_ || length == 0 || length > max_length_) return StoreStatus::failed;
  return content_.allocate(length) ? StoreStatus::done : StoreStatus::failed;
}

// The tree of the smallest chunks (512 octets) under the longest hash (64) is a quarter of the
// content, and its last chunk may be short.
std::span<std::byte> MemoryChunkStore::tree_memory(std::size_t size) {
  if (size == 0 || size > max_length_ / 4 + 128) return {};
  if (tree_.octets().size() != size) tree_.allocate(size);  // else a tree that was built before
  return tree_.octets();
}

}  // namespace ppspp
