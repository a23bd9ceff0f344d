// What to ask for of a live feed (RFC 7574, 9.1): in the order of playing, in different order of
// each peer within a group so that they come to have different chunks for each other, and twice
// what is about to be too late.
#include <algorithm>

#include "swarm/live_swarm.h"

namespace ppspp {
namespace {

// Of one peer at once, where others can be asked as well.
constexpr std::uint64_t kRunAmongMany = 4;
constexpr std::uint64_t kUrgentChunks = 8;
// What fresh chunks are waited for where much comes without being asked for.
constexpr double kMuchPushed = 0.3;
constexpr Microseconds kPushTakes = std::chrono::milliseconds(100);
// After so long without anything new, what was pushed is pushed no more: whoever pushed it is gone,
// or has given our place to others.
constexpr Microseconds kPushesEnded = std::chrono::milliseconds(300);
constexpr double kTwiceShare = 0.06;
constexpr Microseconds kLateAfter = std::chrono::milliseconds(200);
constexpr Microseconds kLateLook = std::chrono::milliseconds(50);
constexpr double kTwiceAtMost = 16;
constexpr Microseconds kUrgentAgain = std::chrono::milliseconds(50);

bool owes(const Channel& channel, ChunkRange chunks) {
  return !channel.requests().first_within(chunks, OutstandingRequests::kMaxEntries).empty();
}

}  // namespace

// The part of the buffer that is left when missing chunks become urgent.
Microseconds LiveSwarm::urgency() const {
  return settings_.live.buffer / 3;
}

ChunkRange LiveSwarm::pick_chunks(Channel& from, std::uint64_t max_chunks, Now now) {
  if (!playout_.playing()) return pick_to_tune_in(from);
  if (const ChunkRange urgent = pick_urgent(from, max_chunks, now); !urgent.empty()) return urgent;
  if (const ChunkRange late = pick_late(from, max_chunks, now); !late.empty()) return late;
  if (const ChunkRange fresh = pick_fresh(from, max_chunks, now); !fresh.empty()) return fresh;
  return pick_beyond(from);
}

// Where a peer announces what lies far beyond all that we know to be signed, the source may have
// started again (decision 28): its newest chunk brings a munro along, or is a lie that costs one
// REQUEST.
ChunkRange LiveSwarm::pick_beyond(const Channel& from) const {
  if (end_ || from.peer_end() <= wanted_end()) return {};
  const ChunkRange last{from.peer_end() - 1, from.peer_end()};
  const bool asked = requested_.contains(last.begin) || !from.requests().empty();
  return asked || !from.peer_has().contains(last.begin) ? ChunkRange{} : last;
}

// Before anything is known, the newest chunk of a peer, since its munro comes with it. Once we know
// a munro, the chunks under the newest, which are wanted wherever playing will begin.
ChunkRange LiveSwarm::pick_to_tune_in(const Channel& from) const {
  if (from.peer_end() == 0) return {};
  const auto newest = playout_.newest_group();
  if (!newest) {
    const ChunkIndex last = from.peer_end() - 1;
    return requested_.contains(last) ? ChunkRange{} : ChunkRange{last, last + 1};
  }
  if (settings_.live.tune_in == TuneIn::oldest) return {};
  return first_run_in_but_not_in(from.peer_has(), verified_, requested_,
                                 {*newest * width_, (*newest + 1) * width_}, kRunAmongMany);
}

// A chunk that somebody owes and that is due soon is asked of another one as well: once, and again
// of anybody when there is hardly time left.
ChunkRange LiveSwarm::pick_urgent(const Channel& from, std::uint64_t max_chunks, Now now) {
  if (playout_.due_at() > now.monotonic + urgency()) return {};
  const ChunkIndex end = playout_.due_before(now.monotonic + urgency());
  const ChunkIndex very_urgent_end = playout_.due_before(now.monotonic + urgency() / 2);
  static const BinSet kNone;
  ChunkIndex begin = playout_.playhead();
  while (begin < end) {
    const BinSet& but = begin < very_urgent_end ? kNone : asked_again_;
    const ChunkIndex stop = begin < very_urgent_end ? very_urgent_end : end;
    const ChunkRange run = first_run_in_but_not_in(from.peer_has(), verified_, but, {begin, stop},
                                                   std::min(max_chunks, kUrgentChunks));
    if (run.empty()) {
      begin = stop;
      continue;
    }
    ChunkRange mine{run.begin, run.begin};
    while (mine.end < run.end && !from.requests().contains(mine.end)) ++mine.end;
    if (mine.empty()) {
      begin = run.begin + 1;
      continue;
    }
    if (requested_.intersects(mine)) {
      if (owed_by_somebody_good(mine) && !may_ask_twice(mine.size())) {
        begin = mine.end;
        continue;
      }
      twice_.insert(mine);
      asked_again_.insert(mine);
    }
    return mine;
  }
  return {};
}

// What a slow peer has owed for long is taken from it, and asked of another one: there it has
// waited behind what others asked for.
void LiveSwarm::look_for_late(Now now) {
  if (now.monotonic < late_at_) return;
  late_at_ = kNever;
  if (!among_many() || !playout_.playing() || ended_) return;
  late_at_ = now.monotonic + kLateLook;
  bool any = false;
  for (const Channel* channel : channels_) {
    const auto oldest = channel->requests().oldest_request();
    if (!oldest) continue;
    if (now.monotonic - *oldest < channel->rtt().smoothed() * 3 / 2 + kLateAfter) continue;
    const ChunkRange front = channel->requests().front();
    for (ChunkIndex chunk = front.begin; chunk < front.end; ++chunk) {
      if (verified_.contains(chunk) || asked_again_.contains(chunk)) continue;
      late_.insert({chunk, chunk + 1});
      any = true;
    }
  }
  if (any) touch_all();
}

void LiveSwarm::take_from_others(ChunkRange chunks, Now now) {
  for (Channel* other : channels_) {
    if (!owes(*other, chunks)) continue;
    other->take_late(chunks, now);
    note_owing(*other);
    touch(*other);
  }
}

bool LiveSwarm::owed_by_somebody_good(ChunkRange chunks) const {
  return std::ranges::any_of(channels_, [&](const Channel* channel) {
    return owes(*channel, chunks) && !channel->delivers_little();
  });
}

ChunkRange LiveSwarm::pick_late(const Channel& from, std::uint64_t max_chunks, Now now) {
  if (late_.empty()) return {};
  ChunkIndex begin = playout_.playhead();
  late_.erase({0, begin});
  for (ChunkRange run = late_.next_run(begin); !run.empty(); run = late_.next_run(begin)) {
    begin = run.begin + 1;
    const ChunkRange one{run.begin, run.begin + 1};
    if (verified_.contains(one.begin)) {
      late_.erase(one);
      continue;
    }
    if (!from.peer_has().contains(one.begin) || from.requests().contains(one.begin)) continue;
    ChunkRange mine = one;
    while (mine.end < run.end && mine.size() < max_chunks && !verified_.contains(mine.end) &&
           from.peer_has().contains(mine.end) && !from.requests().contains(mine.end)) {
      ++mine.end;
    }
    take_from_others(mine, now);
    late_.erase(mine);
    return mine;
  }
  return {};
}

// Among many, what is asked for twice is a small share of all: where uplinks are short, the second
// copies of some chunks are the first ones of others, which are late in turn.
bool LiveSwarm::may_ask_twice(std::uint64_t chunks) {
  if (!among_many()) return true;
  const double most = kTwiceShare * static_cast<double>(chunks_stored_ - twice_counted_);
  twice_counted_ = chunks_stored_;
  twice_credit_ = std::min(twice_credit_ + most, kTwiceAtMost);
  const auto needed = static_cast<double>(chunks);
  if (twice_credit_ < needed) return false;
  twice_credit_ -= needed;
  return true;
}

ChunkRange LiveSwarm::pick_fresh(const Channel& from, std::uint64_t max_chunks, Now now) {
  const ChunkRange window{std::max(playout_.playhead(), window_begin()), pick_end(now)};
  if (window.begin >= window.end) return {};
  const ChunkRange first =
      first_run_in_but_not_in(from.peer_has(), verified_, requested_, window, max_chunks);
  if (first.empty() || is_only_source(from)) return first;
  // From a random place in the first group that lacks something, round to its beginning.
  const std::uint64_t most = std::min(max_chunks, kRunAmongMany);
  const ChunkIndex group = first.begin / width_ * width_;
  const ChunkRange behind = intersection(
      {group + random_.below(width_) / kRunAmongMany * kRunAmongMany, group + width_}, window);
  const ChunkRange run =
      first_run_in_but_not_in(from.peer_has(), verified_, requested_, behind, most);
  if (!run.empty()) return run;
  return {first.begin, std::min(first.end, first.begin + most)};
}

bool LiveSwarm::is_only_source(const Channel& from) const {
  return std::none_of(channels_.begin(), channels_.end(), [&](const Channel* other) {
    return other != &from && other->established() && !other->peer_has().empty();
  });
}

// Up to the newest chunk that may be there; without those that may be on their way unasked.
ChunkIndex LiveSwarm::pick_end(Now now) const {
  const auto newest = playout_.newest_group();
  // Behind the end nothing is pushed: what was lost of the last chunks must be asked for.
  if (end_ || !newest || among_many() || pushed_share_ < kMuchPushed ||
      pushes_end_at() <= now.monotonic) {
    return wanted_end();
  }
  for (std::uint64_t group = *newest;; --group) {
    const auto seen = playout_.seen_at(group);
    if (!seen || *seen + kPushTakes <= now.monotonic) return (group + 1) * width_;
    if (group == 0) return 0;
  }
}

// If nothing new becomes known. What we know to be there comes from those who push it, so that we
// would else wait for ever for what we are not told.
TimePoint LiveSwarm::pushes_end_at() const {
  const auto seen = playout_.seen_at(*playout_.newest_group());
  return seen ? *seen + kPushesEnded : TimePoint{};
}

// When there will be something to ask for that there is not now.
void LiveSwarm::schedule_picks(Now now) {
  if (late_at_ == kNever && among_many() && owing_ > 0) late_at_ = now.monotonic + kLateLook;
  fresh_at_ = kNever;
  const TimePoint due = playout_.playing() && !ended_ ? playout_.due_at() : kNever;
  if (due == kNever) {
    urgent_at_ = kNever;
  } else if (due - urgency() > now.monotonic) {
    urgent_at_ = due - urgency();
  } else if (urgent_at_ == kNever || urgent_at_ <= now.monotonic) {
    urgent_at_ = now.monotonic + kUrgentAgain;
  }
  if (!playout_.playing() || ended_) return;
  const auto newest = playout_.newest_group();
  if (!newest || among_many() || pushed_share_ < kMuchPushed) return;
  const auto seen = playout_.seen_at(pick_end(now) / width_);
  const TimePoint pushed_by = seen ? *seen + kPushTakes : TimePoint{};
  for (const TimePoint at : {pushes_end_at(), pushed_by}) {
    if (at > now.monotonic) fresh_at_ = at;
  }
}

}  // namespace ppspp
