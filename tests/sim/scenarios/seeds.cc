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

  // A damaged ACK named chunks to come: they were sent without their signatures, and not told of.
  TEST_CASE("seed 3001994: who is believed to have what it has not hears of the feed again") {
    check_seed(3'001'994);
  }

  // A source that had nothing yet died and came back; its viewer behind a NAT waited for minutes.
  TEST_CASE("seed 3053270: a source that never said anything is greeted again") {
    check_seed(3'053'270);
  }
}

}  // namespace ppspp::sim
