#include "bins/bin.h"

#include <algorithm>
#include <bit>

#include "base/assert.h"

namespace ppspp {

namespace {

int bit_width(std::uint64_t value) {
  return 64 - std::countl_zero(value);
}

}  // namespace

Bin biggest_bin_around(ChunkIndex chunk, ChunkRange range) {
  PPSPP_ASSERT(range.contains(chunk));
  PPSPP_ASSERT(range.end <= kMaxChunks);
  // A bin of height h around `chunk` stays right of begin - 1 as long as the two numbers differ in
  // a bit at or above h, and left of `end` likewise. If begin is 0, begin - 1 is all ones, which
  // differs from any chunk in bit 63: no limit.
  const int left = bit_width(chunk ^ (range.begin - 1)) - 1;
  const int right = bit_width(chunk ^ range.end) - 1;
  const int height = std::min(left, right);
  return Bin::node(height, chunk >> height);
}

Bin first_bin_of(ChunkRange range) {
  return biggest_bin_around(range.begin, range);
}

int tree_height(std::uint64_t chunk_count) {
  return chunk_count <= 1 ? 0 : bit_width(chunk_count - 1);
}

}  // namespace ppspp
