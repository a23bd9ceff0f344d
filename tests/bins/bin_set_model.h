// The plain set that BinSet is compared with: one octet per chunk of a small universe that lies
// anywhere below 2^63. Slow and obvious.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "bins/bin_set.h"

namespace ppspp::test {

class BinSetModel {
 public:
  BinSetModel(ChunkIndex base, std::size_t size) : base_(base), chunks_(size) {}

  ChunkIndex base() const { return base_; }
  ChunkIndex end() const { return base_ + chunks_.size(); }

  void insert(ChunkRange range) { assign(range, 1); }
  void erase(ChunkRange range) { assign(range, 0); }
  void clear() { chunks_.assign(chunks_.size(), 0); }

  bool contains(ChunkIndex chunk) const {
    return base_ <= chunk && chunk < end() && chunks_[static_cast<std::size_t>(chunk - base_)] != 0;
  }
  std::uint64_t count() const {
    return static_cast<std::uint64_t>(std::count(chunks_.begin(), chunks_.end(), 1));
  }
  std::uint64_t word(std::uint64_t index) const {
    std::uint64_t word = 0;
    for (unsigned bit = 0; bit < 64; ++bit) {
      if (contains(index * 64 + bit)) word |= std::uint64_t{1} << bit;
    }
    return word;
  }
  bool contains(ChunkRange range) const {
    return range.empty() || next_out(range.begin) >= range.end;
  }
  bool intersects(ChunkRange range) const {
    return !range.empty() && next_in(range.begin).value_or(kMaxChunks) < range.end;
  }
  std::optional<ChunkIndex> next_in(ChunkIndex from) const {
    const ChunkIndex found = find(std::max(from, base_), 1);
    return found < end() ? std::optional(found) : std::nullopt;
  }
  ChunkIndex next_out(ChunkIndex from) const { return contains(from) ? find(from, 0) : from; }
  ChunkRange run_around(ChunkIndex chunk) const {
    if (!contains(chunk)) return {};
    ChunkIndex begin = chunk;
    while (begin > 0 && contains(begin - 1)) --begin;
    return {begin, next_out(chunk)};
  }
  ChunkRange next_run(ChunkIndex from) const {
    const auto begin = next_in(from);
    return begin ? ChunkRange{*begin, next_out(*begin)} : ChunkRange{};
  }

  // The same chunks, by all that can be asked in one pass.
  bool equals(const BinSet& set) const {
    if (set.count() != count()) return false;
    ChunkIndex from = 0;
    for (ChunkRange run = next_run(0); !run.empty(); run = next_run(from)) {
      if (set.next_run(from) != run) return false;
      from = run.end;
    }
    return set.next_run(from).empty();
  }

  // Forgets what the set does not know. False if the set knows chunks that are not here.
  bool reduce_to(const BinSet& set) {
    std::uint64_t common = 0;
    for (ChunkIndex chunk = base_; chunk < end(); ++chunk) {
      if (!contains(chunk)) continue;
      if (set.contains(chunk)) {
        ++common;
      } else {
        erase({chunk, chunk + 1});
      }
    }
    return common == set.count();
  }

 private:
  void assign(ChunkRange range, std::uint8_t value) {
    range = intersection(range, {base_, end()});
    if (!range.empty()) std::fill(at(range.begin), at(range.end), value);
  }
  std::vector<std::uint8_t>::iterator at(ChunkIndex chunk) {
    return chunks_.begin() + static_cast<std::ptrdiff_t>(chunk - base_);
  }
  // The first chunk at or after `from`, which is not before the universe, with this value; or
  // end().
  ChunkIndex find(ChunkIndex from, std::uint8_t value) const {
    if (from >= end()) return end();
    const auto first = chunks_.begin() + static_cast<std::ptrdiff_t>(from - base_);
    return base_ +
           static_cast<ChunkIndex>(std::find(first, chunks_.end(), value) - chunks_.begin());
  }

  ChunkIndex base_;
  std::vector<std::uint8_t> chunks_;
};

inline ChunkRange first_run_in_but_not_in(const BinSetModel& have, const BinSetModel& lack_a,
                                          const BinSetModel& lack_b, ChunkRange window,
                                          std::uint64_t max_size) {
  const auto fits = [&](ChunkIndex chunk) {
    return have.contains(chunk) && !lack_a.contains(chunk) && !lack_b.contains(chunk);
  };
  for (ChunkIndex begin = window.begin; begin < window.end && max_size > 0; ++begin) {
    if (!fits(begin)) continue;
    ChunkIndex end = begin;
    while (end < window.end && end - begin < max_size && fits(end)) ++end;
    return {begin, end};
  }
  return {};
}

}  // namespace ppspp::test
