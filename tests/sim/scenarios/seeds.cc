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

  // A damaged PEX_RESv4 was read as another message, with an address of IPv6 to be called.
  TEST_CASE("seed 304092: who is told of an address that nobody can have calls it in vain") {
    check_seed(304'092);
  }
}

}  // namespace ppspp::sim
