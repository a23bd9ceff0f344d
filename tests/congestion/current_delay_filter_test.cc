#include "congestion/current_delay_filter.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <limits>
#include <utility>

#include "ppspp/random_source.h"
#include "support/seed.h"

namespace ppspp {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint kBegin{1h};
constexpr Microseconds kRtt = 40ms;

}  // namespace

TEST_SUITE("congestion/current_delay_filter") {
  TEST_CASE("no sample older than one round trip counts (6817:2.5 #245)") {
    Rng rng(test::seed());
    CurrentDelayFilter filter;
    std::deque<std::pair<TimePoint, std::int64_t>> samples;
    TimePoint now = kBegin;
    for (int i = 0; i < 5'000; ++i) {
      now +=
          Microseconds{static_cast<std::int64_t>(rng.below(rng.below(30) == 0 ? 60'000 : 3'000))};
      const auto delay = static_cast<std::int64_t>(rng.below(100'000));
      filter.on_sample(delay, kRtt, now);
      samples.emplace_back(now, delay);
      while (now - samples.front().first > kRtt) samples.pop_front();
      const auto minimum = filter.minimum(kRtt, 4, kRtt, now);
      REQUIRE(minimum);
      std::int64_t least = delay;            // of all that may count
      std::int64_t least_of_recent = delay;  // of those that must: a slice may be dropped early
      for (const auto& [when, value] : samples) {
        least = std::min(least, value);
        if (now - when <= kRtt * 7 / 8) least_of_recent = std::min(least_of_recent, value);
      }
      CHECK(*minimum >= least);
      CHECK(*minimum <= least_of_recent);
    }
    CHECK(!filter.minimum(kRtt, 4, kRtt, now + kRtt + 1us));
  }

  TEST_CASE("a short span is extended until it holds four samples (6817:2.5 #245)") {
    CurrentDelayFilter filter;
    for (int i = 0; i < 6; ++i) filter.on_sample(10 + i, kRtt, kBegin + i * 6ms);
    // 15, 14, 13, 12 and not 11: the fifth is not needed.
    CHECK(filter.minimum(0us, 4, kRtt, kBegin + 30ms) == 12);
    CHECK(filter.minimum(0us, 1, kRtt, kBegin + 30ms) == 15);
  }

  TEST_CASE("noise of single datagrams is filtered out, a queue is not") {
    CurrentDelayFilter filter;
    for (int i = 0; i < 40; ++i)
      filter.on_sample(i % 7 == 0 ? 1'000 : 15'000, kRtt, kBegin + i * 1ms);
    CHECK(filter.minimum(kRtt, 4, kRtt, kBegin + 40ms) == 1'000);
    for (int i = 0; i < 40; ++i) filter.on_sample(15'000, kRtt, kBegin + 50ms + i * 1ms);
    CHECK(filter.minimum(kRtt, 4, kRtt, kBegin + 90ms) == 15'000);
  }

  TEST_CASE("delays that wrap and clocks that jump are survived") {
    CurrentDelayFilter filter;
    filter.on_sample(std::numeric_limits<std::int64_t>::min(), kRtt, kBegin);
    filter.on_sample(std::numeric_limits<std::int64_t>::max(), kRtt, kBegin + 1ms);
    CHECK(filter.minimum(kRtt, 4, kRtt, kBegin + 1ms) == std::numeric_limits<std::int64_t>::max());
    filter.on_sample(3, kRtt, TimePoint::min());
    filter.on_sample(4, kRtt, TimePoint::max());
    CHECK(filter.minimum(kRtt, 4, kRtt, TimePoint::max()) == 4);
  }
}

}  // namespace ppspp
