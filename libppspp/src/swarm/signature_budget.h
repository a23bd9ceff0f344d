// How many signatures a swarm computes for nothing (RFC 7574, 12.6.5). One costs as much as a
// thousand hashes, and whoever completes a handshake can send wrong ones: each peer is dropped
// after a few, and all strangers together get no more than this.
#pragma once

#include <algorithm>
#include <cstdint>

#include "ppspp/time.h"

namespace ppspp {

class SignatureBudget {
 public:
  static constexpr std::int64_t kMost = 32;
  static constexpr std::int64_t kPerSecond = 16;

  bool allows(TimePoint now) {
    if (now > refilled_at_) {
      const std::int64_t passed = (now - refilled_at_) / kEach;
      left_ = passed >= kMost ? kMost : std::min(kMost, left_ + passed);
      refilled_at_ = passed >= kMost ? now : refilled_at_ + kEach * passed;
    }
    return left_ > 0;
  }
  std::uint32_t left_at(TimePoint now) const {
    SignatureBudget later = *this;
    return later.allows(now) ? static_cast<std::uint32_t>(later.left_) : 0;
  }
  void on_wrong() { left_ = std::max<std::int64_t>(0, left_ - 1); }

 private:
  static constexpr Microseconds kEach{1'000'000 / kPerSecond};

  std::int64_t left_ = kMost;
  TimePoint refilled_at_{};
};

}  // namespace ppspp
