#include "sim/scaling.h"

#include <doctest/doctest.h>

#include <cstdlib>

namespace ppspp::sim {

// What was measured when this was written stands beside each bound.
TEST_SUITE("sim/scaling") {
  TEST_CASE("twenty leechers have a file soon after the seeder could have sent it once") {
    const ScalingFigures figures = run_scaling({.peers = 20});
    REQUIRE(figures.exit_code == 0);
    CHECK(figures.ratio > 1.0);          // no uplink carries more than it can
    CHECK(figures.ratio < 1.36);         // 1.27 to 1.29
    CHECK(figures.seeder_share < 0.07);  // 0.058
  }

  TEST_CASE("one leecher takes no longer than its seeder's uplink and what goes with chunks") {
    const ScalingFigures figures = run_scaling({.peers = 1});
    REQUIRE(figures.exit_code == 0);
    CHECK(figures.ratio < 1.2);  // 1.13 to 1.15
  }

  // 70 ms each way at 100 MB/s: the first burst is too long for the queue, and thousands of chunks
  // come for which a lost hash is missing.
  TEST_CASE("a burst of losses on a long fast path does not cost the peer (5.3 #101)") {
    const ScalingFigures figures =
        run_scaling({.peers = 1, .upload = 100'000'000, .size = 32 << 20});
    REQUIRE(figures.exit_code == 0);
    CHECK(figures.ratio < 30);  // 7.7; 197 when the leecher took it for an enemy
  }

  TEST_CASE("a hundred leechers are hardly slower than twenty (PPSPP_LONG=1)") {
    if (std::getenv("PPSPP_LONG") == nullptr) return;
    const ScalingFigures figures = run_scaling({.peers = 100});
    REQUIRE(figures.exit_code == 0);
    CHECK(figures.ratio < 1.46);          // 1.35 to 1.38
    CHECK(figures.seeder_share < 0.015);  // 0.012
  }
}

}  // namespace ppspp::sim
