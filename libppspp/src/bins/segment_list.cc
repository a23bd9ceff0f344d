#include "bins/segment_list.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <utility>

#include "base/assert.h"

namespace ppspp {

namespace {

constexpr std::size_t kBlockSize = 128;
// What an allocation costs besides its octets, as a stated estimate.
constexpr std::size_t kAllocationOverhead = 16;

// How many of these sorted items satisfy `before`, which holds for the first ones only. Steps of a
// fixed number without a branch on the outcome, because the outcome cannot be predicted.
template <typename Item, typename Predicate>
std::size_t count_before(const std::vector<Item>& items, Predicate before) {
  const Item* base = items.data();
  std::size_t size = items.size();
  if (size == 0) return 0;
  while (size > 1) {
    const std::size_t half = size / 2;
    base = before(base[half - 1]) ? base + half : base;
    size -= half;
  }
  return static_cast<std::size_t>(base - items.data()) + (before(*base) ? 1 : 0);
}

template <typename Item>
auto iterator_at(std::vector<Item>& items, std::size_t index) {
  return items.begin() + static_cast<std::ptrdiff_t>(index);
}

// Gives back what a vector that has shrunk a lot holds.
template <typename Item>
void trim(std::vector<Item>& items) {
  if (items.capacity() > 4 && items.size() * 4 <= items.capacity()) items.shrink_to_fit();
}

Segment copy_of(const Segment& segment) {
  return {segment.begin, segment.end,
          segment.is_run() ? nullptr : std::make_unique<ChunkPage>(*segment.page)};
}

bool equal(const Segment& a, const Segment& b) {
  if (a.begin != b.begin || a.end != b.end || a.is_run() != b.is_run()) return false;
  return a.is_run() || *a.page == *b.page;
}

}  // namespace

SegmentList::SegmentList(const SegmentList& other)
    : size_(other.size_), page_count_(other.page_count_) {
  blocks_.reserve(other.blocks_.size());
  for (const Block& block : other.blocks_) {
    Block& copy = blocks_.emplace_back();
    copy.first = block.first;
    copy.segments.reserve(block.segments.size());
    std::transform(block.segments.begin(), block.segments.end(), std::back_inserter(copy.segments),
                   copy_of);
  }
}

SegmentList& SegmentList::operator=(const SegmentList& other) {
  SegmentList copy(other);
  swap(copy);
  return *this;
}

SegmentList& SegmentList::operator=(SegmentList&& other) noexcept {
  SegmentList taken(std::move(other));
  swap(taken);
  return *this;
}

void SegmentList::swap(SegmentList& other) noexcept {
  std::swap(blocks_, other.blocks_);
  std::swap(size_, other.size_);
  std::swap(page_count_, other.page_count_);
  std::swap(found_, other.found_);
  std::swap(found_before_, other.found_before_);
}

std::size_t SegmentList::memory() const {
  std::size_t octets = page_count_ * (sizeof(ChunkPage) + kAllocationOverhead);
  if (blocks_.capacity() != 0) octets += blocks_.capacity() * sizeof(Block) + kAllocationOverhead;
  for (const Block& block : blocks_) {
    octets += block.segments.capacity() * sizeof(Segment) + kAllocationOverhead;
  }
  return octets;
}

SegmentList::Position SegmentList::next(Position at) const {
  if (at.index + 1 < blocks_[at.block].segments.size()) return {at.block, at.index + 1};
  return {at.block + 1, 0};
}

SegmentList::Position SegmentList::previous(Position at) const {
  if (at.index > 0) return {at.block, at.index - 1};
  return {at.block - 1, blocks_[at.block - 1].segments.size() - 1};
}

SegmentList::Position SegmentList::search(PageIndex page) const {
  Position at;
  const std::size_t blocks =
      count_before(blocks_, [page](const Block& block) { return block.first <= page; });
  if (blocks > 0) {
    at = {blocks - 1, index_in(blocks_[blocks - 1], page)};
    if (at.index == blocks_[blocks - 1].segments.size()) at = {blocks, 0};
  }
  found_before_ = found_;
  found_.from = at == begin() ? 0 : (*this)[previous(at)].end;
  found_.until = at == end() ? std::numeric_limits<PageIndex>::max() : (*this)[at].end;
  found_.at = at;
  return at;
}

// Which of the block's segments is the first that ends after `page`, which is not before the block.
std::size_t SegmentList::index_in(const Block& block, PageIndex page) {
  // Where every page has holes, this is the place.
  const auto guess = std::min<PageIndex>(page - block.first, block.segments.size() - 1);
  const Segment& guessed = block.segments[guess];
  if (guessed.begin <= page && page < guessed.end) return guess;
  return count_before(block.segments,
                      [page](const Segment& segment) { return segment.end <= page; });
}

void SegmentList::splice(Position from, Position to, std::span<Segment> with) {
  found_ = {};
  found_before_ = {};
  std::size_t used = 0;
  for (; used < with.size() && from != to; ++used) {
    assign(from, std::move(with[used]));
    from = next(from);
  }
  if (from != to) erase(from, to);
  for (; used < with.size(); ++used) from = next(insert(from, std::move(with[used])));
}

void SegmentList::clear() {
  SegmentList none;
  swap(none);
}

void SegmentList::assign(Position at, Segment&& segment) {
  Block& block = blocks_[at.block];
  Segment& old = block.segments[at.index];
  page_count_ -= old.is_run() ? 0U : 1U;
  page_count_ += segment.is_run() ? 0U : 1U;
  old = std::move(segment);
  if (at.index == 0) block.first = old.begin;
}

SegmentList::Position SegmentList::insert(Position before, Segment&& segment) {
  if (blocks_.empty()) blocks_.emplace_back();
  // The end of a block rather than the front of the next: what grows at its end fills its blocks.
  Position at = before;
  if (at.index == 0 && at.block > 0) at = {at.block - 1, blocks_[at.block - 1].segments.size()};
  if (blocks_[at.block].segments.size() == kBlockSize) at = split(at);
  Block& block = blocks_[at.block];
  page_count_ += segment.is_run() ? 0U : 1U;
  ++size_;
  block.segments.insert(iterator_at(block.segments, at.index), std::move(segment));
  block.first = block.segments.front().begin;
  return at;
}

// Makes room in a full block; where `at` is afterwards. At the very end of the list the block stays
// as full as it is, so that a set that grows at its end has full blocks.
SegmentList::Position SegmentList::split(Position at) {
  const bool at_end = at.index == kBlockSize && at.block + 1 == blocks_.size();
  const std::size_t kept = at_end ? kBlockSize : kBlockSize / 2;
  auto& right = *blocks_.emplace(iterator_at(blocks_, at.block + 1));
  auto& left = blocks_[at.block];
  right.segments.assign(std::move_iterator(iterator_at(left.segments, kept)),
                        std::move_iterator(left.segments.end()));
  left.segments.resize(kept);
  if (!right.segments.empty()) right.first = right.segments.front().begin;
  return at.index < kept || (at.index == kept && !at_end) ? at
                                                          : Position{at.block + 1, at.index - kept};
}

void SegmentList::erase(Position from, Position to) {
  if (from.block == to.block) {
    discard(from.block, from.index, to.index);
  } else {
    discard(from.block, from.index, blocks_[from.block].segments.size());
    for (std::size_t i = from.block + 1; i < to.block; ++i) {
      discard(i, 0, blocks_[i].segments.size());
    }
    if (to.index > 0) discard(to.block, 0, to.index);
    blocks_.erase(iterator_at(blocks_, from.block + 1), iterator_at(blocks_, to.block));
  }
  tidy(from.block);
}

// Removes segments [from, to) of a block and leaves the block, even if it is empty now.
void SegmentList::discard(std::size_t block, std::size_t from, std::size_t to) {
  auto& segments = blocks_[block].segments;
  const auto first = iterator_at(segments, from);
  const auto last = iterator_at(segments, to);
  const auto runs = std::count_if(first, last, [](const Segment& s) { return s.is_run(); });
  page_count_ -= (to - from) - static_cast<std::size_t>(runs);
  size_ -= to - from;
  segments.erase(first, last);
  trim(segments);
  if (!segments.empty()) blocks_[block].first = segments.front().begin;
}

// After an erasure in this block, and perhaps the next: no empty block, no neighbours that are
// nearly empty, so that memory follows the number of segments.
void SegmentList::tidy(std::size_t block) {
  if (blocks_[block].segments.empty()) blocks_.erase(iterator_at(blocks_, block));
  while (merge_with_next(block)) continue;
  if (block > 0) merge_with_next(block - 1);
  trim(blocks_);
}

bool SegmentList::merge_with_next(std::size_t block) {
  if (block + 1 >= blocks_.size()) return false;
  auto& left = blocks_[block].segments;
  auto& right = blocks_[block + 1].segments;
  if (left.size() + right.size() > kBlockSize / 2) return false;
  left.insert(left.end(), std::move_iterator(right.begin()), std::move_iterator(right.end()));
  blocks_.erase(iterator_at(blocks_, block + 1));
  return true;
}

bool operator==(const SegmentList& a, const SegmentList& b) {
  if (a.size_ != b.size_ || a.page_count_ != b.page_count_) return false;
  auto at_b = b.begin();
  for (auto at_a = a.begin(); at_a != a.end(); at_a = a.next(at_a), at_b = b.next(at_b)) {
    if (!equal(a[at_a], b[at_b])) return false;
  }
  return true;
}

void SegmentList::check_invariants() const {
  std::size_t size = 0;
  std::size_t pages = 0;
  const Segment* before = nullptr;
  for (const Block& block : blocks_) {
    PPSPP_ASSERT(!block.segments.empty());
    PPSPP_ASSERT(block.segments.size() <= kBlockSize);
    PPSPP_ASSERT(block.first == block.segments.front().begin);
    for (const Segment& segment : block.segments) {
      PPSPP_ASSERT(segment.begin < segment.end);
      PPSPP_ASSERT(segment.is_run() || segment.end - segment.begin == 1);
      PPSPP_ASSERT(segment.is_run() || segment.page->count() > 0);
      PPSPP_ASSERT(segment.is_run() || segment.page->count() < ChunkPage::kChunks);
      PPSPP_ASSERT(before == nullptr || before->end <= segment.begin);
      // Runs that touch are one run: the same chunks have one form only.
      PPSPP_ASSERT(before == nullptr || before->end < segment.begin || !before->is_run() ||
                   !segment.is_run());
      before = &segment;
      ++size;
      pages += segment.is_run() ? 0U : 1U;
    }
  }
  PPSPP_ASSERT(size == size_);
  PPSPP_ASSERT(pages == page_count_);
}

}  // namespace ppspp
