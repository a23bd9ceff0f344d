#include "congestion/base_delay_history.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <map>

#include "ppspp/random_source.h"
#include "support/seed.h"

namespace ppspp {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint kBegin{1h};

}  // namespace

TEST_SUITE("congestion/base_delay_history") {
  TEST_CASE("the base is the minimum of ten one-minute minima (6817:2.5 #244)") {
    BaseDelayHistory history(10);
    CHECK(!history.minimum());
    history.on_sample(50, kBegin);
    for (int minute = 1; minute < 10; ++minute) {
      history.on_sample(100 - minute, kBegin + minute * 1min);
      CHECK(history.minimum() == 50);
    }
    history.on_sample(200, kBegin + 10min);
    CHECK(history.minimum() == 91);
  }

  TEST_CASE("an idle minute counts as infinity, and after ten all begins anew (6817:2.5 #244)") {
    BaseDelayHistory history(10);
    history.on_sample(50, kBegin);
    history.on_sample(70, kBegin + 5min);
    history.advance(kBegin + 12min);
    CHECK(history.minimum() == 70);
    history.advance(kBegin + 15min);
    CHECK(!history.minimum());
    history.on_sample(900, kBegin + 16min);
    CHECK(history.minimum() == 900);
  }

  TEST_CASE("a smaller delay is the base at once") {
    BaseDelayHistory history(10);
    history.on_sample(50'000, kBegin);
    history.on_sample(-3'600'000'000, kBegin + 1s);
    CHECK(history.minimum() == -3'600'000'000);
  }

  TEST_CASE("delays wrap around at 64 bits: only their difference means anything") {
    BaseDelayHistory history(10);
    constexpr auto kLast = std::numeric_limits<std::int64_t>::max();
    history.on_sample(std::numeric_limits<std::int64_t>::min(), kBegin);  // one after kLast
    CHECK(history.minimum() == std::numeric_limits<std::int64_t>::min());
    history.on_sample(kLast, kBegin);
    CHECK(history.minimum() == kLast);
    history.shift(5);
    CHECK(history.minimum() == std::numeric_limits<std::int64_t>::min() + 4);
  }

  TEST_CASE("a clock that goes back, or far ahead, is survived") {
    BaseDelayHistory history(10);
    history.on_sample(5, TimePoint::max());
    history.on_sample(7, TimePoint::min());
    CHECK(history.minimum() == 5);
    history.advance(TimePoint::max());
    CHECK(history.minimum() == 5);
  }

  TEST_CASE("the minimum is that of a naive model, whatever the pauses") {
    Rng rng(test::seed());
    BaseDelayHistory history(10);
    std::map<std::int64_t, std::int64_t> minima;
    std::int64_t now = 0;
    for (int i = 0; i < 5'000; ++i) {
      now += static_cast<std::int64_t>(rng.below(rng.below(50) == 0 ? 900'000'000 : 20'000'000));
      const auto delay = static_cast<std::int64_t>(rng.below(1'000'000)) - 500'000;
      const std::int64_t minute = now / 60'000'000;
      history.on_sample(delay, TimePoint{Microseconds{now}});
      const auto [place, fresh] = minima.try_emplace(minute, delay);
      place->second = std::min(place->second, delay);
      while (minima.begin()->first <= minute - 10) minima.erase(minima.begin());
      std::int64_t expected = delay;
      for (const auto& [at, value] : minima) expected = std::min(expected, value);
      REQUIRE(history.minimum() == expected);
    }
  }
}

}  // namespace ppspp
