// Smoothed round-trip time and the timeouts made of it (RFC 6298, RFC 9002 section 6.2).
#pragma once

#include <optional>

#include "ppspp/ledbat_options.h"
#include "ppspp/time.h"

namespace ppspp {

class RttEstimator {
 public:
  explicit RttEstimator(const LedbatOptions& options);

  // One measured round trip. Not from chunks that were sent more than once (Karn).
  void on_sample(Microseconds rtt, TimePoint now);

  bool has_sample() const;
  Microseconds smoothed() const;   // the initial RTT before the first sample
  Microseconds variation() const;
  Microseconds latest() const;
  Microseconds minimum() const;    // over the connection

  // CTO of RFC 6817: smoothed + 4 * variation, between the floor and the ceiling, doubled `backoff`
  // times.
  Microseconds rto(int backoff) const;
  // When to probe for a tail loss: smoothed + max(4 * variation, 1 ms) + ack_delay, doubled
  // `backoff` times; no floor of hundreds of milliseconds.
  Microseconds probe_timeout(Microseconds ack_delay, int backoff) const;
  // How much later than an acknowledged datagram one may be before it counts as lost.
  Microseconds loss_delay() const;

 private:
  // of the congestion module
  LedbatOptions options_;
  std::optional<Microseconds> smoothed_;
  Microseconds variation_{0};
  Microseconds latest_{0};
  Microseconds minimum_{Microseconds::max()};
};

}  // namespace ppspp
