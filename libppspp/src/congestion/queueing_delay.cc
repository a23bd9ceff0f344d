#include "congestion/queueing_delay.h"

#include <algorithm>
#include <limits>

#include "congestion/duration.h"

namespace ppspp {
namespace {

// A difference between two clocks must show in so many samples and round trips before it is
// believed.
constexpr std::size_t kWatchSamples = 16;
constexpr int kWatchRoundTrips = 4;
// Of one sample to the average: not weighed, but taken for a new beginning.
constexpr std::int64_t kJump = 2'000'000;

}  // namespace

QueueingDelay::QueueingDelay(Microseconds target, int base_history_minutes)
    : noise_(target / 4),
      base_history_minutes_(base_history_minutes),
      base_(base_history_minutes),
      base_rtt_(base_history_minutes) {}

void QueueingDelay::on_rtt_sample(Microseconds rtt, TimePoint now) {
  if (!has_rtt_samples_) {
    has_rtt_samples_ = true;
    base_rtt_ = BaseDelayHistory(base_history_minutes_);  // forget the stand-ins
  }
  base_rtt_.on_sample(usable_rtt(rtt).count(), now);
}

void QueueingDelay::on_sample(std::int64_t delay, Microseconds smoothed_rtt, TimePoint now) {
  if (!has_rtt_samples_) base_rtt_.on_sample(smoothed_rtt.count(), now);
  base_rtt_.advance(now);
  base_.advance(now);
  const auto before = base_.minimum();
  if (before && delay_difference(delay, *before) < -noise_.count()) base_fell_ = true;
  base_.on_sample(delay, now);
  current_.on_sample(delay, smoothed_rtt, now);
  smooth(delay, now);
  check_clocks(smoothed_rtt, now);
}

std::optional<Microseconds> QueueingDelay::over_round_trip(Microseconds smoothed_rtt,
                                                           TimePoint now) const {
  return over_base(current_.minimum(smoothed_rtt, 4, smoothed_rtt, now), smoothed_rtt);
}

std::optional<Microseconds> QueueingDelay::lately(Microseconds smoothed_rtt, TimePoint now) const {
  return over_base(current_.minimum(Microseconds{0}, 4, smoothed_rtt, now), smoothed_rtt);
}

Microseconds QueueingDelay::base_rtt(Microseconds otherwise) const {
  const auto minimum = base_rtt_.minimum();
  return minimum ? std::min(Microseconds{*minimum}, otherwise) : otherwise;
}

bool QueueingDelay::take_base_fell() {
  const bool fell = base_fell_;
  base_fell_ = false;
  return fell;
}

void QueueingDelay::smooth(std::int64_t delay, TimePoint now) {
  const std::int64_t error = smoothed_delay_ ? delay_difference(delay, *smoothed_delay_) : 0;
  if (!smoothed_delay_ || error > kJump || error < -kJump) {
    smoothed_delay_ = delay;
    smoothed_rest_ = 0.0;
    watch_samples_ = 0;
    watch_begin_ = now;
    return;
  }
  smoothed_rest_ += (static_cast<double>(error) - smoothed_rest_) / 8.0;
  const auto whole = static_cast<std::int64_t>(smoothed_rest_);
  smoothed_delay_ = delay_sum(*smoothed_delay_, whole);
  smoothed_rest_ -= static_cast<double>(whole);
}

void QueueingDelay::check_clocks(Microseconds smoothed_rtt, TimePoint now) {
  const std::int64_t claimed = delay_difference(*smoothed_delay_, *base_.minimum());
  if (claimed < 0) {  // further from the base than half of all delays: only nonsense is
    watch_samples_ = 0;
    return;
  }
  const std::int64_t beyond = claimed - excess_rtt(smoothed_rtt).count();
  if (watch_samples_ == 0) {
    watch_begin_ = now;
    watch_minimum_ = beyond;
  }
  watch_minimum_ = std::min(watch_minimum_, beyond);
  ++watch_samples_;
  if (watch_samples_ < kWatchSamples ||
      elapsed(now, watch_begin_) < kWatchRoundTrips * smoothed_rtt) {
    return;
  }
  watch_samples_ = 0;
  if (watch_minimum_ > noise_.count() / 2) base_.shift(watch_minimum_);
}

Microseconds QueueingDelay::excess_rtt(Microseconds smoothed_rtt) const {
  return smoothed_rtt - base_rtt(smoothed_rtt);
}

std::optional<Microseconds> QueueingDelay::over_base(std::optional<std::int64_t> delay,
                                                     Microseconds smoothed_rtt) const {
  const auto base = base_.minimum();
  if (!delay || !base) return std::nullopt;
  const std::int64_t over = std::max<std::int64_t>(delay_difference(*delay, *base), 0);
  return std::min(Microseconds{over}, excess_rtt(smoothed_rtt) + noise_);
}

}  // namespace ppspp
