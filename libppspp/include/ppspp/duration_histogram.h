// How many durations fell into each of a row of intervals, and their sum: what a monitoring system
// makes quantiles and averages of.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "ppspp/time.h"

namespace ppspp {

struct DurationHistogram {
  // The upper ends of the intervals, which belong to them.
  static constexpr std::array<Microseconds, 14> kBounds = {
      Microseconds(100),       Microseconds(250),       Microseconds(500),
      Microseconds(1'000),     Microseconds(2'500),     Microseconds(5'000),
      Microseconds(10'000),    Microseconds(25'000),    Microseconds(50'000),
      Microseconds(100'000),   Microseconds(250'000),   Microseconds(500'000),
      Microseconds(1'000'000), Microseconds(2'500'000),
  };

  std::array<std::uint64_t, kBounds.size() + 1> counts = {};  // the last: beyond all bounds
  std::uint64_t samples = 0;
  Microseconds sum{0};

  void add(Microseconds duration) {
    const auto* const bound = std::lower_bound(kBounds.begin(), kBounds.end(), duration);
    ++counts[static_cast<std::size_t>(bound - kBounds.begin())];
    ++samples;
    sum += duration;
  }
};

}  // namespace ppspp
