// A chunk availability map: a set of chunk numbers below 2^63.
//
// Everything, nothing and one run cost O(1); random holes cost about as much as a plain bitmap; a
// set over 2^32 chunks is practical. Queries work on 64 chunks at a time (`word`) and step over
// runs that are all in or all out, never chunk by chunk.
//
// What a peer announces ends up here, so memory is bounded: a set takes `max_pages` at construction,
// and what would need more is refused by `insert` (the set is a hint about a peer; it then knows
// less than was announced, never more).
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "ppspp/chunk_range.h"

namespace ppspp {

class BinSet {
 public:
  static constexpr std::size_t kUnbounded = ~std::size_t{0};
  explicit BinSet(std::size_t max_pages = kUnbounded);
  // movable and copyable

  bool insert(ChunkRange range);  // false: refused in part or whole, out of pages
  bool erase(ChunkRange range);   // false: as for insert (a hole in a run may need a page)
  void clear();

  bool empty() const;
  std::uint64_t count() const;  // O(1)
  bool contains(ChunkIndex chunk) const;
  bool contains(ChunkRange range) const;    // all of it; true for an empty range
  bool intersects(ChunkRange range) const;  // any of it

  // Chunks 64 * index to 64 * index + 63, the lowest in bit 0.
  std::uint64_t word(std::uint64_t index) const;

  // The first chunk at or after `from` that is in (out of) the set; nothing beyond 2^63.
  std::optional<ChunkIndex> next_in(ChunkIndex from) const;
  ChunkIndex next_out(ChunkIndex from) const;

  // The longest run of chunks in the set around `chunk`; empty if `chunk` is not in it.
  ChunkRange run_around(ChunkIndex chunk) const;
  // The first run at or after `from`, cut at its front to begin at or after `from`; empty: none.
  ChunkRange next_run(ChunkIndex from) const;

  // Pages in use, and octets with all overhead.
  std::size_t page_count() const;
  std::size_t memory() const;

  friend bool operator==(const BinSet& a, const BinSet& b);  // the same chunks

  void check_invariants() const;  // asserts; for tests and checking builds
};

// The first run within `window` of chunks that are in `have`, and in none of `lack_a` and `lack_b`;
// at most `max_size` long; empty if there is none. This is the question of chunk picking: what does
// that peer have that I neither have nor have asked for. Steps over equal runs of all three.
ChunkRange first_run_in_but_not_in(const BinSet& have, const BinSet& lack_a, const BinSet& lack_b,
                                   ChunkRange window, std::uint64_t max_size);

}  // namespace ppspp
