#include "sim/live.h"

#include <doctest/doctest.h>

namespace ppspp::sim {
namespace {

LiveResult measure(std::uint64_t rate, std::uint64_t upload) {
  LiveOptions options;
  options.peers = 20;
  options.rate = rate;
  options.upload = upload;
  options.seconds = 8;
  LiveResult result;
  CHECK(run_live(options, &result) == 0);
  return result;
}

}  // namespace

// Each of these collapsed once: a few percent to three quarters of the chunks came in time.
TEST_SUITE("sim/live") {
  TEST_CASE("20 viewers on uplinks of 1 Mbit/s follow a feed of a sixth of that (3.7, 9.1)") {
    CHECK(measure(20'000, 125'000).kept_median > 0.95);
  }

  TEST_CASE("and of a half (3.7, 9.1)") {
    CHECK(measure(60'000, 125'000).kept_median > 0.95);
  }

  TEST_CASE("20 viewers on uplinks of 4 Mbit/s follow a feed of 2 Mbit/s (3.7, 9.1)") {
    CHECK(measure(250'000, 500'000).kept_median > 0.95);
  }
}

}  // namespace ppspp::sim
