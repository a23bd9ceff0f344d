// Nodes that find each other on the network of this host, by nothing but the swarm's ID.
#include <doctest/doctest.h>

#include "node_world.h"

namespace ppspp::test {
namespace {

Node open_local(NodeWorld& world, bool local) {
  NodeOptions options;
  options.listen = {TransportAddress::v4(0x7f000001, 0)};
  options.discovery.local = local;
  auto node = Node::open(world.io, options);
  REQUIRE(node);
  return *std::move(node);
}

TEST_SUITE("net/local") {
  TEST_CASE("a node finds who seeds what it looks for, and gives the io_context up again") {
    NodeWorld world;
    const std::string content = world.write("content", 100'000);
    {
      Node seeder = open_local(world, true);
      SwarmUrl url = world.seed(seeder, "content");
      url.peers.clear();
      Node getter = open_local(world, true);
      auto swarm = getter.join(url, {.output = world.directory / "output"});
      REQUIRE(swarm);
      bool complete = false;
      swarm->on_complete([&] { complete = true; });
      REQUIRE(world.run_until([&] { return complete; }));
      CHECK(world.read("output") == content);
      const auto of_getter = getter.statistics().local_discovery;
      const auto of_seeder = seeder.statistics().local_discovery;
      CHECK(of_getter.found + of_seeder.found >= 1);  // either may have asked first
      CHECK(of_getter.answers_out + of_seeder.answers_out >= 1);
      swarm->leave();
      seeder.find(url.metadata.id)->leave();
      CHECK(world.runs_out());
    }
    CHECK(world.runs_out());
  }

  TEST_CASE("a node that is told not to look for others is not found either") {
    NodeWorld world;
    world.write("content", 10'000);
    Node seeder = open_local(world, false);
    SwarmUrl url = world.seed(seeder, "content");
    url.peers.clear();
    Node getter = open_local(world, true);
    const auto swarm = getter.join(url, {.output = world.directory / "output"});
    REQUIRE(swarm);
    CHECK(world.run_until([&] { return getter.statistics().local_discovery.queries_out >= 2; }));
    CHECK(swarm->status().peers_seen == 0);
    CHECK(getter.statistics().local_discovery.found == 0);
    CHECK(seeder.statistics().local_discovery.queries_in == 0);
  }
}

}  // namespace
}  // namespace ppspp::test
