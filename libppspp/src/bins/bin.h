// Bin numbers (RFC 7574, section 4.2): a binary interval of chunks, or a node of the hash tree over
// it, as one integer. The leaf of chunk i is 2i; a parent lies halfway between its children; the
// number of trailing one-bits is the height. Full 64-bit range: chunks below 2^63.
#pragma once

#include <bit>
#include <compare>
#include <cstdint>

#include "ppspp/chunk_range.h"

namespace ppspp {

class Bin {
 public:
  constexpr Bin() = default;  // none()
  constexpr explicit Bin(std::uint64_t number) : number_(number) {}

  static constexpr Bin none() { return Bin{~std::uint64_t{0}}; }      // the empty interval
  static constexpr Bin all() { return Bin{~std::uint64_t{0} >> 1}; }  // everything
  static constexpr Bin leaf(ChunkIndex chunk) { return Bin{chunk << 1}; }
  // The node at `height` that covers chunk offset * 2^height and those up to the next. The height
  // is at most 63, where offset 0 is all(); two shifts, because one by 64 is undefined.
  static constexpr Bin node(int height, std::uint64_t offset) {
    return Bin{(offset << height << 1) | ((std::uint64_t{1} << height) - 1)};
  }

  constexpr std::uint64_t number() const { return number_; }
  constexpr bool is_none() const { return number_ == ~std::uint64_t{0}; }
  constexpr bool is_all() const { return number_ == ~std::uint64_t{0} >> 1; }
  constexpr bool is_leaf() const { return (number_ & 1) == 0; }
  constexpr int height() const { return std::countr_one(number_); }  // 63 for all(), 64 for none()
  constexpr std::uint64_t offset() const {  // which of the nodes of its height, from the left
    return height() >= 63 ? 0 : number_ >> (height() + 1);
  }

  // none() begins at 0 and has no chunks.
  constexpr ChunkIndex first_chunk() const { return is_none() ? 0 : offset() << height(); }
  constexpr std::uint64_t chunk_count() const {
    return is_none() ? 0 : std::uint64_t{1} << height();
  }
  constexpr ChunkRange chunks() const {
    return ChunkRange{first_chunk(), first_chunk() + chunk_count()};
  }

  // Not for none() or all().
  constexpr Bin parent() const { return node(height() + 1, offset() >> 1); }
  constexpr Bin sibling() const { return node(height(), offset() ^ 1); }
  constexpr bool is_left() const { return (offset() & 1) == 0; }
  // Not for leaves.
  constexpr Bin left() const { return node(height() - 1, offset() << 1); }
  constexpr Bin right() const { return node(height() - 1, (offset() << 1) | 1); }

  constexpr bool contains(Bin other) const {
    return !is_none() && !other.is_none() && height() >= other.height() &&
           other.first_chunk() >> height() == offset();
  }

  friend constexpr auto operator<=>(Bin, Bin) = default;

 private:
  std::uint64_t number_ = ~std::uint64_t{0};
};

// Whether the range is a binary interval: 2^n chunks, from a multiple of 2^n on. Not for an empty one.
// (std::has_single_bit counts bits, for which not every processor has an instruction.)
constexpr bool is_binary(ChunkRange range) {
  const std::uint64_t below = range.size() - 1;
  return (range.size() & below) == 0 && (range.begin & below) == 0;
}

// The bin that covers exactly this range, or none() if the range is not a binary interval.
constexpr Bin bin_of(ChunkRange range) {
  if (range.empty() || range.end > kMaxChunks || !is_binary(range)) return Bin::none();
  return Bin{(range.begin << 1) + (range.size() - 1)};
}

// The biggest bin that contains `chunk` and lies within `range`: with the run of verified chunks
// around a chunk, what HAVE and ACK carry (4.3.1, 4.3.2). `range` contains `chunk`.
Bin biggest_bin_around(ChunkIndex chunk, ChunkRange range);

// The first of the fewest bins that make up `range`, from the left. `range` is not empty.
Bin first_bin_of(ChunkRange range);

// The height of the lowest tree with room for this many chunks (0 for one chunk).
int tree_height(std::uint64_t chunk_count);

}  // namespace ppspp
