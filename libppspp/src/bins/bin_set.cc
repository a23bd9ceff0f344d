#include "bins/bin_set.h"

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "base/assert.h"

namespace ppspp {

namespace {

constexpr PageIndex kPages = kMaxChunks >> ChunkPage::kBits;

PageIndex page_of(ChunkIndex chunk) {
  return chunk >> ChunkPage::kBits;
}

unsigned offset_of(ChunkIndex chunk) {
  return static_cast<unsigned>(chunk % ChunkPage::kChunks);
}

ChunkIndex first_chunk_of(PageIndex page) {
  return page << ChunkPage::kBits;
}

// A range as the whole pages in it and the pieces of pages before and after them.
struct Parts {
  explicit Parts(ChunkRange range)
      : pages_begin(page_of(range.begin + ChunkPage::kChunks - 1)),
        pages_end(page_of(range.end)),
        head_begin(offset_of(range.begin)),
        tail_end(offset_of(range.end)) {}

  bool has_pages() const { return pages_begin < pages_end; }
  bool has_head() const { return head_begin != 0; }
  PageIndex head_page() const { return pages_begin - 1; }
  // The range may end in the page in which it begins.
  unsigned head_end() const { return pages_end < pages_begin ? tail_end : ChunkPage::kChunks; }
  bool has_tail() const { return tail_end != 0 && pages_end >= pages_begin; }

  PageIndex pages_begin;
  PageIndex pages_end;
  unsigned head_begin;
  unsigned tail_end;
};

// Up to three segments that take the place of others.
class Replacement {
 public:
  void add_run(PageIndex begin, PageIndex end) {
    if (begin < end) segments_[size_++] = Segment{begin, end, nullptr};
  }
  void add_page(PageIndex at, std::unique_ptr<ChunkPage> page) {
    segments_[size_++] = Segment{at, at + 1, std::move(page)};
  }
  std::size_t size() const { return size_; }
  std::span<Segment> segments() { return std::span(segments_).first(size_); }

