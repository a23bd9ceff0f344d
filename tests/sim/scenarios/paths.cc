// LEDBAT, pacing and acknowledgements of real endpoints around one bottleneck, from 20 Mbit/s to
// 10 Gbit/s and from 100 microseconds to 100 milliseconds. Expectations are those of the link.
#include "sim/paths.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <string>

namespace ppspp::sim {
namespace {

using namespace std::chrono_literals;
using test::at;

// What may leave back to back, and what a datagram and the end of a microsecond add to it.
constexpr double kBurstMs = 2.0;
constexpr double kRounding = 0.1;

PathRun named(const std::string& name) {
  const auto runs = all_paths();
  const auto found = std::ranges::find(runs, name, &PathRun::name);
  REQUIRE(found != runs.end());
  return *found;
}

PathFigures measure(const PathRun& run) {
  const PathFigures figures = run_path(run);
  MESSAGE(run.name, ": use ", 100 * figures.use, " %, queue ", figures.mean_ms, " ms, burst ",
          figures.burst_ms, " ms, at first ", figures.first_burst_ms, " ms, ", figures.acks_per_rtt,
          " ACKs in a round trip");
  if (!run.tcp) CHECK(figures.acks_per_rtt >= 4.0);
  return figures;
}

PathFigures measure(const std::string& name, Microseconds warm_up, Microseconds measured) {
  PathRun run = named(name);
  run.warm_up = warm_up;
  run.measured = measured;
  return measure(run);
}

}  // namespace

TEST_SUITE("sim/paths") {
  TEST_CASE("a path of 100 us is filled at 100 Mbit/s, 1 and 10 Gbit/s, whatever its buffer") {
    for (const auto& [name, time] : {std::pair{"100M 100us, 10 ms buffer", 4s},
                                     {"1G 100us, 1 ms buffer", 1s},
                                     {"1G 100us, 10 ms buffer", 1s}}) {
      const auto figures = measure(name, 500ms, time);
      CHECK(figures.use >= 0.98);
      CHECK(figures.mean_ms <= 10.0);
      CHECK(figures.loss <= 0.002);
      CHECK(figures.ramp_ms <= 100.0);
      CHECK(figures.burst_ms <= kBurstMs + kRounding);
    }
    const auto fastest = measure("10G 100us, 10 ms buffer", 100ms, 150ms);
    CHECK(fastest.use >= 0.98);
    CHECK(fastest.mean_ms <= 10.0);
    CHECK(fastest.burst_ms <= kBurstMs + kRounding);
  }

  TEST_CASE("a path of 100 ms is filled within seconds, with hardly a queue") {
    const auto figures = measure("100M 100ms", 5s, 15s);
    CHECK(figures.use >= 0.97);
    CHECK(figures.mean_ms <= 60.0);
    CHECK(figures.loss == 0.0);
    CHECK(figures.ramp_ms <= 3'000.0);
    CHECK(figures.burst_ms <= kBurstMs + kRounding);
    CHECK(figures.first_burst_ms <= kBurstMs + kRounding);
  }

  TEST_CASE("20 Mbit/s, 40 ms, 300 ms of buffer: full, the queue below the target, no bursts") {
    const auto figures = measure("20M 40ms alone", 8s, 24s);
    CHECK(figures.use >= 0.98);
    CHECK(figures.mean_ms <= 60.0);
    CHECK(figures.loss == 0.0);
    CHECK(figures.burst_ms <= kBurstMs + kRounding);
    CHECK(figures.first_burst_ms <= kBurstMs + kRounding);
  }

  TEST_CASE("a host that is not let run for 25 ms does not send what it missed at once") {
    for (const char* name :
         {"20M 40ms alone, host stalls 25 ms of 200", "1G 100us, host stalls 25 ms of 200"}) {
      const auto figures = measure(name, 2s, 3s);
      CHECK(figures.use >= 0.85);  // 25 ms of 200 are 12.5 %
      CHECK(figures.burst_ms <= kBurstMs + kRounding);
    }
  }

  TEST_CASE("what a receiver was not there for in time is no queue: the newest of a batch tells") {
    const auto figures = measure("20M 40ms alone, receiver stalls 25 ms of 200", 8s, 24s);
    CHECK(figures.use >= 0.97);
    CHECK(figures.mean_ms <= 60.0);
    CHECK(figures.loss == 0.0);
    CHECK(figures.burst_ms <= kBurstMs + kRounding);
  }

  TEST_CASE("eight channels of one host send no more at once than one; all late, a datagram each") {
    const auto figures = measure("20M 40ms eight channels", 15s, 15s);
    CHECK(figures.use >= 0.97);
    CHECK(figures.mean_ms <= 66.0);
    CHECK(figures.burst_ms <= kBurstMs + kRounding);
    const auto late = measure("20M 40ms eight channels, host stalls", 15s, 15s);
    CHECK(late.use >= 0.97);
    CHECK(late.mean_ms <= 66.0);
    CHECK(late.burst_ms <= 8 * 1'472 / 2'500.0);  // 2,500 octets in a millisecond
  }

  TEST_CASE("after a pause, and after timeouts, what leaves at once is 2 ms of the rate as well") {
    const PathRun run = named("20M 40ms alone");
    PathWorld world(run.path);
    PathHost& seeder = world.add_seeder();
    PathHost& leecher = world.add_leecher();
    world.introduce(leecher, seeder, at(1ms));
    auto& simulation = world.simulation();
    simulation.run_until(at(5s));
    const std::uint64_t before = leecher.wire_in;
    CHECK(before > 5'000'000);
    leecher.endpoint().set_limits({}, 1'000, leecher.now());
    simulation.run_until(at(15s));
    CHECK(leecher.wire_in < before + 5'000'000);  // idle, but for what was asked for already
    leecher.endpoint().set_limits({}, {}, leecher.now());
    leecher.pump();
    simulation.run_until(at(20s));
    CHECK(leecher.wire_in > before + 5'000'000);
    leecher.stall(at(25s));
    simulation.run_until(at(25s));
    const std::uint64_t then = leecher.wire_in;
    simulation.run_until(at(35s));
    CHECK(leecher.wire_in > then + 10'000'000);
    MESSAGE("longest burst ", seeder.bursts.longest_us(), " us");
    CHECK(seeder.bursts.longest_us() / 1e3 <= kBurstMs + kRounding);
  }

  TEST_CASE("beside CUBIC it keeps at most 12 %, whoever came first") {
    for (const char* name : {"20M 40ms before CUBIC", "20M 40ms after CUBIC"}) {
      const auto figures = measure(named(name));
      CHECK(figures.use <= 0.12);
      CHECK(figures.tcp_share >= 0.88);
      CHECK(figures.burst_ms <= kBurstMs + kRounding);
    }
  }

  TEST_CASE("two hosts share, the second 30 s later, and keep one target, not two") {
    const auto figures = measure(named("20M 40ms two, 30 s apart"));
    CHECK(figures.use >= 0.97);
    CHECK(figures.mean_ms <= 66.0);
    for (const double share : figures.shares) CHECK(share >= 0.38);
  }

  TEST_CASE("eight hosts share, one after the other, and keep one target, not eight") {
    const auto figures = measure(named("20M 40ms eight, 1 s apart"));
    CHECK(figures.use >= 0.97);
    CHECK(figures.mean_ms <= 70.0);
    for (const double share : figures.shares) {
      CHECK(share >= 0.06);
      CHECK(share <= 0.20);
    }
  }
}

}  // namespace ppspp::sim
