// What is said once, and lost: who repairs it.
#include "sim/scenarios/scenario.h"

namespace ppspp::sim {
namespace {

PathOptions twenty_milliseconds() {
  PathOptions path;
  path.delay_min = path.delay_max = Microseconds(20'000);
  return path;
}

}  // namespace

TEST_SUITE("sim/lost_words") {
  TEST_CASE("a seeder that called is heard although its third datagram was lost (3.1.1)") {
    Scenario s(1, 100'000, twenty_milliseconds());
    const NodeId seeder = s.seed();
    const NodeId leecher = s.fetch();
    s.introduce(seeder, leecher);
    s.world().run_until(s.world().time() + 30'000);  // the answer is on its way
    s.world().set_side(leecher, 1);
    s.world().run_until(s.world().time() + 200'000);
    s.world().set_side(leecher, 0);
    CHECK(s.seconds_until_complete(leecher, 5) > 0);
  }

  TEST_CASE("two that have nothing yet have a channel although the third datagram was lost") {
    Scenario s(2, 100'000, twenty_milliseconds());
    const NodeId one = s.fetch();
    const NodeId other = s.fetch();
    s.introduce(one, other);
    s.world().run_until(s.world().time() + 30'000);
    s.world().set_side(other, 1);
    s.world().run_until(s.world().time() + 200'000);
    s.world().set_side(other, 0);
    s.world().run_until(s.world().time() + 10 * kSecond);
    CHECK(s.status(other).channels == 1);
  }

  // First what is repeated soon, then what keep-alives say.
  TEST_CASE("all HAVEs of a relay were lost: it says again what nobody asks for (3.2)") {
    for (const SimTime apart : {1 * kSecond, 10 * kSecond, 25 * kSecond, 100 * kSecond}) {
      CAPTURE(apart);
      Scenario s(3, 100'000, twenty_milliseconds());
      const NodeId seeder = s.seed();
      const NodeId relay = s.fetch();
      const NodeId last = s.fetch();
      s.introduce(relay, last);
      s.world().run_until(s.world().time() + 5 * kSecond);
      s.world().set_side(last, 1);
      s.introduce(relay, seeder);
      CHECK(s.seconds_until_complete(relay, 1) > 0);
      s.world().run_until(s.world().time() + apart);
      s.world().remove_node(seeder);
      s.world().set_side(last, 0);
      CHECK(s.seconds_until_complete(last, 30) > 0);
    }
  }
}

}  // namespace ppspp::sim
