#include "swarm/latency_histogram.h"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "ppspp/random_source.h"
#include "support/seed.h"

using namespace ppspp;

namespace {

// At most 2 % from the true value, or 1 us.
bool is_near(Microseconds value, Microseconds truth) {
  const auto difference = static_cast<double>(std::abs((value - truth).count()));
  return difference <= std::max(1.0, 0.02 * static_cast<double>(truth.count()));
}

}  // namespace

TEST_SUITE("swarm/latency_histogram") {
  TEST_CASE("nothing was measured: all zero") {
    const LatencySummary summary = LatencyHistogram().summary();
    CHECK(summary.chunks == 0);
    CHECK(summary.least.count() == 0);
    CHECK(summary.median.count() == 0);
    CHECK(summary.p99.count() == 0);
    CHECK(summary.most.count() == 0);
  }

  TEST_CASE("one value is every quantile, exactly") {
    for (const std::int64_t value : {0ll, 1ll, 63ll, 64ll, 65ll, 1'000'003ll, 3'600'000'000ll}) {
      LatencyHistogram histogram;
      histogram.add(Microseconds(value));
      const LatencySummary summary = histogram.summary();
      CHECK(summary.chunks == 1);
      CHECK(summary.least.count() == value);
      CHECK(summary.median.count() == value);
      CHECK(summary.p99.count() == value);
      CHECK(summary.most.count() == value);
    }
  }

  TEST_CASE("a negative latency counts as none, and one beyond the hour as an hour") {
    LatencyHistogram histogram;
    histogram.add(Microseconds(-5));
    histogram.add(Microseconds::max());
    histogram.add(Microseconds::max());
    const LatencySummary summary = histogram.summary();
    CHECK(summary.chunks == 3);
    CHECK(summary.least.count() == 0);
    CHECK(is_near(summary.median, LatencyHistogram::kMost));
    CHECK(summary.most == Microseconds::max());
  }

  TEST_CASE("the 99th percentile leaves out one in a hundred") {
    LatencyHistogram histogram;
    for (int i = 0; i < 990; ++i) histogram.add(Microseconds(1000));
    for (int i = 0; i < 10; ++i) histogram.add(Microseconds(100'000));
    CHECK(is_near(histogram.summary().p99, Microseconds(1000)));
    histogram.add(Microseconds(100'000));
    histogram.add(Microseconds(100'000));
    CHECK(is_near(histogram.summary().p99, Microseconds(100'000)));
    CHECK(is_near(histogram.summary().median, Microseconds(1000)));
  }

  TEST_CASE("quantiles of random latencies from 1 us to an hour are within 2 %") {
    Rng rng(test::seed());
    for (int round = 0; round < 200; ++round) {
      LatencyHistogram histogram;
      std::vector<Microseconds> values(1 + rng.below(400));
      const double widest = std::log(3.6e9) * static_cast<double>(1 + rng.below(100)) / 100;
      for (Microseconds& value : values) {
        const double part = static_cast<double>(rng.below(1'000'000)) / 1e6;
        value = Microseconds(std::llround(std::exp(part * widest)));
        histogram.add(value);
      }
      std::ranges::sort(values);
      const auto at_rank = [&](double part) {
        const double rank = std::ceil(part * static_cast<double>(values.size()) - 1e-9);
        return values[static_cast<std::size_t>(rank) - 1];
      };
      const LatencySummary summary = histogram.summary();
      CHECK(summary.chunks == values.size());
      CHECK(summary.least == values.front());
      CHECK(summary.most == values.back());
      CHECK(is_near(summary.median, at_rank(0.5)));
      CHECK(is_near(summary.p99, at_rank(0.99)));
    }
  }

  TEST_CASE("its memory is a few kilobytes, whatever it measures") {
    CHECK(sizeof(LatencyHistogram) < 10'000);
  }
}
