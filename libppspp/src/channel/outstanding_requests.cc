#include "channel/outstanding_requests.h"

#include <algorithm>

namespace ppspp {

void OutstandingRequests::add(ChunkRange range, TimePoint now) {
  chunks_ += range.size();
  if (!entries_.empty()) {
    Entry& last = entries_.back();
    if (last.range.end == range.begin && last.requested_at == now && last.passed_at == kNever) {
      last.range.end = range.end;
      return;
    }
  }
  entries_.push_back({range, now});
}

void OutstandingRequests::add_passed(ChunkIndex chunk, TimePoint now) {
  ++chunks_;
  if (passed_ > 0) {
    Entry& last = entries_[passed_ - 1];
    if (last.range.end == chunk && last.passed_at == now) {
      ++last.range.end;
      return;
    }
  }
  entries_.insert(entries_.begin() + static_cast<std::ptrdiff_t>(passed_),
                  Entry{{chunk, chunk + 1}, now, now});
  if (hint_ >= passed_) ++hint_;
  ++passed_;
}

bool OutstandingRequests::on_received(ChunkIndex chunk, TimePoint now) {
  if (is_next(chunk)) {
    ++entries_[hint_].range.begin;
    --chunks_;
    return true;
  }
  const auto holds = [&](std::size_t i) {
    return i < entries_.size() && entries_[i].range.contains(chunk);
  };
  // In order, a chunk is in the entry of the last one or in the next.
  std::size_t i = hint_;
  if (!holds(i) && !holds(++i)) {
    for (i = 0; i < entries_.size() && !holds(i);) ++i;
    if (i == entries_.size()) return false;
  }
  split_out(i, chunk, now);
  return true;
}

// In order, and not the last of its entry: nothing else changes.
bool OutstandingRequests::is_next(ChunkIndex chunk) const {
  if (hint_ >= entries_.size() || passed_ < hint_) return false;
  const ChunkRange range = entries_[hint_].range;
  return range.begin == chunk && range.size() > 1;
}

void OutstandingRequests::split_out(std::size_t i, ChunkIndex chunk, TimePoint now) {
  --chunks_;
  mark_passed(i, now);
  hint_ = i;
  Entry& entry = entries_[i];
  if (entry.range.begin == chunk) {
    if (++entry.range.begin == entry.range.end) {
      entries_.erase(entries_.begin() + static_cast<std::ptrdiff_t>(i));
      if (passed_ > i) --passed_;
    }
    return;
  }
  Entry before = entry;
  before.range.end = chunk;
  if (before.passed_at == kNever) before.passed_at = now;
  entry.range.begin = chunk + 1;
  if (entry.range.empty()) {
    entry = before;
    passed_ = std::max(passed_, i + 1);
    return;
  }
  entries_.insert(entries_.begin() + static_cast<std::ptrdiff_t>(i), before);
  passed_ = std::max(passed_, i) + 1;
  hint_ = i + 1;
}

void OutstandingRequests::mark_passed(std::size_t end, TimePoint now) {
  for (; passed_ < end; ++passed_) {
    if (entries_[passed_].passed_at == kNever) entries_[passed_].passed_at = now;
  }
}

std::uint64_t OutstandingRequests::remove(ChunkRange range) {
  std::uint64_t removed = 0;
  for (std::size_t i = 0; i < entries_.size();) {
    Entry& entry = entries_[i];
    if (!entry.range.intersects(range)) {
      ++i;
      continue;
    }
    removed += intersection(entry.range, range).size();
    Entry before = entry;
    before.range.end = std::max(entry.range.begin, range.begin);
    entry.range.begin = std::min(entry.range.end, range.end);
    if (entry.range.empty() && before.range.empty()) {
      entries_.erase(entries_.begin() + static_cast<std::ptrdiff_t>(i));
      if (passed_ > i) --passed_;
    } else if (entry.range.empty()) {
      entry = before;
      ++i;
    } else if (before.range.empty()) {
      ++i;
    } else {
      entries_.insert(entries_.begin() + static_cast<std::ptrdiff_t>(i), before);
      if (passed_ > i) ++passed_;
      i += 2;
    }
  }
  chunks_ -= removed;
  return removed;
}

bool OutstandingRequests::contains(ChunkIndex chunk) const {
  return std::any_of(entries_.begin(), entries_.end(),
                     [chunk](const Entry& entry) { return entry.range.contains(chunk); });
}

std::vector<ChunkRange> OutstandingRequests::take_all() {
  std::vector<ChunkRange> ranges;
  for (const Entry& entry : entries_) ranges.push_back(entry.range);
  entries_.clear();
  hint_ = passed_ = 0;
  chunks_ = 0;
  return ranges;
}

std::vector<ChunkRange> OutstandingRequests::take_newest(std::uint64_t chunks) {
  std::vector<ChunkRange> ranges;
  while (chunks > 0 && !entries_.empty()) {
    ChunkRange& last = entries_.back().range;
    const std::uint64_t taken = std::min(chunks, last.size());
    ranges.push_back({last.end - taken, last.end});
    last.end -= taken;
    chunks -= taken;
    chunks_ -= taken;
    if (last.empty()) entries_.pop_back();
  }
  passed_ = std::min(passed_, entries_.size());
  return ranges;
}

std::vector<ChunkRange> OutstandingRequests::take_overdue(Microseconds patience, TimePoint now) {
  std::vector<ChunkRange> ranges;
  // Entries behind passed_ are not late; those before it are in the order of their requests, not of
  // the times at which they were passed, so all of them are looked at.
  std::size_t kept = 0;
  for (std::size_t i = 0; i < passed_; ++i) {
    if (now - entries_[i].passed_at >= patience) {
      ranges.push_back(entries_[i].range);
      chunks_ -= entries_[i].range.size();
    } else {
      entries_[kept++] = entries_[i];
    }
  }
  entries_.erase(entries_.begin() + static_cast<std::ptrdiff_t>(kept),
                 entries_.begin() + static_cast<std::ptrdiff_t>(passed_));
  passed_ = kept;
  hint_ = 0;
  return ranges;
}

TimePoint OutstandingRequests::overdue_at(Microseconds patience) const {
  TimePoint first = kNever;
  for (std::size_t i = 0; i < passed_; ++i) first = std::min(first, entries_[i].passed_at);
  return first == kNever ? kNever : first + patience;
}

std::optional<TimePoint> OutstandingRequests::oldest_request() const {
  if (entries_.empty()) return std::nullopt;
  return entries_.front().requested_at;
}

std::vector<ChunkRange> OutstandingRequests::later_within(ChunkRange range,
                                                          std::uint64_t soon) const {
  std::vector<ChunkRange> ranges;
  for (const Entry& entry : entries_) {
    ChunkRange later = entry.range;
    if (entry.passed_at == kNever) {
      const std::uint64_t skipped = std::min(soon, later.size());
      later.begin += skipped;
      soon -= skipped;
    }
    const ChunkRange part = intersection(later, range);
    if (!part.empty()) ranges.push_back(part);
  }
  return ranges;
}

ChunkRange OutstandingRequests::first_within(ChunkRange range, std::size_t entries_max) const {
  const std::size_t count = std::min(entries_.size(), entries_max);
  for (std::size_t i = 0; i < count; ++i) {
    const ChunkRange owed = intersection(entries_[i].range, range);
    if (!owed.empty()) return owed;
  }
  return {};
}

}  // namespace ppspp
