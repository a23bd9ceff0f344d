// One flow on a simulated bottleneck. Expectations are inequalities derived from the link.
#include "congestion/bottleneck.h"

#include <doctest/doctest.h>

#include <chrono>

namespace ppspp {
namespace {

using namespace std::chrono_literals;
using test::at;
using test::LedbatFlow;
using test::LedbatFlowConfig;
using test::LinkConfig;

struct Outcome {
  double use;  // share of the link's rate, after a fifth of the time
  double mean_ms;
  double worst_ms;
  std::uint64_t lost;
  std::uint64_t timeouts;
};

Outcome run_alone(const LinkConfig& link, const LedbatFlowConfig& config, Microseconds time) {
  test::Simulation simulation(link);
  test::QueueMeter meter(simulation);
  LedbatFlow flow(simulation, config);
  flow.start(at(0s));
  simulation.run_until(at(time / 5));
  meter.reset();
  const std::uint64_t before = flow.delivered();
  const std::uint64_t lost_before = flow.lost();
  simulation.run_until(at(time));
  const double seconds = static_cast<double>((time - time / 5).count()) / 1e6;
  const Outcome outcome{static_cast<double>(flow.delivered() - before) / seconds / link.rate,
                        meter.mean_ms(), meter.percentile_ms(1.0), flow.lost() - lost_before,
                        flow.timeouts()};
  MESSAGE("use ", 100 * outcome.use, " %, mean ", outcome.mean_ms, " ms, worst ", outcome.worst_ms,
          " ms, lost ", outcome.lost);
  return outcome;
}

}  // namespace

TEST_SUITE("congestion/bottleneck") {
  TEST_CASE("alone it fills 20 Mbit/s with a mean queue below the target and without loss") {
    const auto outcome = run_alone({}, {}, 50s);
    CHECK(outcome.use >= 0.98);
    CHECK(outcome.mean_ms <= 60.0);
    CHECK(outcome.worst_ms <= 100.0);
    CHECK(outcome.lost == 0);
  }

  TEST_CASE("a slow path of 1 Mbit/s and 100 ms is filled, the queue a datagram over the target") {
    const LinkConfig link{.rate = 125e3, .forward = 50ms, .backward = 50ms, .queue_bytes = 62'500};
    const auto outcome = run_alone(link, {}, 100s);
    CHECK(outcome.use >= 0.97);
    CHECK(outcome.mean_ms <= 60.0 + 12.0);
    CHECK(outcome.lost == 0);
  }

  TEST_CASE("a long fat path of 100 Mbit/s and 200 ms is filled within seconds") {
    const LinkConfig link{
        .rate = 12.5e6, .forward = 100ms, .backward = 100ms, .queue_bytes = 3'125'000};
    const auto outcome = run_alone(link, {}, 25s);
    CHECK(outcome.use >= 0.85);
    CHECK(outcome.mean_ms <= 60.0);
  }

  TEST_CASE("a buffer shorter than the target is left to the loss that it causes") {
    const LinkConfig link{.queue_bytes = 75'000};  // 30 ms
    const auto outcome = run_alone(link, {}, 30s);
    CHECK(outcome.use >= 0.9);
    CHECK(outcome.lost < 1'000);  // of 40,000
    CHECK(outcome.timeouts == 0);
  }

  TEST_CASE("random loss of 1 % leaves what it leaves to Reno: 1.2 / sqrt(p) segments in flight") {
    const LinkConfig link{.loss = 0.01};
    const auto outcome = run_alone(link, {}, 60s);
    // 12 segments of 68 that the path holds, and some variation.
    CHECK(outcome.use >= 0.12);
    CHECK(outcome.use <= 0.35);
  }

  TEST_CASE("an application that offers less than the link carries gets it without any queue") {
    LedbatFlowConfig config;
    config.app_rate = 500'000;
    const auto outcome = run_alone({}, config, 40s);
    CHECK(outcome.use >= 0.195);
    CHECK(outcome.use <= 0.205);
    CHECK(outcome.worst_ms <= 10.0);
  }

  TEST_CASE("a path of 100 us at 4 Gbit/s with datagrams of 64 KiB survives stalls of the host") {
    LinkConfig link{.rate = 5e8, .forward = 50us, .backward = 50us, .queue_bytes = 4 << 20};
    LedbatFlowConfig config;
    config.segment = 65'000;
    const auto quiet = run_alone(link, config, 12s);
    CHECK(quiet.use >= 0.97);
    link.stall_interval = 40ms;  // of 1 to 20 ms: 20 % of the time
    const auto noisy = run_alone(link, config, 12s);
    CHECK(noisy.use >= 0.70);
    CHECK(noisy.timeouts == 0);
  }

  TEST_CASE("eleven idle minutes cost neither the window nor the link") {
    test::Simulation simulation(LinkConfig{});
    test::QueueMeter meter(simulation);
    LedbatFlow flow(simulation, {});
    flow.start(at(0s));
    simulation.run_until(at(20s));
    flow.stop();
    simulation.run_until(at(21s));
    const auto window = flow.controller().window();
    simulation.run_until(at(11min));
    CHECK(flow.controller().window() == window);
    flow.resume();
    meter.reset();
    const std::uint64_t before = flow.delivered();
    simulation.run_until(at(11min + 20s));
    CHECK(static_cast<double>(flow.delivered() - before) >= 0.95 * 20 * 2.5e6);
    CHECK(meter.mean_ms() <= 60.0);
    CHECK(flow.lost() == 0);
  }

  TEST_CASE("the same seed gives the same run") {
    const LinkConfig link{.loss = 0.001};
    const auto first = run_alone(link, {}, 10s);
    const auto second = run_alone(link, {}, 10s);
    CHECK(first.use == second.use);
    CHECK(first.mean_ms == second.mean_ms);
  }
}

}  // namespace ppspp
