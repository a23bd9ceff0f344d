#include "bins/peaks.h"

#include <algorithm>
#include <bit>

#include "base/assert.h"

namespace ppspp {

void BinList::push_back(Bin bin) {
  PPSPP_ASSERT(size_ < bins_.size());
  bins_[size_] = bin;
  ++size_;
}

bool operator==(const BinList& a, const BinList& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end());
}

BinList peaks(std::uint64_t chunk_count) {
  PPSPP_ASSERT(chunk_count <= kMaxChunks);
  BinList list;
  ChunkIndex covered = 0;
  while (covered < chunk_count) {
    const int height = 63 - std::countl_zero(chunk_count - covered);
    list.push_back(Bin::node(height, covered >> height));
    covered += std::uint64_t{1} << height;
  }
  return list;
}

Bin peak_of(ChunkIndex chunk, std::uint64_t chunk_count) {
  return biggest_bin_around(chunk, ChunkRange{0, chunk_count});
}

std::uint64_t chunk_count_of(std::span<const Bin> peaks) {
  std::uint64_t covered = 0;
  int height = 64;
  for (const Bin peak : peaks) {
    if (peak.is_none() || peak.height() >= height || peak.first_chunk() != covered) return 0;
    height = peak.height();
    covered += peak.chunk_count();
    // Everything may stand alone only: nothing can follow chunk 2^63 - 1.
    if (covered > kMaxChunks) return 0;
  }
  return covered;
}

}  // namespace ppspp
