// Spreads what the window allows over the round trip: a token bucket whose rate follows the
// controller. A burst beyond 2 ms of the rate (or the floor of segments) never leaves back to back.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ppspp/time.h"

namespace ppspp {

class TokenBucket {
 public:
  // `rate` in octets per second (0: no limit), `burst` in octets.
  TokenBucket(std::uint64_t rate, std::size_t burst, TimePoint now);
  void set(std::uint64_t rate, std::size_t burst, TimePoint now);

  // Octets that may leave now. May be overdrawn by one datagram: take() accepts any size and the
  // debt is waited out, so that a datagram larger than the burst still leaves.
  std::size_t available(TimePoint now);
  bool can_send(TimePoint now) { return available(now) > 0; }
  void take(std::size_t bytes, TimePoint now);
  // When available() will be at least `bytes` (or the burst, if that is less).
  TimePoint ready_at(std::size_t bytes, TimePoint now);

 private:
  void refill(TimePoint now);

  // Levels are in millionths of an octet: one octet per second gives one of them each microsecond,
  // and nothing is lost by rounding at any rate.
  std::uint64_t rate_;
  std::int64_t burst_;
  std::int64_t level_;  // negative: debt
  TimePoint filled_at_;
};

}  // namespace ppspp
