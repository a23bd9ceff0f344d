#include "channel/range_list.h"

#include <algorithm>

namespace ppspp {

bool RangeList::add(ChunkRange range) {
  if (range.empty()) return true;
  // The common case: chunks arrive in order, next to the last range.
  if (!ranges_.empty() && ranges_.back().end == range.begin) {
    ranges_.back().end = range.end;
    return true;
  }
  const auto first = std::lower_bound(ranges_.begin(), ranges_.end(), range.begin,
                                      [](ChunkRange r, ChunkIndex begin) { return r.end < begin; });
  auto last = first;
  while (last != ranges_.end() && last->begin <= range.end) ++last;
  if (first == last) {
    if (ranges_.size() >= max_size_) return false;
    ranges_.insert(first, range);
    return true;
  }
  first->begin = std::min(first->begin, range.begin);
  first->end = std::max((last - 1)->end, range.end);
  ranges_.erase(first + 1, last);
  return true;
}

void RangeList::remove(ChunkRange range) {
  if (range.empty()) return;
  std::size_t i = 0;
  while (i < ranges_.size()) {
    const ChunkRange r = ranges_[i];
    if (!r.intersects(range)) {
      ++i;
      continue;
    }
    const ChunkRange before{r.begin, std::max(r.begin, range.begin)};
    const ChunkRange after{std::min(r.end, range.end), r.end};
    if (!before.empty() && !after.empty()) {
      ranges_[i] = before;
      if (ranges_.size() < max_size_) {
        ranges_.insert(ranges_.begin() + static_cast<std::ptrdiff_t>(i) + 1, after);
      }
      return;
    }
    if (before.empty() && after.empty()) {
      ranges_.erase(ranges_.begin() + static_cast<std::ptrdiff_t>(i));
    } else {
      ranges_[i++] = before.empty() ? after : before;
    }
  }
}

}  // namespace ppspp
