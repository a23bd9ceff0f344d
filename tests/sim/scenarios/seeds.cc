// Random swarms that found something, as `ppspp-sim swarm --seed N` runs them. Where the meaning of
// seeds has changed since, a scenario elsewhere has what it found.
#include <doctest/doctest.h>

#include "sim/run_options.h"
#include "sim/swarm_run.h"

namespace ppspp::sim {
namespace {

void check_seed(std::uint64_t seed) {
  CAPTURE(seed);
  const RunResult result = SwarmRun(draw_options(seed)).run();
  CAPTURE(result.text);
  CHECK(result.code == 0);
}

}  // namespace

TEST_SUITE("sim/seeds") {
  // The HAVE of a seeder's third datagram was damaged: its leecher asked for nothing, for ever.
  TEST_CASE("seed 20114: a leecher that has missed the one HAVE gets everything") {
    check_seed(20'114);
  }
}

}  // namespace ppspp::sim
