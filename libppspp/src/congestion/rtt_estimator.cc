#include "congestion/rtt_estimator.h"

#include <algorithm>

#include "congestion/duration.h"

namespace ppspp {
namespace {

// The precision that a timer can be expected to have (RFC 9002, kGranularity).
constexpr Microseconds kGranularity{1'000};
constexpr Microseconds kFirstRto{1'000'000};       // RFC 6298, 2.1
constexpr Microseconds kLeastCeiling{60'000'000};  // RFC 6298, 2.5; RFC 6817, 2.4.2: MUST

}  // namespace

RttEstimator::RttEstimator(const LedbatOptions& options)
    : min_rto_(std::clamp(options.min_rto, kGranularity, kLeastCeiling)),
      max_rto_(std::clamp(options.max_rto, kLeastCeiling, kLongestDuration)),
      reordering_rtt_(std::clamp(options.reordering_rtt, 1.0, 16.0)),
      smoothed_times_8_(usable_rtt(options.initial_rtt).count() * 8),
      variation_times_4_(usable_rtt(options.initial_rtt).count() * 2),
      latest_(usable_rtt(options.initial_rtt)),
      minimum_(latest_) {}

void RttEstimator::on_sample(Microseconds rtt, TimePoint /*now*/) {
  latest_ = usable_rtt(rtt);
  const std::int64_t sample = latest_.count();
  if (!has_sample_) {
    has_sample_ = true;
    smoothed_times_8_ = sample * 8;
    variation_times_4_ = sample * 2;
    minimum_ = latest_;
    return;
  }
  const std::int64_t error = sample - smoothed_times_8_ / 8;
  variation_times_4_ += (error < 0 ? -error : error) - variation_times_4_ / 4;
  smoothed_times_8_ += error;
  minimum_ = std::min(minimum_, latest_);
}

Microseconds RttEstimator::rto(int backoff) const {
  const Microseconds measured =
      smoothed() + std::max(Microseconds{variation_times_4_}, kGranularity);
  const Microseconds once = has_sample_ ? measured : std::max(kFirstRto, measured);
  return doubled(std::max(once, min_rto_), backoff);
}

Microseconds RttEstimator::probe_timeout(Microseconds ack_delay, int backoff) const {
  const Microseconds delay = std::clamp(ack_delay, Microseconds{0}, kLeastCeiling);
  return doubled(smoothed() + std::max(Microseconds{variation_times_4_}, kGranularity) + delay,
                 backoff);
}

Microseconds RttEstimator::loss_delay() const {
  const auto longest = static_cast<double>(std::max(smoothed(), latest_).count());
  return std::max(Microseconds{static_cast<std::int64_t>(longest * reordering_rtt_)}, kGranularity);
}

Microseconds RttEstimator::doubled(Microseconds timeout, int times) const {
  for (int i = 0; i < times && timeout < max_rto_; ++i) timeout *= 2;
  return std::min(timeout, max_rto_);
}

}  // namespace ppspp
