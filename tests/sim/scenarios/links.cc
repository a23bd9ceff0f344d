#include "sim/scenarios/scenario.h"

namespace ppspp::sim {

TEST_SUITE("sim/links") {
  TEST_CASE("a leecher whose clock runs 200 ppm fast still fills a 10 Mbit/s link (8.6)") {
    Scenario s(1, 8 << 20);
    const NodeId seeder = s.seed({.up = {.rate = 1'250'000, .queue = 64 << 10}});
    const NodeId leecher = s.fetch({.clock = SimClock(3'600'000'000, 0, 200)});
    s.introduce(leecher, seeder);
    const double seconds = s.seconds_until_complete(leecher, 60);
    CHECK(seconds > 8.0 * (1 << 20) / 1'250'000);  // no link carries more than it can
    CHECK(seconds < 8.0 * (1 << 20) / 1'250'000 / 0.7);
  }

  TEST_CASE("a download gets through a path that loses, doubles and mixes up datagrams") {
    PathOptions path;
    path.loss = 50'000;
    path.duplication = 20'000;
    path.reordering = 50'000;
    Scenario s(2, 1 << 20, path);
    const NodeId seeder = s.seed();
    const NodeId leecher = s.fetch();
    s.introduce(leecher, seeder);
    CHECK(s.seconds_until_complete(leecher, 120) > 0);
  }

  TEST_CASE("who is heard and hears nothing gets nothing, and everything once it hears") {
    Scenario s(4, 500'000);
    const NodeId seeder = s.seed();
    const NodeId leecher = s.fetch();
    s.world().set_sides(leecher, 0, 1);
    s.introduce(leecher, seeder);
    CHECK(s.seconds_until_complete(leecher, 10) < 0);
    s.world().set_side(leecher, 0);
    CHECK(s.seconds_until_complete(leecher, 60) > 0);
  }

  TEST_CASE("two parts of a network that were apart for a while find together again") {
    Scenario s(3, 4 << 20);
    const NodeId seeder = s.seed({.up = {.rate = 250'000}});
    const NodeId leecher = s.fetch();
    s.introduce(leecher, seeder);
    s.world().run_until(s.world().time() + 5'000'000);
    s.world().set_side(leecher, 1);
    s.world().run_until(s.world().time() + 20'000'000);
    CHECK_FALSE(s.complete(leecher));
    s.world().set_side(leecher, 0);
    CHECK(s.seconds_until_complete(leecher, 120) > 0);
  }
}

}  // namespace ppspp::sim
