#include "sim/scenarios/scenario.h"

namespace ppspp::sim {
namespace {

constexpr NatKind kKinds[] = {NatKind::full_cone, NatKind::address_restricted,
                              NatKind::port_restricted, NatKind::symmetric};

}  // namespace

TEST_SUITE("sim/nats") {
  TEST_CASE("behind a NAT of any kind one can fetch from who is in the open") {
    for (const NatKind kind : kKinds) {
      CAPTURE(static_cast<int>(kind));
      Scenario s(4, 500'000);
      const NodeId seeder = s.seed();
      const NodeId leecher = s.fetch({.nat = {.kind = kind}});
      s.introduce(leecher, seeder);
      CHECK(s.seconds_until_complete(leecher, 60) > 0);
    }
  }

  TEST_CASE("who is behind a NAT gives as well, to those it has called") {
    for (const NatKind kind : kKinds) {
      CAPTURE(static_cast<int>(kind));
      Scenario s(5, 500'000);
      const NodeId seeder = s.seed({.nat = {.kind = kind}});
      const NodeId leecher = s.fetch();
      s.introduce(leecher, seeder);  // cannot work
      CHECK(s.seconds_until_complete(leecher, 5) < 0);
      s.introduce(seeder, leecher);
      CHECK(s.seconds_until_complete(leecher, 60) > 0);
    }
  }

  TEST_CASE("two behind symmetric NATs find each other on their private network only") {
    const NodeOptions inside{.nat = {.kind = NatKind::symmetric}, .lan = 1};
    Scenario s(7, 500'000);
    const NodeId seeder = s.seed(inside);
    const NodeId leecher = s.fetch(inside);
    const NodeId stranger = s.fetch({.lan = 2});
    s.introduce(leecher, seeder);
    s.introduce(seeder, leecher);
    CHECK(s.seconds_until_complete(leecher, 30) < 0);
    s.introduce_at(stranger, s.world().lan_address(seeder));
    s.introduce_at(leecher, s.world().lan_address(seeder));
    CHECK(s.seconds_until_complete(leecher, 60) > 0);
    CHECK_FALSE(s.complete(stranger));
  }

  // A keep-alive goes every 25 to 30 s (3.12, decision 22).
  TEST_CASE("keep-alives hold a mapping of 35 s open, in both directions") {
    Scenario s(6, 500'000);
    const NodeId seeder = s.seed();
    const NodeId leecher =
        s.fetch({.nat = {.kind = NatKind::port_restricted, .timeout = 35'000'000}});
    s.introduce(leecher, seeder);
    CHECK(s.seconds_until_complete(leecher, 60) > 0);
    s.world().run_until(s.world().time() + 600'000'000);
    CHECK(s.status(seeder).channels == 1);
    CHECK(s.status(leecher).channels == 1);
  }
}

}  // namespace ppspp::sim
