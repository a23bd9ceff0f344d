// Octets per second over roughly the last quarter of a second.
#pragma once

#include <algorithm>
#include <cstdint>

#include "ppspp/time.h"

namespace ppspp {

class RateMeter {
 public:
  explicit RateMeter(TimePoint now) : since_(now) {}

  void add(std::uint64_t bytes, TimePoint now) {
    settle(now);
    bytes_ += bytes;
  }

  std::uint64_t rate(TimePoint now) const {
    RateMeter copy = *this;
    copy.settle(now);
    const auto open = static_cast<std::uint64_t>((now - copy.since_).count());
    // The open interval counts as soon as it shows a higher rate, so that a start is seen at once.
    const std::uint64_t current = copy.bytes_ * 1'000'000 / std::max<std::uint64_t>(open, 10'000);
    return std::max(copy.rate_, current);
  }

 private:
  static constexpr Microseconds kInterval{50'000};

  // Closes the intervals that have passed: a moving average with a weight of 1/4 each.
  void settle(TimePoint now) {
    for (int i = 0; now - since_ >= kInterval; ++i) {
      if (i == 32) {  // silent for long: nothing is left of the average
        since_ = now;
        rate_ = 0;
        bytes_ = 0;
        return;
      }
      const std::uint64_t current = bytes_ * (1'000'000 / kInterval.count());
      rate_ = rate_ == 0 ? current : rate_ - rate_ / 4 + current / 4;
      bytes_ = 0;
      since_ += kInterval;
    }
  }

  TimePoint since_;
  std::uint64_t bytes_ = 0;
  std::uint64_t rate_ = 0;
};

}  // namespace ppspp
