// A chunk availability map: a set of chunk numbers below 2^63 (RFC 7574, 4.3.1, leaves its form to
// the implementation).
//
// Everything, nothing and one run cost O(1); random holes cost about as much as a plain bitmap; a
// set over 2^32 chunks is practical. Queries work on 64 chunks at a time (`word`) and step over
// runs that are all in or all out, never chunk by chunk.
//
// What a peer announces ends up here, so memory is bounded: a set takes `max_pages` at
// construction, and what would need more is refused. The set is a hint about a peer: it then knows
// less than was announced, never more.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "bins/segment_list.h"
#include "ppspp/chunk_range.h"

namespace ppspp {

class BinSet {
 public:
  static constexpr std::size_t kUnbounded = ~std::size_t{0};
  static constexpr std::uint64_t kPageChunks = ChunkPage::kChunks;

  // At most `max_pages` pages of kPageChunks chunks that are neither all in nor all out, and
  // 2 * max_pages + 1 stretches altogether (a page can have a run of full pages on either side).
  // For a content of n chunks, ceil(n / kPageChunks) pages suffice for every set there can be.
  explicit BinSet(std::size_t max_pages = kUnbounded) : max_pages_(max_pages) {}
  BinSet(const BinSet&) = default;
  BinSet& operator=(const BinSet&) = default;
  BinSet(BinSet&& other) noexcept : BinSet(other.max_pages_) { swap(other); }  // leaves it empty
  BinSet& operator=(BinSet&& other) noexcept;
  ~BinSet() = default;
  void swap(BinSet& other) noexcept;

  // False: out of pages, and a part or all of the range is not in the set.
  bool insert(ChunkRange range);
  // The range is out of the set afterwards, always. False: a hole needs a page or a second run,
  // there is none left, and chunks around the range were forgotten as well.
  bool erase(ChunkRange range);
  void clear();

  bool empty() const { return count_ == 0; }
  std::uint64_t count() const { return count_; }
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

  // Pages in use (runs of full pages take none), and octets with all overhead.
  std::size_t page_count() const { return segments_.page_count(); }
  std::size_t memory() const { return sizeof(*this) + segments_.memory(); }

  friend bool operator==(const BinSet& a, const BinSet& b);  // the same chunks, whatever the bounds

  void check_invariants() const;  // asserts; for tests and checking builds

 private:
  bool may_add_segments(std::size_t added) const;
  bool insert_pages(PageIndex begin, PageIndex end);
  bool insert_in_page(PageIndex page, unsigned begin, unsigned end);
  bool erase_pages(PageIndex begin, PageIndex end);
  bool erase_in_page(PageIndex page, unsigned begin, unsigned end);
  bool erase_in_run(SegmentList::Position at, PageIndex page, unsigned begin, unsigned end);
  ChunkIndex run_begin(ChunkIndex chunk) const;

  SegmentList segments_;
  std::uint64_t count_ = 0;
  std::size_t max_pages_;
};

// The first run within `window` of chunks that are in `have`, and in none of `lack_a` and `lack_b`;
// at most `max_size` long; empty if there is none. This is the question of chunk picking: what does
// that peer have that I neither have nor have asked for. Steps over equal runs of all three.
ChunkRange first_run_in_but_not_in(const BinSet& have, const BinSet& lack_a, const BinSet& lack_b,
                                   ChunkRange window, std::uint64_t max_size);

}  // namespace ppspp
