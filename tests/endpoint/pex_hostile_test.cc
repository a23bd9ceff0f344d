// Peers that abuse peer exchange (RFC 7574, 12.2): to make us attack somebody, to fill our memory
// or our places, or to have us for themselves.
#include <doctest/doctest.h>

#include <algorithm>
#include <map>

#include "endpoint/pex_world.h"

namespace ppspp::test {
namespace {

PexResV4 v4(const TransportAddress& address) {
  return {address.v4_address(), address.port()};
}
TransportAddress inside(std::uint32_t index) {
  return TransportAddress::v4(0x0a030000 + index, 7000);
}

TEST_SUITE("endpoint/pex_hostile") {
  TEST_CASE("an octet is answered with a bounded number of addresses, and seldom (12.2)") {
    PexWorld w(true);
    Puppet& asking = w.peer_at(inside(0));
    for (std::uint32_t i = 1; i < 60; ++i) w.peer_at(inside(i));
    CHECK(PexWorld::ask(asking).size() == 16);
    const auto before = w.node->endpoint().counters().bytes_out;
    for (int i = 0; i < 1'000; ++i) asking.say({PexReq{}});
    w.world.run_for(2s);
    CHECK(w.node->endpoint().counters().bytes_out - before < 1'000);
    CHECK(w.counters().ignored == 1'000);
    w.world.run_for(10s);
    CHECK(PexWorld::ask(asking).size() == 16);
  }

  TEST_CASE("peers told unasked are ignored, and who goes on with it is dropped (12.2)") {
    PexWorld w(false);
    Puppet& pushy = w.peer_at(inside(0));
    for (std::uint32_t i = 1; i < 20; ++i) pushy.say({v4(inside(i))});
    w.world.run_for(200ms);
    for (std::uint32_t i = 1; i < 20; ++i) CHECK(w.handshakes_to(inside(i)) == 0);
    CHECK(w.node->status().channels == 1);
    for (std::uint32_t i = 1; i < 80; ++i) pushy.say({v4(inside(i))});
    w.world.run_for(200ms);
    CHECK(w.node->status().channels == 0);
    CHECK(w.node->endpoint().counters().peers_dropped == 1);
  }

  TEST_CASE("of one answer a bounded number is taken, of one peer as many in a while") {
    PexWorld w(false);
    Puppet& liar = w.peer_at(inside(0));
    std::size_t told = 0;
    REQUIRE(PexWorld::is_asked(liar));
    for (std::uint32_t i = 1; i <= 60; ++i, ++told) liar.say({v4(public_address(i))});
    w.world.run_for(100ms);
    CHECK(w.counters().addresses_in == told);
    CHECK(w.counters().ignored >= 28);
    const auto& known = w.node->endpoint().statistics(w.world.now(*w.node)).addresses;
    CHECK(known[static_cast<std::size_t>(PeerSource::pex)] <= 16);
    CHECK(w.node->endpoint().statistics(w.world.now(*w.node)).channels_connecting <= 8);
  }

  TEST_CASE("thousands of false addresses keep nobody from completing (12.2)") {
    World world(17, {.delay = 5ms, .rate = 100'000});
    world.peers_tell = true;
    Node& source = world.add_node();
    const Original original(200'000, 1);
    source.seed(original.octets, original.metadata);
    Node& leecher = world.add_node();
    const auto swarm = leecher.join(original.metadata);
    std::vector<std::unique_ptr<Puppet>> liars;
    std::uint32_t next = 1;
    for (std::size_t i = 0; i < 12; ++i) {
      liars.push_back(std::make_unique<Puppet>(world, leecher, original.metadata, i));
      REQUIRE(liars.back()->open());
    }
    // Each says a hundred addresses whenever it is asked.
    const auto lie = [&] {
      for (auto& liar : liars) {
        for (const Heard& heard : liar->hear(10ms)) {
          if (!heard.has<PexReq>()) continue;
          for (int i = 0; i < 100; ++i) liar->say({v4(public_address(next++))});
        }
      }
    };
    for (int i = 0; i < 100; ++i) lie();
    CHECK(next > 100);
    leecher.add_peer(swarm, source);
    for (int i = 0; i < 300 && !leecher.complete(swarm); ++i) lie();
    CHECK(leecher.complete(swarm));
    // And what it sent to strangers meanwhile was little: eight at a time, four datagrams each.
    std::map<TransportAddress, std::size_t> sent;
    for (const auto& arrived : world.inbox) ++sent[arrived.to];
    std::size_t most = 0;
    for (const auto& [address, count] : sent) most = std::max(most, count);
    CHECK(most <= 5);
    CHECK(leecher.endpoint().statistics(world.now(leecher)).channels_connecting <= 8);
  }

  TEST_CASE("a victim that many peers name gets a handful of datagrams in an hour (12.2.1)") {
    PexWorld w(false, {}, {}, 2'000'000);
    const auto victim = public_address(99);
    std::vector<Puppet*> liars;
    for (std::uint32_t i = 0; i < 20; ++i) liars.push_back(&w.peer_at(inside(i)));
    std::size_t datagrams = 0;
    std::size_t named = 0;
    for (int second = 0; second < 3'600; second += 5) {
      w.world.run_for(5s);
      datagrams += w.handshakes_to(victim);
      for (Puppet* liar : liars) {
        PexWorld::keep_alive(*liar);
        for (const Heard& heard : liar->hear(Microseconds(1))) {
          if (!heard.has<PexReq>()) continue;
          liar->say({v4(victim)});
          ++named;
        }
      }
    }
    MESSAGE("named " << named << " times, " << datagrams << " datagrams");
    CHECK(named > 40);
    CHECK(datagrams >= 1);
    CHECK(datagrams <= 20);
  }
}

}  // namespace
}  // namespace ppspp::test
