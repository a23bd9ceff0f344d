#include "congestion/base_delay_history.h"

#include <algorithm>

#include "congestion/duration.h"

namespace ppspp {
namespace {

constexpr std::int64_t kMinute = 60'000'000;

// Rounded down, also before the epoch.
std::int64_t minute_of(TimePoint time) {
  const std::int64_t count = time.time_since_epoch().count();
  return count / kMinute - (count % kMinute < 0 ? 1 : 0);
}

// Delays have no absolute order, only one relative to each other (see delay_difference).
bool below(std::int64_t a, std::int64_t b) {
  return delay_difference(a, b) < 0;
}

}  // namespace

BaseDelayHistory::BaseDelayHistory(int minutes)
    : size_(static_cast<std::size_t>(std::clamp(minutes, 1, kMaxMinutes))) {}

void BaseDelayHistory::on_sample(std::int64_t delay, TimePoint now) {
  advance(now);
  if (!newest_ || below(delay, *newest_)) newest_ = delay;
  if (!minimum_ || below(delay, *minimum_)) minimum_ = delay;
}

void BaseDelayHistory::advance(TimePoint now) {
  const std::int64_t minute = minute_of(now);
  if (!started_) {
    started_ = true;
    minute_ = minute;
  }
  if (minute <= minute_) return;  // a clock that goes back stays in the newest minute
  if (newest_) {
    minima_.resize(size_);
    minima_[slot(minute_)] = *newest_;
    known_ |= std::uint32_t{1} << slot(minute_);
    newest_.reset();
  }
  const auto passed = static_cast<std::uint64_t>(minute - minute_);
  const auto cleared = std::min<std::uint64_t>(passed, size_);
  for (std::uint64_t i = 0; i < cleared; ++i) {
    known_ &= ~(std::uint32_t{1} << slot(minute - static_cast<std::int64_t>(i)));
  }
  minute_ = minute;
  recompute();
}

void BaseDelayHistory::shift(std::int64_t difference) {
  if (newest_) newest_ = delay_sum(*newest_, difference);
  for (std::size_t i = 0; i < minima_.size(); ++i) {
    if (is_known(i)) minima_[i] = delay_sum(minima_[i], difference);
  }
  recompute();
}

std::size_t BaseDelayHistory::slot(std::int64_t minute) const {
  const auto size = static_cast<std::int64_t>(size_);
  return static_cast<std::size_t>(((minute % size) + size) % size);
}

void BaseDelayHistory::recompute() {
  minimum_ = newest_;
  for (std::size_t i = 0; i < minima_.size(); ++i) {
    const std::int64_t candidate = minima_[i];
    if (is_known(i) && (!minimum_ || below(candidate, *minimum_))) minimum_ = candidate;
  }
}

}  // namespace ppspp
