#include <algorithm>
#include <bit>

#include "bins/bin_set.h"

namespace ppspp {

namespace {

constexpr std::uint64_t kFull = ~std::uint64_t{0};

ChunkIndex next_in_or(const BinSet& set, ChunkIndex from, ChunkIndex otherwise) {
  return set.next_in(from).value_or(otherwise);
}

}  // namespace

ChunkRange first_run_in_but_not_in(const BinSet& have, const BinSet& lack_a, const BinSet& lack_b,
                                   ChunkRange window, std::uint64_t max_size) {
  if (max_size == 0) return {};
  window = intersection(window, ChunkRange{0, kMaxChunks});
  ChunkIndex from = window.begin;
  while (from < window.end) {
    const std::uint64_t index = from / 64;
    const std::uint64_t in = have.word(index);
    const std::uint64_t out_a = lack_a.word(index);
    const std::uint64_t out_b = lack_b.word(index);
    const std::uint64_t word = in & ~out_a & ~out_b & kFull << from % 64;
    if (word != 0) {
      const ChunkIndex begin = index * 64 + static_cast<unsigned>(std::countr_zero(word));
      if (begin >= window.end) return {};
      const ChunkIndex end = begin + std::min(max_size, window.end - begin);
      return {begin, std::min({have.next_out(begin), next_in_or(lack_a, begin, end),
                               next_in_or(lack_b, begin, end), end})};
    }
    // None of these 64. Past the run that alone excludes them all, if there is one.
    from = (index + 1) * 64;
    if (in == 0) {
      from = next_in_or(have, from, kMaxChunks);
    } else if (out_a == kFull) {
      from = lack_a.next_out(from);
    } else if (out_b == kFull) {
      from = lack_b.next_out(from);
    }
  }
  return {};
}

}  // namespace ppspp
