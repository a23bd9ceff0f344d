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
  const std::size_t current = slot(minute_);
  if (!is_known(current) || below(delay, minima_.at(current))) minima_.at(current) = delay;
  known_ |= std::uint32_t{1} << current;
  if (!minimum_ || below(delay, *minimum_)) minimum_ = delay;
}

void BaseDelayHistory::advance(TimePoint now) {
  const std::int64_t minute = minute_of(now);
  if (!started_) {
    started_ = true;
    minute_ = minute;
  }
  if (minute <= minute_) return;  // a clock that goes back stays in the newest minute
  const auto passed = static_cast<std::uint64_t>(minute - minute_);
  const auto cleared = std::min<std::uint64_t>(passed, size_);
  for (std::uint64_t i = 0; i < cleared; ++i) {
    known_ &= ~(std::uint32_t{1} << slot(minute - static_cast<std::int64_t>(i)));
  }
  minute_ = minute;
  recompute();
}

void BaseDelayHistory::shift(std::int64_t difference) {
  for (std::size_t i = 0; i < size_; ++i) {
    if (is_known(i)) minima_.at(i) = delay_sum(minima_.at(i), difference);
  }
  recompute();
}

std::size_t BaseDelayHistory::slot(std::int64_t minute) const {
  const auto size = static_cast<std::int64_t>(size_);
  return static_cast<std::size_t>(((minute % size) + size) % size);
}

void BaseDelayHistory::recompute() {
  minimum_.reset();
  for (std::size_t i = 0; i < size_; ++i) {
    const std::int64_t candidate = minima_.at(i);
    if (is_known(i) && (!minimum_ || below(candidate, *minimum_))) minimum_ = candidate;
  }
}

}  // namespace ppspp
