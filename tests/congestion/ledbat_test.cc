#include "congestion/ledbat.h"

#include <doctest/doctest.h>

#include <chrono>
#include <limits>

#include "congestion/ledbat_driver.h"

namespace ppspp {

using namespace std::chrono_literals;
using test::Driver;
using test::kSegment;

TEST_SUITE("congestion/ledbat") {
  TEST_CASE("the initial window is no larger than RFC 5681 permits (6817:2.5 #246)") {
    LedbatOptions options;
    options.initial_window_segments = 100;
    const auto window = [&options](std::size_t segment) {
      return LedbatController(options, segment, TimePoint{}).window() / segment;
    };
    CHECK(window(500) == 4);
    CHECK(window(1'095) == 4);
    CHECK(window(1'096) == 3);
    CHECK(window(1'452) == 3);
    CHECK(window(2'190) == 3);
    CHECK(window(2'191) == 2);
    CHECK(window(65'000) == 2);
    options.initial_window_segments = 2;
    CHECK(window(500) == 2);
  }

  TEST_CASE("a target above 100 ms is brought down to it (6817:2.5 #241)") {
    LedbatOptions options = test::steady();
    options.target = 10s;
    Driver driver(options, 100);
    driver.queue = 99ms;
    const auto before = driver.ledbat.window();
    driver.round_trips(5);
    CHECK(driver.ledbat.window() >= before);
    driver.queue = 105ms;
    driver.round_trips(5);
    CHECK(driver.ledbat.window() < before);
  }

  TEST_CASE("a gain above 1 is brought down to it: one segment per round trip (6817:2.5 #243)") {
    LedbatOptions options = test::steady();
    options.gain = 50.0;
    Driver driver(options, 20);
    const auto before = driver.ledbat.window();
    driver.round_trips(10);
    CHECK(driver.ledbat.window() > before + 8 * kSegment);
    CHECK(driver.ledbat.window() <= before + 10 * kSegment);
  }

  TEST_CASE("growth is in proportion to what is missing to the target (6817:2.4.2)") {
    Driver driver(test::steady(), 20);
    driver.round_trips(1);
    driver.queue = 45ms;  // a quarter of 60 ms is missing
    driver.round_trips(2);
    const auto before = driver.ledbat.window();
    driver.round_trips(20);
    CHECK(driver.ledbat.window() >= before + 4 * kSegment);
    CHECK(driver.ledbat.window() <= before + 5 * kSegment);
  }

  TEST_CASE("at the target the window stays, above it it shrinks, never below two segments") {
    Driver driver(test::steady(), 40);
    driver.round_trips(1);
    driver.queue = 60ms;
    driver.round_trips(2);
    const auto before = driver.ledbat.window();
    driver.round_trips(20);
    CHECK(driver.ledbat.window() == before);
    driver.queue = 250ms;
    driver.round_trips(2);
    CHECK(driver.ledbat.window() < before * 3 / 4);
    driver.round_trips(40);
    CHECK(driver.ledbat.window() == 2 * kSegment);
  }

  TEST_CASE("the decrease of RFC 6817 to the letter is there for who wants it") {
    LedbatOptions options = test::steady();
    options.multiplicative_decrease = false;
    Driver driver(options, 40);
    driver.round_trips(1);
    driver.queue = 120ms;  // one target too much: a segment per round trip
    driver.round_trips(2);
    const auto before = driver.ledbat.window();
    driver.round_trips(10);
    CHECK(driver.ledbat.window() <= before - 9 * kSegment);
    CHECK(driver.ledbat.window() >= before - 12 * kSegment);
  }

  TEST_CASE("with gain scaling a short path grows up to 16 times slower") {
    LedbatOptions options = test::steady();
    options.gain_scaling = true;
    Driver driver(options, 20);  // 40 ms: 1 / ceil(120 / 40)
    const auto before = driver.ledbat.window();
    driver.round_trips(30);
    CHECK(driver.ledbat.window() >= before + 8 * kSegment);
    CHECK(driver.ledbat.window() <= before + 10 * kSegment);
  }

  TEST_CASE("a window that the application does not use shrinks to what it does (6817:2.5 #242)") {
    Driver driver(test::steady(), 50);
    driver.app_limit = 5;
    driver.round_trips(4);
    CHECK(driver.ledbat.window() <= 6 * kSegment);
    CHECK(driver.ledbat.window() >= 5 * kSegment);
    driver.round_trips(20);
    CHECK(driver.ledbat.window() <= 6 * kSegment);
  }

  TEST_CASE("slow start doubles the window, and a sender that does not fill it stays (#242)") {
    Driver driver(LedbatOptions{}, 0);
    CHECK(driver.ledbat.in_slow_start());
    driver.round_trips(4);
    CHECK(driver.ledbat.window() >= 40 * kSegment);
    CHECK(driver.ledbat.window() <= 48 * kSegment);
    driver.app_limit = 5;
    driver.round_trips(6);
    CHECK(driver.ledbat.window() <= 11 * kSegment);
  }

  TEST_CASE("slow start ends when half of the target stands in the queue") {
    Driver driver(LedbatOptions{}, 0);
    driver.round_trips(4);
    driver.queue = 29ms;
    driver.round_trips(1);
    CHECK(driver.ledbat.in_slow_start());
    driver.queue = 31ms;
    driver.round_trips(1);
    CHECK(!driver.ledbat.in_slow_start());
  }

  TEST_CASE(
      "after an idle time the window is kept, and the base is measured anew after ten minutes") {
    Driver driver(test::steady(), 50);
    driver.round_trips(3);
    const auto before = driver.ledbat.window();
    driver.sleep(11min);
    CHECK(driver.ledbat.window() == before);
    driver.clock = 5h;
    driver.round_trips(3);
    CHECK(driver.ledbat.window() >= before);
    CHECK(driver.ledbat.base_delay() == Microseconds(20ms + 5h).count());
  }

  TEST_CASE("what is in flight is counted and cannot become negative") {
    LedbatController ledbat(LedbatOptions{}, kSegment, TimePoint{1h});
    CHECK(ledbat.available() == 3 * kSegment);
    ledbat.on_sent(2 * kSegment, TimePoint{1h});
    CHECK(ledbat.flight_size() == 2 * kSegment);
    CHECK(ledbat.available() == kSegment);
    ledbat.on_discarded(kSegment);
    ledbat.on_discarded(5 * kSegment);
    CHECK(ledbat.flight_size() == 0);
    ledbat.on_sent(100 * kSegment, TimePoint{1h});
    CHECK(ledbat.available() == 0);
  }

  TEST_CASE("the pacing rate is the window over the round trip, 5/4 of it, twice in slow start") {
    Driver driver(test::steady(), 40);
    const double window = static_cast<double>(driver.ledbat.window());
    CHECK(static_cast<double>(driver.ledbat.pacing_rate(40ms)) ==
          doctest::Approx(window * 1.25 / 0.04));
    const LedbatController fresh(LedbatOptions{}, kSegment, TimePoint{1h});
    CHECK(static_cast<double>(fresh.pacing_rate(100ms)) ==
          doctest::Approx(3 * kSegment * 2.0 / 0.1));
    CHECK(fresh.pacing_rate(0us) > 0);
    CHECK(fresh.pacing_rate(Microseconds::max()) > 0);
  }

  TEST_CASE("every ten seconds the window is at its minimum until the queue has drained") {
    LedbatOptions options = test::steady();
    options.slowdown = true;
    Driver driver(options, 40);
    driver.queue = 50ms;
    int slow = 0;
    int rounds = 0;
    for (; driver.now < TimePoint{1h + 45s}; ++rounds) {
      driver.round_trips(1);
      if (!driver.ledbat.in_slowdown()) continue;
      ++slow;
      CHECK(driver.ledbat.window() == 2 * kSegment);
    }
    CHECK(slow >= 4);
    CHECK(slow <= 20);
    CHECK(driver.ledbat.window() >= 10 * kSegment);
  }
}

}  // namespace ppspp
