#include "channel/rate_meter.h"

#include <doctest/doctest.h>

namespace ppspp::test {
namespace {

using namespace std::chrono_literals;
constexpr TimePoint kStart{std::chrono::seconds(1)};

}  // namespace

TEST_SUITE("channel/rate_meter") {
  TEST_CASE("a steady stream shows at its rate, within a tenth") {
    for (const std::uint64_t rate : {10'000ULL, 1'000'000ULL, 1'000'000'000ULL}) {
      RateMeter meter(kStart);
      TimePoint now = kStart;
      for (int i = 0; i < 1'000; ++i) {
        now += 1ms;
        meter.add(rate / 1'000, now);
      }
      CHECK(meter.rate(now) > rate * 9 / 10);
      CHECK(meter.rate(now) < rate * 11 / 10);
    }
  }

  TEST_CASE("a start is seen at once, silence within two seconds") {
    RateMeter meter(kStart);
    meter.add(100'000, kStart + 5ms);
    CHECK(meter.rate(kStart + 10ms) >= 1'000'000);
    CHECK(meter.rate(kStart + 10ms) <= 10'000'000);
    CHECK(meter.rate(kStart + 2s) < 10'000);
    CHECK(meter.rate(kStart + 100s) == 0);
  }

  TEST_CASE("nothing yet is no rate, and a long pause costs no time") {
    RateMeter meter(kStart);
    CHECK(meter.rate(kStart) == 0);
    CHECK(meter.rate(kStart + std::chrono::hours(100'000)) == 0);
    meter.add(1'000, kStart + std::chrono::hours(100'000));
    CHECK(meter.rate(kStart + std::chrono::hours(100'000)) > 0);
  }
}

}  // namespace ppspp::test
