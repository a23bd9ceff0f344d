#include "storage/ring_chunk_store.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <limits>

namespace ppspp {
namespace {

// Where the pieces end that begin at `offset`; 0 if that is beyond all numbers.
template <typename Piece>
std::uint64_t end_of(std::uint64_t offset, std::span<const Piece> pieces) {
  for (const Piece& piece : pieces) {
    if (piece.size() > std::numeric_limits<std::uint64_t>::max() - offset) return 0;
    offset += piece.size();
  }
  return offset;
}

}  // namespace

void RingChunkStore::Free::operator()(std::byte* octets) const {
  std::free(octets);
}

RingChunkStore::RingChunkStore(std::uint64_t max_window) : max_window_(max_window) {}

// calloc gives pages of zeros that exist once they are touched, and says no instead of throwing.
StoreStatus RingChunkStore::set_window(std::uint64_t size) {
  if (size == size_ && size != 0) return StoreStatus::done;
  if (end_ != 0 || size == 0 || size > max_window_) return StoreStatus::failed;
  octets_.reset(static_cast<std::byte*>(std::calloc(1, static_cast<std::size_t>(size))));
  size_ = octets_ != nullptr ? size : 0;
  return octets_ != nullptr ? StoreStatus::done : StoreStatus::failed;
}

StoreStatus RingChunkStore::read(std::uint64_t offset,
                                 std::span<const std::span<std::byte>> pieces) {
  const std::uint64_t end = end_of(offset, pieces);
  if (size_ == 0 || offset < begin() || end < offset || end > end_) return StoreStatus::failed;
  for (std::span<std::byte> piece : pieces) {
    while (!piece.empty()) {
      const std::span<const std::byte> from = run(offset, piece.size());
      std::memcpy(piece.data(), from.data(), from.size());
      piece = piece.subspan(from.size());
      offset += from.size();
    }
  }
  return StoreStatus::done;
}

// Of more than the window holds, the end stays: it overwrites the rest.
StoreStatus RingChunkStore::write(std::uint64_t offset,
                                  std::span<const std::span<const std::byte>> pieces) {
  const std::uint64_t end = end_of(offset, pieces);
  if (size_ == 0 || offset < begin() || end < offset) return StoreStatus::failed;
  for (std::span<const std::byte> piece : pieces) {
    while (!piece.empty()) {
      const std::span<std::byte> to = run(offset, piece.size());
      std::memcpy(to.data(), piece.data(), to.size());
      piece = piece.subspan(to.size());
      offset += to.size();
    }
  }
  end_ = std::max(end_, end);
  return StoreStatus::done;
}

std::uint64_t RingChunkStore::begin() const {
  return end_ > size_ ? end_ - size_ : 0;
}

// As many octets from `offset` on as stand in one piece, at most `size`.
std::span<std::byte> RingChunkStore::run(std::uint64_t offset, std::uint64_t size) const {
  const std::uint64_t place = offset % size_;
  return {octets_.get() + place, static_cast<std::size_t>(std::min(size, size_ - place))};
}

}  // namespace ppspp
