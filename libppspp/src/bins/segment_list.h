// The ordered list of segments that a BinSet is made of: runs of whole pages that are all in, and
// single pages with a bitmap. What no segment covers is out.
//
// Kept in blocks of at most 128 segments below one directory: a search looks into the directory and
// one block, an insertion moves at most one block and rarely the directory, and 2^21 segments (2^32
// chunks with holes everywhere) stay practical.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "bins/chunk_page.h"

namespace ppspp {

using PageIndex = std::uint64_t;

struct Segment {
  PageIndex begin = 0;
  PageIndex end = 0;
  std::unique_ptr<ChunkPage> page;  // none: all chunks of [begin, end) are in

  bool is_run() const { return page == nullptr; }
  std::uint64_t count() const {
    return is_run() ? (end - begin) << ChunkPage::kBits : page->count();
  }
};

class SegmentList {
 public:
  // Valid until the next splice() or clear().
  struct Position {
    std::size_t block = 0;
    std::size_t index = 0;
    friend bool operator==(Position, Position) = default;
  };

  SegmentList() = default;
  SegmentList(const SegmentList& other);
  SegmentList& operator=(const SegmentList& other);
  SegmentList(SegmentList&& other) noexcept { swap(other); }
  SegmentList& operator=(SegmentList&& other) noexcept;
  ~SegmentList() = default;
  void swap(SegmentList& other) noexcept;

  std::size_t size() const { return size_; }
  std::size_t page_count() const { return page_count_; }
  std::size_t memory() const;  // octets on the heap

  Position begin() const { return {}; }
  Position end() const { return {blocks_.size(), 0}; }
  Position next(Position at) const;
  Position previous(Position at) const;  // not for begin()
  const Segment& operator[](Position at) const { return blocks_[at.block].segments[at.index]; }
  ChunkPage& page(Position at) { return *blocks_[at.block].segments[at.index].page; }

  // The first segment that ends after `page`, or end(). Remembers its last two answers: queries
  // that stay in one segment or gap, or alternate between the begin and the end of a download, cost
  // a few comparisons. Because of this memory a list is not for several threads at once.
  Position find(PageIndex page) const {
    if (found_.from <= page && page < found_.until) return found_.at;
    if (found_before_.from <= page && page < found_before_.until) return found_before_.at;
    return search(page);
  }

  // Replaces [from, to) by these segments.
  void splice(Position from, Position to, std::span<Segment> with);
  void clear();

  friend bool operator==(const SegmentList& a, const SegmentList& b);
  void check_invariants() const;

 private:
  struct Block {
    PageIndex first = 0;  // of its first segment, so that a search reads the directory only
    std::vector<Segment> segments;
  };
  // find() answers `at` for the pages [from, until).
  struct Found {
    PageIndex from = 0;
    PageIndex until = 0;
    Position at;
  };

  Position search(PageIndex page) const;
  static std::size_t index_in(const Block& block, PageIndex page);
  void assign(Position at, Segment&& segment);
  Position insert(Position before, Segment&& segment);
  Position split(Position at);
  void erase(Position from, Position to);
  void discard(std::size_t block, std::size_t from, std::size_t to);
  void tidy(std::size_t block);
  bool merge_with_next(std::size_t block);

  std::vector<Block> blocks_;  // none is empty
  std::size_t size_ = 0;
  std::size_t page_count_ = 0;
  mutable Found found_;
  mutable Found found_before_;
};

}  // namespace ppspp
