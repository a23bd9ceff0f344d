// The two clocks of the protocol, as values. The core never reads a clock: whoever drives it hands
// `Now` in, which is what makes it possible to simulate it.
#pragma once

#include <chrono>
#include <cstdint>

namespace ppspp {

struct MonotonicClock {  // no now(): in the core, time exists only as an argument
  using duration = std::chrono::microseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<MonotonicClock>;
  static constexpr bool is_steady = true;
};

using Microseconds = std::chrono::microseconds;
using TimePoint = MonotonicClock::time_point;
inline constexpr TimePoint kNever = TimePoint::max();

// Microseconds of the system's clock since 1970, for DATA timestamps (RFC 7574, section 8.6) and
// signed munros. Only differences matter between peers, modulo 2^64: their clocks are not in step.
struct WallTime {
  std::uint64_t microseconds = 0;
  friend bool operator==(WallTime, WallTime) = default;
};

struct Now {
  TimePoint monotonic;
  WallTime wall;
};

}  // namespace ppspp
