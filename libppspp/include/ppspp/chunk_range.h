// A run of consecutive chunks. Half open inside the program, so that it can be empty and lengths are
// differences; the wire's ranges include their end (RFC 7574, section 4.1) and are converted there.
#pragma once

#include <algorithm>
#include <compare>
#include <cstdint>

namespace ppspp {

using ChunkIndex = std::uint64_t;

// Chunks [begin, end). Chunk numbers stay below 2^63, the widest interval of section 4.2.
struct ChunkRange {
  ChunkIndex begin = 0;
  ChunkIndex end = 0;

  constexpr std::uint64_t size() const { return end - begin; }
  constexpr bool empty() const { return begin >= end; }
  constexpr bool contains(ChunkIndex chunk) const { return begin <= chunk && chunk < end; }
  constexpr bool contains(ChunkRange other) const { return begin <= other.begin && other.end <= end; }
  constexpr bool intersects(ChunkRange other) const {
    return std::max(begin, other.begin) < std::min(end, other.end);
  }
  friend auto operator<=>(const ChunkRange&, const ChunkRange&) = default;
};

inline constexpr ChunkIndex kMaxChunks = ChunkIndex{1} << 63;

// Empty, and then {0, 0}, where the two have nothing in common.
constexpr ChunkRange intersection(ChunkRange a, ChunkRange b) {
  const ChunkRange both{std::max(a.begin, b.begin), std::min(a.end, b.end)};
  return both.empty() ? ChunkRange{} : both;
}

}  // namespace ppspp
