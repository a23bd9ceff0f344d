#include "channel/sent_chunks.h"

#include <algorithm>

#include "base/assert.h"

namespace ppspp {
namespace {

// Keeps a vector that is emptied from the front from growing: moves its rest down when more than
// half of it is gone, which costs O(1) per element taken out.
template <typename T>
void compact(std::vector<T>& items, std::size_t& head) {
  if (head == items.size()) {
    items.clear();
    head = 0;
  } else if (head >= 64 && head * 2 > items.size()) {
    items.erase(items.begin(), items.begin() + static_cast<std::ptrdiff_t>(head));
    head = 0;
  }
}

}  // namespace

std::uint64_t SentChunks::begin_datagram(TimePoint now) {
  PPSPP_ASSERT(!full());
  datagrams_.push_back({.sent_at = now});
  return next_number() - 1;
}

void SentChunks::add_chunk(ChunkIndex chunk, bool resent) {
  const std::uint64_t number = next_number() - 1;
  Datagram& datagram = record(number);
  ++datagram.outstanding;
  datagram.resent |= resent;
  if (!empty() && index_.back().end == chunk && index_.back().datagram == number) {
    ++index_.back().end;
    return;
  }
  const Run run{chunk, chunk + 1, number};
  if (empty() || index_.back().end <= chunk) {
    index_.push_back(run);
    return;
  }
  const std::size_t place = lower_bound(chunk);
  PPSPP_ASSERT(place == index_.size() || index_[place].begin > chunk);  // not in flight already
  index_.insert(index_.begin() + static_cast<std::ptrdiff_t>(place), run);
}

void SentChunks::finish_datagram(std::uint32_t bytes, bool probe, bool app_limited) {
  Datagram& datagram = record(next_number() - 1);
  datagram.bytes = bytes;
  datagram.probe = probe;
  datagram.app_limited = app_limited;
}

std::vector<ChunkRange> SentChunks::abandon_datagram() {
  const std::uint64_t number = next_number() - 1;
  Lost lost;
  if (record(number).outstanding != 0) {
    give_up(number, lost);
    collect_runs({number}, lost);
  }
  datagrams_.pop_back();
  return std::move(lost.chunks);
}

std::size_t SentChunks::lower_bound(ChunkIndex chunk) const {
  const auto begin = index_.begin() + static_cast<std::ptrdiff_t>(index_head_);
  const auto found = std::lower_bound(begin, index_.end(), chunk,
                                      [](const Run& run, ChunkIndex c) { return run.end <= c; });
  return static_cast<std::size_t>(found - index_.begin());
}

// Takes `range` out of the index and calls on_run(part of a run that was taken out, datagram).
template <typename OnRun>
void SentChunks::cut(ChunkRange range, const OnRun& on_run) {
  if (range.empty() || empty()) return;
  std::size_t i = lower_bound(range.begin);
  std::size_t erase_from = i;
  if (i < index_.size() && index_[i].begin < range.begin) {
    const Run run = index_[i];
    const ChunkIndex end = std::min(run.end, range.end);
    on_run(ChunkRange{range.begin, end}, run.datagram);
    index_[i].end = range.begin;
    ++i;
    erase_from = i;
    if (end < run.end) {
      index_.insert(index_.begin() + static_cast<std::ptrdiff_t>(i),
                    Run{end, run.end, run.datagram});
      return;
    }
  }
  while (i < index_.size() && index_[i].end <= range.end) {
    on_run(ChunkRange{index_[i].begin, index_[i].end}, index_[i].datagram);
    ++i;
  }
  if (i < index_.size() && index_[i].begin < range.end) {
    on_run(ChunkRange{index_[i].begin, range.end}, index_[i].datagram);
    index_[i].begin = range.end;
  }
  if (erase_from == index_head_) {
    index_head_ = i;
  } else {
    index_.erase(index_.begin() + static_cast<std::ptrdiff_t>(erase_from),
                 index_.begin() + static_cast<std::ptrdiff_t>(i));
  }
  compact(index_, index_head_);
}

SentChunks::Acked SentChunks::on_ack(ChunkRange range, TimePoint now, Microseconds least_rtt) {
  Acked acked;
  std::optional<std::uint64_t> newest;
  cut(range, [&](ChunkRange part, std::uint64_t number) {
    Datagram& datagram = record(number);
    acked.chunks += part.size();
    datagram.outstanding -= static_cast<std::uint32_t>(part.size());
    if (datagram.outstanding == 0) {
      acked.bytes += datagram.bytes;
      acked.largest = std::max<std::size_t>(acked.largest, datagram.bytes);
      acked.probe |= datagram.probe;
    }
    const bool of_earlier_one = datagram.resent && now - datagram.sent_at < least_rtt;
    if (!of_earlier_one && (!newest || number > *newest)) newest = number;
  });
  if (newest) {
    const Datagram& datagram = record(*newest);
    acked.app_limited = datagram.app_limited;
    if (!datagram.resent) {
      acked.rtt = std::chrono::duration_cast<Microseconds>(now - datagram.sent_at);
    }
    if (!largest_acked_ || *newest > *largest_acked_) {
      largest_acked_ = newest;
      largest_acked_sent_at_ = datagram.sent_at;
    }
  }
  drop_finished_front();
  return acked;
}

void SentChunks::drop_finished_front() {
  while (head_ < datagrams_.size() && datagrams_[head_].outstanding == 0) {
    ++head_;
    ++first_number_;
  }
  compact(datagrams_, head_);
}

void SentChunks::give_up(std::uint64_t number, Lost& lost) {
  Datagram& datagram = record(number);
  lost.bytes += datagram.bytes;
  lost.newest_sent_at = std::max(lost.newest_sent_at, datagram.sent_at);
  lost.only_probes &= datagram.probe;
  std::size_t& largest = datagram.probe ? lost.probe : lost.largest;
  largest = std::max<std::size_t>(largest, datagram.bytes);
  datagram.outstanding = 0;
}

// Moves the chunks of the given datagrams (sorted numbers) from the index to `lost`. One pass over
// the index: losses come in groups, and a pass costs less than a search for each.
void SentChunks::collect_runs(const std::vector<std::uint64_t>& numbers, Lost& lost) {
  struct Found {
    std::uint64_t datagram;
    ChunkRange chunks;
  };
  std::vector<Found> found;
  const auto begin = index_.begin() + static_cast<std::ptrdiff_t>(index_head_);
  const auto rest = std::remove_if(begin, index_.end(), [&](const Run& run) {
    if (!std::binary_search(numbers.begin(), numbers.end(), run.datagram)) return false;
    found.push_back({run.datagram, {run.begin, run.end}});
    return true;
  });
  index_.erase(rest, index_.end());
  compact(index_, index_head_);
  std::stable_sort(found.begin(), found.end(),
                   [](const Found& a, const Found& b) { return a.datagram < b.datagram; });
  for (const Found& f : found) {
    if (!lost.chunks.empty() && lost.chunks.back().end == f.chunks.begin) {
      lost.chunks.back().end = f.chunks.end;
    } else {
      lost.chunks.push_back(f.chunks);
    }
  }
}

SentChunks::Lost SentChunks::detect_losses(int reordering, Microseconds delay, TimePoint now) {
  Lost lost;
  if (!largest_acked_) return lost;
  std::vector<std::uint64_t> numbers;
  const std::uint64_t end = std::min(*largest_acked_, next_number());
  for (std::uint64_t number = first_number_; number < end; ++number) {
    const Datagram& datagram = record(number);
    if (datagram.outstanding == 0) continue;
    const bool by_count = *largest_acked_ - number >= static_cast<std::uint64_t>(reordering);
    const bool by_time = now >= datagram.sent_at + delay;
    if (!by_count && !by_time) break;  // later ones are nearer to it and younger
    numbers.push_back(number);
    give_up(number, lost);
  }
  if (!numbers.empty()) collect_runs(numbers, lost);
  drop_finished_front();
  return lost;
}

TimePoint SentChunks::loss_time(Microseconds delay) const {
  if (!largest_acked_ || head_ == datagrams_.size() || first_number_ >= *largest_acked_) {
    return kNever;
  }
  return datagrams_[head_].sent_at + delay;
}

SentChunks::Lost SentChunks::take_oldest(std::size_t count) {
  Lost lost;
  std::vector<std::uint64_t> numbers;
  for (std::uint64_t number = first_number_; number < next_number() && numbers.size() < count;
       ++number) {
    if (record(number).outstanding == 0) continue;
    numbers.push_back(number);
    give_up(number, lost);
  }
  if (!numbers.empty()) collect_runs(numbers, lost);
  drop_finished_front();
  return lost;
}

std::size_t SentChunks::discard(ChunkRange range) {
  std::size_t bytes = 0;
  cut(range, [&](ChunkRange part, std::uint64_t number) {
    Datagram& datagram = record(number);
    datagram.outstanding -= static_cast<std::uint32_t>(part.size());
    if (datagram.outstanding == 0) bytes += datagram.bytes;
  });
  drop_finished_front();
  return bytes;
}

template <typename Counts>
bool SentChunks::any_run(ChunkRange range, const Counts& counts) const {
  if (empty() || range.begin >= index_.back().end) return false;
  // Chunks mostly go out in order, so the newest run answers most questions.
  const Run& newest = index_.back();
  if (newest.begin < range.end && counts(newest.datagram)) return true;
  for (std::size_t i = lower_bound(range.begin); i < index_.size() && index_[i].begin < range.end;
       ++i) {
    if (counts(index_[i].datagram)) return true;
  }
  return false;
}

bool SentChunks::will_arrive(ChunkRange range) const {
  return any_run(range, [this](std::uint64_t number) { return !record(number).probe; });
}

bool SentChunks::will_arrive_before_last(ChunkRange range) const {
  const std::uint64_t last = next_number() - 1;  // the one that is being filled
  return any_run(range, [this, last](std::uint64_t number) {
    return !record(number).probe && number != last && number + 1 != last;
  });
}

bool SentChunks::is_in_last(ChunkRange range) const {
  const std::uint64_t last = next_number() - 1;
  return any_run(range, [last](std::uint64_t number) { return number == last; });
}

void SentChunks::subtract_from(ChunkRange range, std::vector<ChunkRange>& out) const {
  std::size_t i = lower_bound(range.begin);
  while (!range.empty() && i < index_.size() && index_[i].begin < range.end) {
    if (range.begin < index_[i].begin) out.push_back({range.begin, index_[i].begin});
    range.begin = std::max(range.begin, index_[i].end);
    ++i;
  }
  if (!range.empty()) out.push_back(range);
}

TimePoint SentChunks::oldest_sent_at() const {
  return datagrams_[head_].sent_at;
}

TimePoint SentChunks::newest_sent_at() const {
  return datagrams_.back().sent_at;
}

std::size_t SentChunks::memory() const {
  return datagrams_.capacity() * sizeof(Datagram) + index_.capacity() * sizeof(Run);
}

void SentChunks::release() {
  if (!datagrams_.empty() || !index_.empty()) return;
  std::vector<Datagram>().swap(datagrams_);
  std::vector<Run>().swap(index_);
}

}  // namespace ppspp
