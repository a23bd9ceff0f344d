// How much of what was asked of a peer came in time and was of use (RFC 7574, 12.6.2): of a feed
// that is followed among many, whoever brings little of it is asked for little.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "ppspp/time.h"

namespace ppspp {

class Delivery {
 public:
  // Of chunks, one after the other: the last sixteen or so count.
  void add_good(std::uint64_t chunks) {
    for (double before = -1; chunks > 0 && share_ != before; --chunks) {
      before = share_;
      share_ += (1 - share_) * kWeight;
    }
  }
  void add_failed(std::uint64_t chunks, TimePoint now) {
    for (; chunks > 0 && share_ > kLeast; --chunks) share_ -= share_ * kWeight;
    failed_at_ = now;
  }

  // Less than half of it comes.
  bool is_poor() const { return share_ < 0.5; }
  // When a poor one is asked for a little again.
  TimePoint ask_at() const {
    return failed_at_ +
           Microseconds(static_cast<Microseconds::rep>(kPause / std::max(share_, kLeast)));
  }

 private:
  static constexpr double kWeight = 1.0 / 16;
  static constexpr double kLeast = 1.0 / 32;
  static constexpr double kPause = 250'000;  // us, if all came

  double share_ = 0.75;  // so that a stranger is found out soon
  TimePoint failed_at_{};
};

}  // namespace ppspp
