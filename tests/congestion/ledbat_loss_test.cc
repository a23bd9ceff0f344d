#include <doctest/doctest.h>

#include <chrono>

#include "congestion/ledbat.h"
#include "congestion/ledbat_driver.h"

namespace ppspp {

using namespace std::chrono_literals;
using test::Driver;
using test::kSegment;

TEST_SUITE("congestion/ledbat/loss") {
  TEST_CASE("a loss halves the window, at most once per round trip (6817:2.4.2 #247)") {
    Driver driver(test::steady(), 40);
    driver.send_window();
    const auto before = driver.ledbat.window();
    const TimePoint sent = driver.now;
    driver.sleep(40ms);
    driver.ledbat.on_loss(kSegment, sent, 40ms, driver.now);
    CHECK(driver.ledbat.window() == before / 2);
    driver.ledbat.on_loss(3 * kSegment, sent, 40ms, driver.now);
    driver.sleep(100ms);
    driver.ledbat.on_loss(kSegment, sent, 40ms, driver.now);  // sent before the halving
    CHECK(driver.ledbat.window() == before / 2);
    driver.ledbat.on_loss(kSegment, driver.now, 40ms, driver.now);
    CHECK(driver.ledbat.window() == before / 4);
    driver.ledbat.on_loss(kSegment, driver.now + 1us, 40ms, driver.now + 20ms);  // too soon
    CHECK(driver.ledbat.window() == before / 4);
  }

  TEST_CASE("loss never takes the window below two segments (6817:2.4.2 #247)") {
    Driver driver(test::steady(), 40);
    for (int i = 0; i < 20; ++i) {
      driver.sleep(100ms);
      driver.ledbat.on_loss(kSegment, driver.now, 40ms, driver.now);
      CHECK(driver.ledbat.window() >= 2 * kSegment);
    }
    CHECK(driver.ledbat.window() == 2 * kSegment);
  }

  TEST_CASE("the first loss ends slow start") {
    Driver driver(LedbatOptions{}, 30);
    REQUIRE(driver.ledbat.in_slow_start());
    driver.ledbat.on_loss(kSegment, driver.now, 40ms, driver.now);
    CHECK(!driver.ledbat.in_slow_start());
  }

  TEST_CASE("losses are tolerated in a feed without a queue, until they are too many") {
    Driver driver(LedbatOptions::for_live(), 40);
    const auto lose = [&](int of_a_hundred) {
      for (int i = 0; i < 100; ++i) {
        driver.ledbat.on_sent(kSegment, driver.now);
        const bool lost = i % 20 < of_a_hundred / 5;
        if (lost) driver.ledbat.on_loss(kSegment, driver.now, 40ms, driver.now + 40ms);
        if (!lost) driver.ledbat.on_ack(kSegment, 20'000, 40ms, false, driver.now + 40ms);
        driver.sleep(50ms);
      }
    };
    const auto before = driver.ledbat.window();
    lose(5);
    CHECK(driver.ledbat.window() >= before);
    driver.ledbat.on_timeout(driver.now);
    lose(5);
    CHECK(driver.ledbat.window() > 4 * kSegment);  // in slow start, as before
    lose(60);
    CHECK(driver.ledbat.window() < before / 4);
  }

  TEST_CASE("what is lost leaves the flight") {
    Driver driver(test::steady(), 40);
    driver.send_window();
    const auto before = driver.ledbat.flight_size();
    driver.ledbat.on_loss(5 * kSegment, driver.now, 40ms, driver.now);
    CHECK(driver.ledbat.flight_size() == before - 5 * kSegment);
  }

  TEST_CASE("nothing acknowledged within CTO: one segment (6817:2.4.2 #248)") {
    Driver driver(LedbatOptions{}, 64);
    driver.send_window();
    const auto before = driver.ledbat.window();
    driver.sleep(1s);
    driver.ledbat.on_timeout(driver.now);
    CHECK(driver.ledbat.window() == kSegment);
    driver.ledbat.on_timeout(driver.now + 2s);
    CHECK(driver.ledbat.window() == kSegment);
    // What was sent before is lost by the same cause.
    driver.ledbat.on_loss(driver.ledbat.flight_size(), driver.now - 1s, 40ms, driver.now + 3s);
    CHECK(driver.ledbat.window() == kSegment);
    driver.in_flight = 0;
    driver.sleep(3s);
    driver.round_trips(1);
    CHECK(driver.ledbat.window() >= 2 * kSegment);  // MIN_CWND, with the first ACK
    CHECK(driver.ledbat.in_slow_start());
    driver.round_trips(7);
    CHECK(!driver.ledbat.in_slow_start());  // half of what was
    CHECK(driver.ledbat.window() >= before / 2);
    CHECK(driver.ledbat.window() <= before / 2 + 8 * kSegment);
  }

  TEST_CASE("a halving whose loss was none is taken back, slow start included") {
    Driver driver(LedbatOptions{}, 30);
    const auto before = driver.ledbat.window();
    driver.ledbat.on_loss(kSegment, driver.now, 40ms, driver.now);
    driver.ledbat.on_spurious_loss(driver.now + 1ms);
    CHECK(driver.ledbat.window() == before);
    CHECK(driver.ledbat.in_slow_start());
  }

  TEST_CASE("a halving with another cause is not taken back") {
    Driver driver(test::steady(), 40);
    const auto before = driver.ledbat.window();
    driver.ledbat.on_loss(kSegment, driver.now, 40ms, driver.now);
    driver.ledbat.on_loss(kSegment, driver.now, 40ms, driver.now);
    driver.ledbat.on_spurious_loss(driver.now);
    CHECK(driver.ledbat.window() == before / 2);
    driver.ledbat.on_spurious_loss(driver.now);  // the other was none either
    CHECK(driver.ledbat.window() == before);
    driver.ledbat.on_spurious_loss(driver.now);  // nothing left to take back
    CHECK(driver.ledbat.window() == before);
    driver.ledbat.on_timeout(driver.now);
    driver.ledbat.on_spurious_loss(driver.now);
    CHECK(driver.ledbat.window() == kSegment);
  }
}

}  // namespace ppspp
