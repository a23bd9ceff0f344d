// A rate as a moving average: what came lately counts more. Nothing has to be done while nothing
// comes.
#pragma once

#include <chrono>
#include <cmath>
#include <cstdint>

namespace ppspp::daemon {

class RateAverage {
 public:
  using Clock = std::chrono::steady_clock;

  void add(std::uint64_t octets, Clock::time_point now) {
    const double passed = std::chrono::duration<double>(now - last_).count();
    if (last_ == Clock::time_point{} || passed > kForgetSeconds) {
      rate_ = last_ == Clock::time_point{} ? static_cast<double>(octets) : 0;
    } else if (passed > 0) {
      const double old = std::exp(-passed / kSeconds);
      rate_ = rate_ * old + static_cast<double>(octets) / passed * (1 - old);
    }
    last_ = now;
  }

  std::uint64_t at(Clock::time_point now) const {
    if (last_ == Clock::time_point{}) return 0;
    const double passed = std::chrono::duration<double>(now - last_).count();
    const double rate = passed > kSeconds ? rate_ * std::exp(-passed / kSeconds) : rate_;
    return rate < 1 ? 0 : static_cast<std::uint64_t>(rate);
  }

 private:
  static constexpr double kSeconds = 4;
  static constexpr double kForgetSeconds = 60;

  Clock::time_point last_;
  double rate_ = 0;
};

}  // namespace ppspp::daemon
