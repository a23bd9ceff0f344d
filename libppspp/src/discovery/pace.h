// So many things in a second, and so many at once.
#pragma once

#include <algorithm>
#include <cstdint>

#include "ppspp/time.h"

namespace ppspp {

class Pace {
 public:
  Pace(Microseconds each, std::int64_t at_once) : each_(each), full_(each * at_once) {}

  bool take(TimePoint now) {
    if (next(now) > now) return false;
    // Tokens are kept as the time since when the bucket fills: the earlier the fuller.
    since_ = std::max(since_, now - full_) + each_;
    return true;
  }
  // When there is one.
  TimePoint next(TimePoint now) const { return std::max(now, since_ + each_); }
  TimePoint since() const { return since_; }  // the least recently used bucket has the least

 private:
  Microseconds each_;
  Microseconds full_;
  TimePoint since_ = TimePoint::min();
};

}  // namespace ppspp
