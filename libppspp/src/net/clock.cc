#include "net/clock.h"

#include <chrono>

namespace ppspp {
namespace {

Microseconds monotonic() {  // CLOCK_MONOTONIC
  return std::chrono::duration_cast<Microseconds>(
      std::chrono::steady_clock::now().time_since_epoch());
}

Microseconds wall_ahead_of_monotonic() {
  static const Microseconds difference = std::chrono::duration_cast<Microseconds>(
                                             std::chrono::system_clock::now().time_since_epoch()) -
                                         monotonic();
  return difference;
}

}  // namespace

Now read_clocks() {
  const Microseconds now = monotonic();
  const Microseconds wall = now + wall_ahead_of_monotonic();
  return {TimePoint{now}, WallTime{static_cast<std::uint64_t>(wall.count())}};
}

}  // namespace ppspp