 private:
  std::array<Segment, 3> segments_;
  std::size_t size_ = 0;
};

}  // namespace

BinSet& BinSet::operator=(BinSet&& other) noexcept {
  BinSet taken(std::move(other));
  swap(taken);
  return *this;
}

void BinSet::swap(BinSet& other) noexcept {
  segments_.swap(other.segments_);
  std::swap(count_, other.count_);
  std::swap(max_pages_, other.max_pages_);
}

void BinSet::clear() {
  segments_.clear();
  count_ = 0;
}

bool BinSet::insert(ChunkRange range) {
  range = intersection(range, ChunkRange{0, kMaxChunks});
  if (range.empty()) return true;
  const Parts parts(range);
  // Whole pages first: they take the place of bitmaps, which may be needed at the ends.
  bool done = !parts.has_pages() || insert_pages(parts.pages_begin, parts.pages_end);
  if (parts.has_head()) {
    done = insert_in_page(parts.head_page(), parts.head_begin, parts.head_end()) && done;
  }
  if (parts.has_tail()) done = insert_in_page(parts.pages_end, 0, parts.tail_end) && done;
  return done;
}

bool BinSet::erase(ChunkRange range) {
  range = intersection(range, ChunkRange{0, kMaxChunks});
  if (range.empty()) return true;
  const Parts parts(range);
  bool done = !parts.has_pages() || erase_pages(parts.pages_begin, parts.pages_end);
  if (parts.has_head()) {
    done = erase_in_page(parts.head_page(), parts.head_begin, parts.head_end()) && done;
  }
  if (parts.has_tail()) done = erase_in_page(parts.pages_end, 0, parts.tail_end) && done;
  return done;
}

bool BinSet::may_add_segments(std::size_t added) const {
  const std::size_t size = segments_.size() + added;
  return size == 0 || (size - 1) / 2 + (size - 1) % 2 <= max_pages_;  // size <= 2 * max_pages_ + 1
}

// Makes one run of these pages, of what they touch, and of the runs on either side.
bool BinSet::insert_pages(PageIndex begin, PageIndex end) {
  auto from = segments_.find(begin);
  if (from != segments_.begin()) {
    const auto before = segments_.previous(from);
    if (segments_[before].is_run() && segments_[before].end == begin) from = before;
  }
  std::uint64_t known = 0;
  auto to = from;
  for (; to != segments_.end(); to = segments_.next(to)) {
    const Segment& segment = segments_[to];
    if (segment.begin > end || (segment.begin == end && !segment.is_run())) break;
    if (segment.is_run()) {
      begin = std::min(begin, segment.begin);
      end = std::max(end, segment.end);
    }
    known += segment.count();
  }
  const std::uint64_t count = (end - begin) << ChunkPage::kBits;
  const bool is_one_run =
      from != to && segments_.next(from) == to && segments_[from].is_run() && known == count;
  if (is_one_run) return true;
  if (from == to && !may_add_segments(1)) return false;
  Replacement run;
  run.add_run(begin, end);
  segments_.splice(from, to, run.segments());
  count_ += count - known;
  return true;
}

bool BinSet::insert_in_page(PageIndex page, unsigned begin, unsigned end) {
  const auto at = segments_.find(page);
  if (at != segments_.end() && segments_[at].begin <= page) {
    if (segments_[at].is_run()) return true;
    count_ += segments_.page(at).insert(begin, end);
    if (segments_[at].page->count() < ChunkPage::kChunks) return true;
    return insert_pages(page, page + 1);  // takes the place of the bitmap, so it needs no room
  }
  if (segments_.page_count() >= max_pages_ || !may_add_segments(1)) return false;
  auto bitmap = std::make_unique<ChunkPage>(ChunkPage::Fill::none);
  count_ += bitmap->insert(begin, end);
  Replacement added;
  added.add_page(page, std::move(bitmap));
  segments_.splice(at, at, added.segments());
  return true;
}

// Removes whole pages. What is left of the runs at either end stays, except where one run would
// become two and there is room for one: then the shorter piece is forgotten.
bool BinSet::erase_pages(PageIndex begin, PageIndex end) {
  const auto from = segments_.find(begin);
  auto to = from;
  ChunkRange left{begin, begin};  // in pages
  ChunkRange right{end, end};
  std::uint64_t erased = 0;
  std::size_t size = 0;
  for (; to != segments_.end() && segments_[to].begin < end; to = segments_.next(to)) {
    left.begin = std::min(left.begin, segments_[to].begin);
    right.end = std::max(right.end, segments_[to].end);
    erased += segments_[to].count();
    ++size;
  }
  if (from == to) return true;
  const bool fits = left.empty() || right.empty() || size > 1 || may_add_segments(1);
  if (!fits) (left.size() < right.size() ? left : right) = {};
  Replacement rest;
  rest.add_run(left.begin, left.end);
  rest.add_run(right.begin, right.end);
  segments_.splice(from, to, rest.segments());
  count_ -= erased - (first_chunk_of(left.size()) + first_chunk_of(right.size()));
  return fits;
}

bool BinSet::erase_in_page(PageIndex page, unsigned begin, unsigned end) {
  const auto at = segments_.find(page);
  if (at == segments_.end() || segments_[at].begin > page) return true;
  if (segments_[at].is_run()) return erase_in_run(at, page, begin, end);
  count_ -= segments_.page(at).erase(begin, end);
  if (segments_[at].page->count() == 0) segments_.splice(at, segments_.next(at), {});
  return true;
}

bool BinSet::erase_in_run(SegmentList::Position at, PageIndex page, unsigned begin, unsigned end) {
  const Segment& run = segments_[at];
  Replacement pieces;
  pieces.add_run(run.begin, page);
  pieces.add_page(page, std::make_unique<ChunkPage>(ChunkPage::Fill::all));
  pieces.add_run(page + 1, run.end);
  if (segments_.page_count() >= max_pages_ || !may_add_segments(pieces.size() - 1)) {
    erase_pages(page, page + 1);
    return false;
  }
  for (Segment& piece : pieces.segments()) {
    if (!piece.is_run()) count_ -= piece.page->erase(begin, end);
  }
  segments_.splice(at, segments_.next(at), pieces.segments());
  return true;
}

bool BinSet::contains(ChunkIndex chunk) const {
  const auto at = segments_.find(page_of(chunk));
  if (at == segments_.end()) return false;
  const Segment& segment = segments_[at];
  if (segment.begin > page_of(chunk)) return false;
  return segment.is_run() || segment.page->contains(offset_of(chunk));
}

bool BinSet::contains(ChunkRange range) const {
  return range.empty() || next_out(range.begin) >= range.end;
}

// Looks no farther than `range`: it is asked of each chunk that is sent, by way of what proves it.
bool BinSet::intersects(ChunkRange range) const {
  if (range.empty()) return false;
  for (auto at = segments_.find(page_of(range.begin)); at != segments_.end();
       at = segments_.next(at)) {
    const Segment& segment = segments_[at];
    const ChunkIndex first = first_chunk_of(segment.begin);
    if (first >= range.end) return false;
    if (segment.is_run()) return true;
    const auto begin = static_cast<unsigned>(std::max(range.begin, first) - first);
    const auto end =
        static_cast<unsigned>(std::min<std::uint64_t>(range.end - first, ChunkPage::kChunks));
    if (segment.page->any(begin, end)) return true;
  }
  return false;
}

std::uint64_t BinSet::word(std::uint64_t index) const {
  constexpr std::uint64_t kPageWords = ChunkPage::kChunks / 64;
  const PageIndex page = index / kPageWords;
  const auto at = segments_.find(page);
  if (at == segments_.end()) return 0;
  const Segment& segment = segments_[at];
  if (segment.begin > page) return 0;
  return segment.is_run() ? ~std::uint64_t{0} : segment.page->word(index % kPageWords);
}

std::optional<ChunkIndex> BinSet::next_in(ChunkIndex from) const {
  for (auto at = segments_.find(page_of(from)); at != segments_.end(); at = segments_.next(at)) {
    const Segment& segment = segments_[at];
    from = std::max(from, first_chunk_of(segment.begin));
    if (segment.is_run()) return from;
    const unsigned offset = segment.page->next_in(offset_of(from));
    if (offset < ChunkPage::kChunks) return first_chunk_of(segment.begin) + offset;
  }
  return std::nullopt;
}

// Looks at three segments at most: a page has a hole, and no two runs touch.
ChunkIndex BinSet::next_out(ChunkIndex from) const {
  for (auto at = segments_.find(page_of(from)); at != segments_.end(); at = segments_.next(at)) {
    const Segment& segment = segments_[at];
    if (first_chunk_of(segment.begin) > from) return from;
    if (!segment.is_run()) {
      const unsigned offset = segment.page->next_out(offset_of(from));
      if (offset < ChunkPage::kChunks) return first_chunk_of(segment.begin) + offset;
    }
    from = first_chunk_of(segment.end);
  }
  return from;
}

ChunkRange BinSet::run_around(ChunkIndex chunk) const {
  const ChunkIndex end = next_out(chunk);
  return end == chunk ? ChunkRange{} : ChunkRange{run_begin(chunk), end};
}

// `chunk` is in the set.
ChunkIndex BinSet::run_begin(ChunkIndex chunk) const {
  auto at = segments_.find(page_of(chunk));
  ChunkIndex begin = chunk + 1;
  while (true) {
    const Segment& segment = segments_[at];
    const ChunkIndex first = first_chunk_of(segment.begin);
    if (segment.is_run()) {
      begin = first;
    } else {
      begin = first + segment.page->run_begin(static_cast<unsigned>(begin - first));
    }
    if (begin != first || at == segments_.begin()) return begin;
    at = segments_.previous(at);
    if (first_chunk_of(segments_[at].end) != first) return begin;
  }
}

ChunkRange BinSet::next_run(ChunkIndex from) const {
  const auto begin = next_in(from);
  return begin ? ChunkRange{*begin, next_out(*begin)} : ChunkRange{};
}

bool operator==(const BinSet& a, const BinSet& b) {
  return a.count_ == b.count_ && a.segments_ == b.segments_;
}

void BinSet::check_invariants() const {
  segments_.check_invariants();
  std::uint64_t count = 0;
  for (auto at = segments_.begin(); at != segments_.end(); at = segments_.next(at)) {
    PPSPP_ASSERT(segments_[at].end <= kPages);
    count += segments_[at].count();
  }
  PPSPP_ASSERT(count == count_);
  PPSPP_ASSERT(segments_.page_count() <= max_pages_);
  PPSPP_ASSERT(may_add_segments(0));
}

}  // namespace ppspp
