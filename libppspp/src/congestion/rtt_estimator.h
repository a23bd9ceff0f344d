// Smoothed round-trip time and the timeouts made of it (RFC 6298, RFC 9002 section 6.2).
#pragma once

#include <algorithm>
#include <cstdint>

#include "ppspp/ledbat_options.h"
#include "ppspp/time.h"

namespace ppspp {

class RttEstimator {
 public:
  explicit RttEstimator(const LedbatOptions& options);

  // One measured round trip. Not from chunks that were sent more than once (Karn).
  void on_sample(Microseconds rtt, TimePoint now);

  bool has_sample() const { return has_sample_; }
  Microseconds smoothed() const {  // the initial RTT before the first sample
    return std::max(Microseconds{smoothed_times_8_ / 8}, Microseconds{1});
  }
  Microseconds variation() const {  // half the initial RTT before the first sample
    return Microseconds{variation_times_4_ / 4};
  }
  Microseconds latest() const { return latest_; }  // the initial RTT before the first sample
  // Over the connection; the initial RTT before the first sample.
  Microseconds minimum() const { return minimum_; }

  // CTO of RFC 6817: smoothed + 4 * variation, between the floor and the ceiling, doubled `backoff`
  // times. One second, doubled, before the first sample (RFC 6817 2.4.2).
  Microseconds rto(int backoff) const;
  // When to probe for a tail loss: smoothed + max(4 * variation, 1 ms) + ack_delay, doubled
  // `backoff` times; no floor of hundreds of milliseconds.
  Microseconds probe_timeout(Microseconds ack_delay, int backoff) const;
  // How much later than an acknowledged datagram one may be before it counts as lost.
  Microseconds loss_delay() const;

 private:
  Microseconds doubled(Microseconds timeout, int times) const;

  Microseconds min_rto_;
  Microseconds max_rto_;
  double reordering_rtt_;
  // Scaled as RFC 6298 weighs them, so that integers lose nothing on a path of 100 microseconds.
  std::int64_t smoothed_times_8_;
  std::int64_t variation_times_4_;
  Microseconds latest_;
  Microseconds minimum_;
  bool has_sample_ = false;
};

}  // namespace ppspp
