// Swarms that sleep until somebody asks for them.
#include <doctest/doctest.h>

#include <deque>
#include <vector>

#include "endpoint/puppet.h"
#include "support/seed.h"

namespace ppspp::test {
namespace {

struct Sleeping {
  explicit Sleeping(std::size_t swarms = 1, const EndpointOptions& options = {})
      : world(seed(), {.delay = 5ms}), node(world.add_node(options)) {
    for (std::size_t i = 0; i < swarms; ++i) {
      const Original& original = originals.emplace_back(3'000, seed() + i);
      node.endpoint().await(original.metadata.id);
    }
  }
  Puppet puppet(std::size_t swarm, std::size_t index = 0) {
    return {world, node, originals[swarm].metadata, index};
  }
  std::vector<SwarmId> wanted() {
    std::vector<SwarmId> ids;
    for (const Event& event : node.events()) {
      if (const auto* w = std::get_if<event::Wanted>(&event.what)) {
        CHECK(event.swarm == SwarmHandle{});
        ids.push_back(w->id);
      }
    }
    return ids;
  }
  void wake(std::size_t swarm) {
    node.seed(originals[swarm].octets);
    node.endpoint();  // there may be something to send
  }

  World world;
  Node& node;
  std::deque<Original> originals;
};

}  // namespace

TEST_SUITE("endpoint/sleeping") {
  TEST_CASE("the first handshake for a swarm that sleeps is answered when it is joined (3.1.1)") {
    Sleeping s;
    Puppet peer = s.puppet(0);
    peer.say_first();
    CHECK(peer.hear(500ms).empty());  // not before: nothing is known of the swarm (12.1)
    REQUIRE(s.wanted().size() == 1);
    CHECK(s.wanted()[0] == s.originals[0].metadata.id);
    s.wake(0);
    REQUIRE(peer.take_answer(peer.hear(), {Request{{0, 3}}}));
    CHECK_FALSE(peer.hear_all<Data>().empty());
    CHECK(s.node.status().channels == 1);
  }

  TEST_CASE("nobody is told any more of a swarm that is no longer awaited, whoever asked before") {
    Sleeping s(2);
    Endpoint& endpoint = s.node.endpoint();
    const Now now = s.world.now(s.node);
    std::vector<Puppet> peers;
    for (const std::size_t swarm : {0U, 1U}) {
      const Puppet& peer = peers.emplace_back(s.puppet(swarm, swarm));
      const auto first = peer.octets({}, {Handshake{peer.own, peer.options(true)}});
      endpoint.handle_datagram(first, peer.address(), now);
    }
    endpoint.stop_awaiting(s.originals[0].metadata.id);
    std::vector<SwarmId> wanted;
    while (const auto event = endpoint.poll_event()) {
      if (const auto* w = std::get_if<event::Wanted>(&event->what)) wanted.push_back(w->id);
    }
    CHECK(wanted == std::vector{s.originals[1].metadata.id});
  }

  TEST_CASE("it is said once that a swarm is wanted, however many ask, until that is forgotten") {
    Sleeping s;
    Puppet first = s.puppet(0, 0);
    Puppet second = s.puppet(0, 1);
    for (int i = 0; i < 5; ++i) {
      first.say_first();
      second.say_first();
      s.world.run_for(1s);
    }
    CHECK(s.wanted().size() == 1);
    s.world.run_for(20s);
    second.say_first();
    s.world.run_for(1s);
    CHECK(s.wanted().size() == 2);
    // Who is kept now is the second; the first has to ask again, as it does anyway.
    s.wake(0);
    CHECK(first.hear(20ms).empty());
    CHECK(second.take_answer(second.hear()));
    CHECK(first.open());
  }

  TEST_CASE("a handshake is not kept for ever, and costs no timer after that") {
    Sleeping s;
    Puppet peer = s.puppet(0);
    peer.say_first();
    s.world.run_for(30s);
    CHECK(s.node.endpoint().deadline() == kNever);
    s.wake(0);
    CHECK(peer.hear(1s).empty());
    CHECK(peer.open());
  }

  TEST_CASE("few handshakes are kept, so that a flood of them wakes few swarms (12.1)") {
    Sleeping s(100);
    std::deque<Puppet> peers;
    for (std::size_t i = 0; i < 100; ++i) {
      peers.push_back(s.puppet(i, i));
      peers.back().say_first();
    }
    s.world.run_for(1s);
    CHECK(s.wanted().size() == 64);
    CHECK(s.node.endpoint().counters().handshakes_over_limit == 36);
    s.wake(0);  // which makes room
    CHECK(peers[0].take_answer(peers[0].hear()));
    peers[99].say_first();
    s.world.run_for(1s);
    CHECK(s.wanted().size() == 65);
  }

  TEST_CASE("who asks for nothing that is awaited, or may not ask, wakes nothing") {
    EndpointOptions options;
    options.rules.deny = {*Network::parse("10.1.0.1")};
    Sleeping s(2, options);
    Puppet denied = s.puppet(0, 0);
    denied.say_first();
    s.node.endpoint().stop_awaiting(s.originals[1].metadata.id);
    Puppet late = s.puppet(1, 1);
    late.say_first();
    const Original other(3'000, seed() + 77);
    Puppet stray(s.world, s.node, other.metadata, 2);
    stray.say_first();
    // A handshake that says it closes, and garbage behind the name of the swarm.
    Puppet closing = s.puppet(0, 3);
    closing.say_to({}, {Handshake{ChannelId{}, closing.options(true)}});
    s.world.run_for(1s);
    CHECK(s.wanted().empty());
    CHECK(s.world.inbox.empty());
    CHECK(s.node.endpoint().counters().handshakes_forbidden == 1);
    CHECK(s.node.endpoint().counters().handshakes_refused == 3);
  }

  TEST_CASE("the handshake of a peer that is banned meanwhile is forgotten") {
    Sleeping s;
    Puppet peer = s.puppet(0);
    peer.say_first();
    s.world.run_for(100ms);
    REQUIRE(s.wanted().size() == 1);
    s.node.endpoint().ban(*Network::parse("10.1.0.0/16"), 3s, s.world.now(s.node));
    s.world.run_for(4s);
    s.wake(0);
    CHECK(peer.hear(1s).empty());
  }

  TEST_CASE("a swarm that is left sleeps again, unless nobody is to wake it") {
    Sleeping s;
    const auto statistics = [&] { return s.node.endpoint().statistics(s.world.now(s.node)); };
    CHECK(statistics().swarms_awaited == 1);
    s.wake(0);
    CHECK(statistics().swarms_awaited == 0);
    CHECK(statistics().swarms == 1);
    s.node.endpoint().await(s.originals[0].metadata.id);  // it is already
    s.node.endpoint().leave(s.node.swarm(), s.world.now(s.node));
    CHECK(statistics().swarms_awaited == 1);
    Puppet peer = s.puppet(0);
    peer.say_first();
    s.world.run_for(1s);
    CHECK(s.wanted().size() == 1);
    s.wake(0);
    s.node.endpoint().stop_awaiting(s.originals[0].metadata.id);
    s.node.endpoint().leave(s.node.swarm(), s.world.now(s.node));
    CHECK(statistics().swarms_awaited == 0);
    CHECK(peer.hear(1s).size() < 3);  // the answer, and the end
    peer.say_first();
    s.world.run_for(1s);
    CHECK(s.wanted().size() == 1);
  }

  TEST_CASE("a real peer gets the content of a swarm that slept") {
    Sleeping s;
    Node& leecher = s.world.add_node();
    leecher.join(s.originals[0].metadata);
    leecher.add_peer(leecher.swarm(), s.node);
    leecher.endpoint();
    REQUIRE(s.world.run_until([&] { return !s.wanted().empty(); }, 5s));
    s.wake(0);
    CHECK(s.world.run_until([&] { return leecher.status().complete; }, 1s));
  }
}

}  // namespace ppspp::test
