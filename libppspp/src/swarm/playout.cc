#include "swarm/playout.h"

#include <algorithm>

#include "wire/signed_content.h"

namespace ppspp {
namespace {

// For munros of other peers, and for a second one.
constexpr Microseconds kListenFor = std::chrono::milliseconds(150);
// Beyond two buffers: how far in the past playing may be without being begun again.
constexpr Microseconds kMuchBehind = std::chrono::seconds(5);
// Groups whose munros may be on their way while that of a later one is known.
constexpr std::uint64_t kGroupsOnTheirWay = 256;
// Munros that are kept: a bound for a feed that nobody plays on.
constexpr std::size_t kMaxSigned = 1 << 16;

std::uint64_t earlier(std::uint64_t ntp, Microseconds by) {
  const auto us = static_cast<std::uint64_t>(by.count());
  return ntp - ((us / 1'000'000) << 32) - (((us % 1'000'000) << 32) / 1'000'000);
}

}  // namespace

void Playout::on_signed(std::uint64_t group, std::uint64_t ntp, Now now) {
  if (!first_seen_at_) first_seen_at_ = now.monotonic;
  if (playing_ && group < playhead_ / width_) return;
  if (!signed_.emplace(group, Signed{ntp, now.monotonic}).second) return;
  if (signed_.size() > kMaxSigned) signed_.erase(signed_.begin());
  const auto& [last, newest] = *signed_.rbegin();
  const auto& [first, oldest] = *signed_.begin();
  const Microseconds span = ntp_difference(newest.ntp, oldest.ntp);
  const bool jump = last - first > 2 * most_groups_back_ + 1;  // decision 28
  if (last > first && !jump && span > Microseconds(0)) {
    duration_ = span / static_cast<Microseconds::rep>(last - first);
  }
  if (playing_ && !anchored_ && group == playhead_ / width_) anchor(ntp, now);
}

TimePoint Playout::begins_at() const {
  if (playing_ || !first_seen_at_) return kNever;
  return *first_seen_at_ + kListenFor;
}

std::optional<ChunkIndex> Playout::starting_chunk(const BinSet& offered) const {
  if (signed_.empty()) return std::nullopt;
  const std::uint64_t newest = signed_.rbegin()->first;
  std::uint64_t wanted = newest;
  if (settings_.tune_in == TuneIn::oldest) {
    wanted = 0;
  } else if (duration_ && *duration_ > Microseconds(0)) {
    const auto back = static_cast<std::uint64_t>(settings_.buffer / *duration_);
    wanted = newest - std::min({newest, back, most_groups_back_});
  } else if (newest > 0) {
    wanted = newest - 1;
  }
  const auto available = offered.next_in(wanted * width_);
  if (!available) return std::nullopt;
  // A peer that came into the middle of a group offers a part of it.
  const std::uint64_t group = (*available + width_ - 1) / width_;
  return std::min(group, newest) * width_;
}

bool Playout::begin(const BinSet& offered, Now now) {
  if (playing_ || signed_.empty()) return false;
  const bool knows_enough = settings_.tune_in == TuneIn::live && duration_.has_value();
  if (!knows_enough && now.monotonic < begins_at()) return false;
  const auto chunk = starting_chunk(offered);
  if (!chunk) return false;
  start(*chunk, now);
  return true;
}

bool Playout::begin_again(const BinSet& offered, Now now) {
  if (!playing_ || settings_.tune_in == TuneIn::oldest || signed_.empty()) return false;
  // The newest is due a buffer from now, whatever was missed, if time goes here as in the feed.
  const TimePoint due = due_at(signed_.rbegin()->first);
  const Microseconds most = settings_.buffer * 2 + kMuchBehind;
  if (due == kNever || due - now.monotonic < most) return false;
  const auto chunk = starting_chunk(offered);
  if (!chunk || *chunk <= playhead_) return false;
  start(*chunk, now);
  return true;
}

void Playout::start(ChunkIndex chunk, Now now) {
  playhead_ = chunk;
  playing_ = true;
  began_at_ = now.monotonic;
  anchored_ = false;
  anchor_by_ = now.monotonic + settings_.buffer;
  const auto known = signed_.find(chunk / width_);
  if (known != signed_.end()) {
    anchor(known->second.ntp, now);
  } else if (duration_) {
    const auto& [newest_group, newest] = *signed_.rbegin();
    const std::uint64_t groups = newest_group - std::min(newest_group, chunk / width_);
    anchor(earlier(newest.ntp, *duration_ * static_cast<Microseconds::rep>(groups)), now);
  }
  forget_before_playhead();
}

void Playout::anchor(std::uint64_t ntp, Now now) {
  anchored_ = true;
  began_at_ = now.monotonic;
  began_ntp_ = ntp;
  const Microseconds ahead = ntp_difference(signed_.rbegin()->second.ntp, ntp);
  // Nothing is here yet: even where there is content enough, it has to be fetched.
  slack_ = std::max(settings_.buffer / 2, settings_.buffer - ahead);
}

void Playout::advance(const BinSet& verified) {
  if (!playing_) return;
  playhead_ = verified.next_out(playhead_);
  forget_before_playhead();
}

void Playout::skip_to(ChunkIndex chunk) {
  playhead_ = std::max(playhead_, chunk);
  forget_before_playhead();
}

void Playout::forget_before_playhead() {
  // The newest stays: ages are counted from it.
  const std::uint64_t group = playhead_ / width_;
  while (signed_.size() > 1 && signed_.begin()->first < group) signed_.erase(signed_.begin());
}

TimePoint Playout::due_at(std::uint64_t group) const {
  if (!playing_ || (end_ && group * width_ >= *end_)) return kNever;
  const auto known = signed_.lower_bound(group);
  if (known == signed_.end()) {
    // Before the end there may be chunks whose time nobody has told.
    return end_ ? end_told_at_ + settings_.buffer + patience_ : kNever;
  }
  if (!anchored_) return anchor_by_;
  const Microseconds since = ntp_difference(known->second.ntp, began_ntp_);
  // The oldest chunks are about to be forgotten, and numbers that were left out never come.
  const bool jump = known->first - group > kGroupsOnTheirWay;
  if (jump || settings_.tune_in == TuneIn::oldest) return began_at_ + since + slack_;
  const Microseconds patience = patience_ - std::max(since, Microseconds(0)) / 2;
  return began_at_ + since + slack_ + std::max(patience, Microseconds(0));
}

ChunkRange Playout::give_up(const BinSet& verified, Now now) {
  advance(verified);
  const std::uint64_t group = playhead_ / width_;
  if (now.monotonic < due_at(group)) return {};
  // Groups of which nobody has told the munro have gone by with the next one known.
  const auto known = signed_.lower_bound(group);
  if (known == signed_.end()) {
    const ChunkRange rest{playhead_, *end_};
    playhead_ = rest.end;
    return rest;
  }
  ChunkIndex end = (known->first > group ? known->first : group + 1) * width_;
  // Where numbers were left out (decision 28), playing begins anew.
  const bool jump = known->first - group > 2 * most_groups_back_;
  if (!anchored_ || jump) anchor(known->second.ntp, now);
  if (end_) end = std::min(end, *end_);
  const ChunkRange late{playhead_, std::max(end, playhead_)};
  playhead_ = late.end;
  advance(verified);
  return late;
}

ChunkIndex Playout::due_before(TimePoint time) const {
  ChunkIndex end = playhead_;
  for (auto it = signed_.lower_bound(playhead_ / width_); it != signed_.end(); ++it) {
    if (due_at(it->first) >= time) break;
    end = (it->first + 1) * width_;
  }
  return end;
}

std::optional<std::uint64_t> Playout::newest_group() const {
  if (signed_.empty()) return std::nullopt;
  return signed_.rbegin()->first;
}

std::optional<std::uint64_t> Playout::newest_ntp() const {
  if (signed_.empty()) return std::nullopt;
  return signed_.rbegin()->second.ntp;
}

std::optional<TimePoint> Playout::seen_at(std::uint64_t group) const {
  const auto found = signed_.find(group);
  if (found == signed_.end()) return std::nullopt;
  return found->second.seen_at;
}

}  // namespace ppspp
