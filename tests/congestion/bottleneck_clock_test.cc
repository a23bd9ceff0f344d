// Clocks that drift and step, and receivers that lie about the delay.
#include <doctest/doctest.h>

#include <chrono>

#include "congestion/bottleneck.h"

namespace ppspp {
namespace {

using namespace std::chrono_literals;
using test::at;
using test::LedbatFlow;
using test::LedbatFlowConfig;
using test::LinkConfig;

using Report = std::function<std::int64_t(Microseconds, TimePoint)>;

struct Outcome {
  double use;
  double mean_ms;
};

Outcome run(const Report& report, Microseconds from, Microseconds to) {
  const LinkConfig link;
  test::Simulation simulation(link);
  test::QueueMeter meter(simulation);
  LedbatFlowConfig config;
  config.report = report;
  LedbatFlow flow(simulation, config);
  flow.start(at(0s));
  simulation.run_until(at(from));
  meter.reset();
  const std::uint64_t before = flow.delivered();
  simulation.run_until(at(to));
  const double seconds = static_cast<double>((to - from).count()) / 1e6;
  const Outcome outcome{static_cast<double>(flow.delivered() - before) / seconds / link.rate,
                        meter.mean_ms()};
  MESSAGE("use ", 100 * outcome.use, " %, mean ", outcome.mean_ms, " ms");
  return outcome;
}

}  // namespace

TEST_SUITE("congestion/bottleneck/clock") {
  TEST_CASE("a receiver's clock that drifts by 200 ppm costs neither the link nor the delay") {
    for (const std::int64_t ppm : {200, -200}) {
      CAPTURE(ppm);
      const auto outcome = run(
          [ppm](Microseconds delay, TimePoint arrived) {
            return delay.count() + arrived.time_since_epoch().count() / 1'000'000 * ppm;
          },
          30s, 120s);
      CHECK(outcome.use >= 0.95);
      CHECK(outcome.mean_ms <= 60.0);
    }
  }

  TEST_CASE("a receiver's clock that is set, forward or back, costs less than a second") {
    for (const Microseconds step :
         {Microseconds(1h), Microseconds(-1h), Microseconds(80ms), Microseconds(-80ms)}) {
      CAPTURE(step.count());
      const auto outcome = run(
          [step](Microseconds delay, TimePoint arrived) {
            return (delay + (arrived >= at(25s) ? step : 0us)).count();
          },
          25s, 40s);
      CHECK(outcome.use >= 0.94);
      CHECK(outcome.mean_ms <= 66.0);
    }
  }

  TEST_CASE("a receiver that denies any delay gets no more than TCP gets, and still slowdowns") {
    const auto outcome = run([](Microseconds, TimePoint) { return 0; }, 10s, 40s);
    CHECK(outcome.use >= 0.9);
    CHECK(outcome.use <= 1.01);
    CHECK(outcome.mean_ms <= 300.0);
  }

  TEST_CASE("a receiver that answers at random breaks nothing") {
    Rng rng(7);
    const auto outcome =
        run([&rng](Microseconds, TimePoint) { return static_cast<std::int64_t>(rng.next_u64()); },
            10s, 40s);
    CHECK(outcome.use >= 0.5);
    CHECK(outcome.mean_ms <= 120.0);
  }
}

}  // namespace ppspp
