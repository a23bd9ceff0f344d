#include "channel/request_queue.h"

#include <algorithm>
#include <vector>

namespace ppspp {
namespace {

// The parts of `range` that are in none of `ranges`.
template <typename Ranges>
void subtract(const Ranges& ranges, std::vector<ChunkRange>& parts) {
  for (const ChunkRange r : ranges) {
    for (std::size_t i = 0; i < parts.size(); ++i) {
      const ChunkRange part = parts[i];
      if (!part.intersects(r)) continue;
      const ChunkRange after{std::min(part.end, r.end), part.end};
      parts[i] = {part.begin, std::max(part.begin, r.begin)};
      if (!after.empty()) parts.push_back(after);
    }
  }
  std::erase_if(parts, [](ChunkRange part) { return part.empty(); });
}

}  // namespace

bool RequestQueue::add(ChunkRange range) {
  if (range.empty()) return true;
  std::vector<ChunkRange> parts{range};
  subtract(lost_, parts);
  subtract(pushed_, parts);
  subtract(asked_, parts);
  subtract(deferred_, parts);
  std::sort(parts.begin(), parts.end());
  for (const ChunkRange part : parts) {
    if (!asked_.empty() && asked_.back().end == part.begin) {
      asked_.back().end = part.end;
    } else if (asked_.size() < kMaxRanges) {
      asked_.push_back(part);
    } else {
      return false;
    }
    chunks_ += part.size();
  }
  return true;
}

bool RequestQueue::add_lost(ChunkRange range) {
  if (range.empty()) return true;
  if (lost_.size() >= kMaxRanges) return false;
  remove(range);
  if (!lost_.empty() && lost_.back().end == range.begin) {
    lost_.back().end = range.end;
  } else {
    lost_.push_back(range);
  }
  chunks_ += range.size();
  return true;
}

void RequestQueue::add_pushed(ChunkRange range) {
  if (range.empty() || pushed_.size() >= kMaxRanges) return;
  remove(range);
  if (!pushed_.empty() && pushed_.back().end == range.begin) {
    pushed_.back().end = range.end;
  } else {
    pushed_.push_back(range);
  }
  chunks_ += range.size();
}

std::uint64_t RequestQueue::pushed_chunks() const {
  std::uint64_t chunks = 0;
  for (const ChunkRange range : pushed_) chunks += range.size();
  return chunks;
}

bool RequestQueue::has_pushed(ChunkIndex chunk) const {
  return std::any_of(pushed_.begin(), pushed_.end(),
                     [chunk](ChunkRange r) { return r.contains(chunk); });
}

void RequestQueue::remove_from(Ranges& ranges, ChunkRange range) {
  for (std::size_t i = 0; i < ranges.size();) {
    const ChunkRange r = ranges[i];
    if (!r.intersects(range)) {
      ++i;
      continue;
    }
    chunks_ -= intersection(r, range).size();
    const ChunkRange before{r.begin, std::max(r.begin, range.begin)};
    const ChunkRange after{std::min(r.end, range.end), r.end};
    const auto place = ranges.begin() + static_cast<std::ptrdiff_t>(i);
    if (before.empty() && after.empty()) {
      ranges.erase(place);
    } else if (before.empty() || after.empty()) {
      *place = before.empty() ? after : before;
      ++i;
    } else {
      *place = before;
      ranges.insert(place + 1, after);
      i += 2;
    }
  }
}

void RequestQueue::remove(ChunkRange range) {
  remove_from(lost_, range);
  remove_from(pushed_, range);
  remove_from(asked_, range);
  remove_from(deferred_, range);
}

void RequestQueue::defer(const BinSet& spread) {
  constexpr int kMostLookedAt = 64;
  for (int i = 0; i < kMostLookedAt && !asked_.empty() && deferred_.size() < kMaxRanges; ++i) {
    ChunkRange& front = asked_.front();
    const ChunkRange known = intersection(spread.run_around(front.begin), front);
    if (known.empty()) return;
    if (!deferred_.empty() && deferred_.back().end == known.begin) {
      deferred_.back().end = known.end;
    } else {
      deferred_.push_back(known);
    }
    front.begin = known.end;
    if (front.empty()) asked_.pop_front();
  }
}

void RequestQueue::undefer() {
  for (; !deferred_.empty() && asked_.size() < kMaxRanges; deferred_.pop_back()) {
    asked_.push_front(deferred_.back());
  }
}

void RequestQueue::clear() {
  lost_.clear();
  pushed_.clear();
  asked_.clear();
  deferred_.clear();
  chunks_ = 0;
}

void RequestQueue::release() {
  for (Ranges* ranges : {&lost_, &pushed_, &asked_, &deferred_}) ranges->release();
}

std::optional<RequestQueue::Next> RequestQueue::next() const {
  const Ranges& ranges = front_ranges();
  if (ranges.empty()) return std::nullopt;
  return Next{ranges.front().begin, &ranges == &lost_};
}

void RequestQueue::take_front(Ranges& ranges) {
  if (++ranges.front().begin == ranges.front().end) ranges.pop_front();
  --chunks_;
}

void RequestQueue::pop() {
  take_front(front_ranges());
}

void RequestQueue::unpop(std::span<const ChunkRange> ranges) {
  for (std::size_t i = ranges.size(); i-- > 0;) {
    lost_.push_front(ranges[i]);
    chunks_ += ranges[i].size();
  }
}

ChunkRange RequestQueue::next_run() const {
  return empty() ? ChunkRange{} : front_ranges().front();
}

bool RequestQueue::has_lost(ChunkRange range) const {
  return std::any_of(lost_.begin(), lost_.end(),
                     [range](ChunkRange r) { return r.intersects(range); });
}

}  // namespace ppspp
