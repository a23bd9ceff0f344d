#include "congestion/slowdown.h"

#include <algorithm>
#include <cstdint>

#include "congestion/duration.h"

namespace ppspp {
namespace {

constexpr Microseconds kPeriod{10'000'000};
constexpr Microseconds kLongestPeriod{320'000'000};
// A pause leaves the link idle for about two round trips of the empty path: of a period of 100 that
// is 2 %, and 0.8 % of the shortest period at 40 ms.
constexpr int kPeriodRoundTrips = 100;
constexpr Microseconds kLeastInterval = kPeriod / 4;

Microseconds period(Microseconds base_rtt) {
  Microseconds period = kPeriod;
  while (period < kPeriodRoundTrips * base_rtt && period < kLongestPeriod) period *= 2;
  return period;
}

TimePoint next_multiple(Microseconds period, Microseconds ahead, TimePoint now) {
  const std::int64_t count = now.time_since_epoch().count() % period.count() + ahead.count();
  const std::int64_t into = ((count % period.count()) + period.count()) % period.count();
  return time_after(now, Microseconds{period.count() - into});
}

}  // namespace

// All periods divide the longest one.
Slowdown::Slowdown(Microseconds ahead, TimePoint now)
    : ahead_(ahead % kLongestPeriod), next_(next_multiple(kPeriod, ahead_, now)) {}

void Slowdown::begin(Microseconds smoothed_rtt, Microseconds base_rtt, TimePoint now) {
  active_ = true;
  begun_at_ = now;
  const Microseconds margin = base_rtt / 4 + Microseconds{1'000};
  end_ = time_after(now, smoothed_rtt + base_rtt + margin);
  skip(base_rtt, now);
}

void Slowdown::skip(Microseconds base_rtt, TimePoint now) {
  next_ = next_multiple(period(base_rtt), ahead_, now);
}

void Slowdown::hasten(TimePoint now) {
  if (active_ || (begun_at_ && elapsed(now, *begun_at_) < kLeastInterval)) return;
  next_ = std::min(next_, now);
}

}  // namespace ppspp
