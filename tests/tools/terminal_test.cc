#include "terminal.h"

#include <doctest/doctest.h>

using namespace ppspp::tools;
using namespace std::chrono_literals;

TEST_SUITE("tools/terminal") {
  TEST_CASE("sizes, times and bars as people read them") {
    CHECK(format_size(0) == "0 B");
    CHECK(format_size(999) == "999 B");
    CHECK(format_size(1'000) == "1.0 KiB");
    CHECK(format_size(1.5 * 1024 * 1024) == "1.5 MiB");
    CHECK(format_size(700.0 * 1024 * 1024) == "700 MiB");
    CHECK(format_duration(5s) == "0:05");
    CHECK(format_duration(125s) == "2:05");
    CHECK(format_duration(3725s) == "1:02:05");
    CHECK(format_bar(0, 4) == "[>   ]");
    CHECK(format_bar(0.5, 4) == "[==> ]");
    CHECK(format_bar(1, 4) == "[====]");
    CHECK(format_bar(7, 4) == "[====]");
  }

  TEST_CASE("the rate follows the last seconds, and tells how long the rest takes") {
    RateMeter meter;
    auto now = RateMeter::Clock::time_point{};
    CHECK(!meter.time_for(1));
    for (std::uint64_t i = 0; i <= 50; ++i, now += 200ms) meter.update(i * 200, now);
    CHECK(meter.rate() == doctest::Approx(1'000));
    CHECK(*meter.time_for(10'000) == 10s);
    for (std::uint64_t i = 1; i <= 100; ++i, now += 200ms) meter.update(10'000 + i * 400, now);
    CHECK(meter.rate() == doctest::Approx(2'000).epsilon(0.01));
    for (std::uint64_t i = 1; i <= 300; ++i, now += 200ms) meter.update(50'000, now);
    CHECK(!meter.time_for(1));
  }
}
