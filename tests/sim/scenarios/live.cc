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

// Three enemies for seven viewers, whose uplinks would carry far more than the feed.
double kept_beside(const char* kind) {
  LiveOptions options;
  options.peers = 40;
  options.rate = 60'000;
  options.upload = 1'000'000;
  options.malicious = 30;
  options.kind = kind;
  options.warm_up = 6;
  options.seconds = 6;
  LiveResult result;
  CHECK(run_live(options, &result) == 0);
  return result.kept_median;
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

  // Of these the median viewer kept 38 to 95 percent once.
  TEST_CASE("a feed is seen beside those who announce all and give nothing (12.6.2)") {
    CHECK(kept_beside("announcer") > 0.97);
  }

  TEST_CASE("and beside those who give a chunk now and then, or wrong ones (12.6.2, 12.6.5)") {
    CHECK(kept_beside("dripper") > 0.7);
    CHECK(kept_beside("corrupter") > 0.9);
  }

  TEST_CASE("and beside those who push what nobody asked for, and take (12.6.3)") {
    CHECK(kept_beside("pusher") > 0.7);
  }
}

}  // namespace ppspp::sim
