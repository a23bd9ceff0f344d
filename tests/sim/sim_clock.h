// The clocks of one node: both begin anywhere and run at their own speed; the wall clock may step.
#pragma once

#include <cstdint>

#include "ppspp/time.h"

namespace ppspp::sim {

// Microseconds of the world's time. It begins at one second.
using SimTime = std::uint64_t;
inline constexpr SimTime kSimNever = ~SimTime{0};
inline constexpr SimTime kSecond = 1'000'000;
// The day on which the world's time begins, as wall clocks show it.
inline constexpr std::int64_t kSomeDay = 1'790'000'000'000'000;

class SimClock {
 public:
  SimClock() = default;
  SimClock(std::int64_t monotonic_offset, std::int64_t wall_offset, std::int32_t drift_ppm)
      : monotonic_offset_(monotonic_offset), wall_offset_(wall_offset), drift_ppm_(drift_ppm) {}

  Now now(SimTime time) const {
    const std::int64_t local = run(time);
    return {TimePoint(Microseconds(local + monotonic_offset_)),
            {static_cast<std::uint64_t>(local + wall_offset_)}};
  }

  // When the monotonic clock will show `at`, or more.
  SimTime when(TimePoint at) const {
    if (at == kNever) return kSimNever;
    const std::int64_t local = at.time_since_epoch().count() - monotonic_offset_;
    if (local <= 0) return 0;
    std::int64_t time = local * 1'000'000 / (1'000'000 + drift_ppm_) - 2;
    if (time < 0) time = 0;
    while (run(static_cast<SimTime>(time)) < local) ++time;
    return static_cast<SimTime>(time);
  }

  void step(std::int64_t microseconds) { wall_offset_ += microseconds; }

 private:
  std::int64_t run(SimTime time) const {
    const auto t = static_cast<std::int64_t>(time);
    return t + t / 1'000'000 * drift_ppm_ + t % 1'000'000 * drift_ppm_ / 1'000'000;
  }

  std::int64_t monotonic_offset_ = 0;
  std::int64_t wall_offset_ = 0;
  std::int32_t drift_ppm_ = 0;
};

}  // namespace ppspp::sim
