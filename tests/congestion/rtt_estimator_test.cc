#include "congestion/rtt_estimator.h"

#include <doctest/doctest.h>

#include <chrono>
#include <limits>

namespace ppspp {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint kNow{1h};

RttEstimator estimator_of(std::initializer_list<Microseconds> samples) {
  RttEstimator rtt{LedbatOptions{}};
  for (const Microseconds sample : samples) rtt.on_sample(sample, kNow);
  return rtt;
}

}  // namespace

TEST_SUITE("congestion/rtt_estimator") {
  TEST_CASE("before the first sample the initial RTT stands in, and the timeout is one second") {
    const auto rtt = estimator_of({});
    CHECK(!rtt.has_sample());
    CHECK(rtt.smoothed() == 250ms);
    CHECK(rtt.rto(0) == 1s);
    CHECK(rtt.rto(2) == 4s);
  }

  TEST_CASE("samples are weighed as in RFC 6298, section 2") {
    auto rtt = estimator_of({80ms});
    CHECK(rtt.smoothed() == 80ms);
    CHECK(rtt.variation() == 40ms);
    rtt.on_sample(160ms, kNow);
    CHECK(rtt.variation() == 50ms);  // 3/4 * 40 + 1/4 * |80 - 160|
    CHECK(rtt.smoothed() == 90ms);   // 7/8 * 80 + 1/8 * 160
    CHECK(rtt.latest() == 160ms);
    CHECK(rtt.minimum() == 80ms);
    CHECK(rtt.rto(0) == 290ms);
  }

  TEST_CASE("a path of 100 microseconds is measured to the microsecond") {
    auto rtt = estimator_of({150us});
    for (int i = 0; i < 100; ++i) rtt.on_sample(103us, kNow);
    CHECK(rtt.smoothed() >= 103us);
    CHECK(rtt.smoothed() <= 104us);
    CHECK(rtt.rto(0) == 200ms);
    CHECK(rtt.probe_timeout(0us, 0) <= 1'105us);
    CHECK(rtt.loss_delay() == 1ms);  // no timer is finer
  }

  TEST_CASE("the timeout doubles, up to a bound of at least 60 seconds (6817:2.4.2 #248)") {
    LedbatOptions options;
    options.max_rto = 5s;
    RttEstimator rtt(options);
    rtt.on_sample(100ms, kNow);
    CHECK(rtt.rto(0) == 300ms);
    CHECK(rtt.rto(1) == 600ms);
    CHECK(rtt.rto(7) == 38'400ms);
    CHECK(rtt.rto(8) == 60s);
    CHECK(rtt.rto(std::numeric_limits<int>::max()) == 60s);
  }

  TEST_CASE("a datagram counts as lost 9/8 of a round trip after one that arrived") {
    CHECK(estimator_of({80ms}).loss_delay() == 90ms);
    CHECK(estimator_of({80ms, 160ms}).loss_delay() ==
          180ms);  // of the longer of latest and smoothed
  }

  TEST_CASE("samples that cannot be are brought into range") {
    auto rtt = estimator_of({-5s, Microseconds::max(), Microseconds::min(), 0us});
    CHECK(rtt.smoothed() >= 1us);
    CHECK(rtt.minimum() == 1us);
    CHECK(rtt.rto(3) <= 60s);
    CHECK(rtt.probe_timeout(Microseconds::max(), 60) <= 60s);
  }
}

}  // namespace ppspp
