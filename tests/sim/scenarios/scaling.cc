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
    CHECK(figures.ratio < 1.4);          // 1.28 to 1.30
    CHECK(figures.seeder_share < 0.08);  // 0.056
  }

  TEST_CASE("one leecher takes no longer than its seeder's uplink and what goes with chunks") {
    const ScalingFigures figures = run_scaling({.peers = 1});
    REQUIRE(figures.exit_code == 0);
    CHECK(figures.ratio < 1.25);  // 1.15
  }

  TEST_CASE("a hundred leechers are hardly slower than twenty (PPSPP_LONG=1)") {
    if (std::getenv("PPSPP_LONG") == nullptr) return;
    const ScalingFigures figures = run_scaling({.peers = 100});
    REQUIRE(figures.exit_code == 0);
    CHECK(figures.ratio < 1.6);          // 1.42 to 1.46
    CHECK(figures.seeder_share < 0.02);  // 0.012
  }
}

}  // namespace ppspp::sim
