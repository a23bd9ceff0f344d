// Arithmetic on times that cannot overflow, whatever a clock or a peer says.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

#include "ppspp/time.h"

namespace ppspp {

// No path and no computation here needs a longer one.
inline constexpr Microseconds kLongestDuration{std::int64_t{1} << 40};  // 12 days

// From `earlier` to `later`: not negative, and at most kLongestDuration.
inline Microseconds elapsed(TimePoint later, TimePoint earlier) {
  if (later <= earlier) return Microseconds{0};
  const auto difference = static_cast<std::uint64_t>(later.time_since_epoch().count()) -
                          static_cast<std::uint64_t>(earlier.time_since_epoch().count());
  const auto longest = static_cast<std::uint64_t>(kLongestDuration.count());
  return Microseconds{static_cast<std::int64_t>(std::min(difference, longest))};
}

// `time` + `duration`, or the end of time. `duration` is not negative.
inline TimePoint time_after(TimePoint time, Microseconds duration) {
  if (time > TimePoint::max() - duration) return TimePoint::max();
  return time + duration;
}

// A round trip as it may be used in a division.
inline Microseconds usable_rtt(Microseconds rtt) {
  return std::clamp(rtt, Microseconds{1}, Microseconds{600'000'000});
}

// `a` - `b` for one-way delays: differences of two clocks that know nothing of each other, so that
// only their own differences mean anything, modulo 2^64 (RFC 7574, section 8.7).
inline std::int64_t delay_difference(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b));
}

inline std::int64_t delay_sum(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
}

}  // namespace ppspp
