// Which peers a swarm has channels to (RFC 7574, 3.10.1, 9.1, 12.2.3, 12.6.1).
#include <doctest/doctest.h>

#include <algorithm>
#include <map>

#include "endpoint/peer_choice.h"
#include "endpoint/pex_world.h"

namespace ppspp::test {
namespace {

TEST_SUITE("endpoint/neighbours") {
  TEST_CASE("the least useful of those that may go is given up, and only if it is of little use") {
    const auto choose = [](std::vector<Neighbour> all) { return least_useful(all); };
    CHECK_FALSE(choose({}));
    // All are idle: any will do.
    CHECK(choose({{0, 10ms, true}, {0, 10ms, true}}) == 0);
    CHECK(choose({{1'000, 10ms, true}, {10, 10ms, true}, {900, 10ms, true}}) == 1);
    CHECK_FALSE(choose({{1'000, 10ms, true}, {900, 10ms, true}, {800, 10ms, true}}));
    CHECK_FALSE(choose({{1'000, 10ms, true}, {0, 10ms, false}}));
    CHECK(choose({{1'000, 10ms, false}, {20, 10ms, true}, {10, 10ms, false}}) == 1);
    // Of equal ones the far one.
    CHECK(choose({{5'000, 10ms, false}, {500, 10ms, true}, {500, 300ms, true}}) == 2);
    CHECK(choose({{5'000, 10ms, false}, {500, 300ms, true}, {500, 10ms, true}}) == 1);
    // What one brings counts for more than where it is.
    CHECK(choose({{9'000, 10ms, false}, {100, 1ms, true}, {1'000, 500ms, true}}) == 1);
  }

  TEST_CASE("a swarm begins as many channels as it wants, and part of them stay for trackers") {
    PexWorld w(false, {.neighbours = 12});
    auto& endpoint = w.node->endpoint();
    const auto add = [&](std::uint32_t first, PeerSource source) {
      for (std::uint32_t i = first; i < first + 30; ++i) {
        endpoint.add_peer(w.node->swarm(), public_address(i), w.world.now(*w.node), source);
      }
      w.world.run_for(10ms);
      return endpoint.statistics(w.world.now(*w.node)).channels_connecting;
    };
    CHECK(add(0, PeerSource::local) == 12);
    CHECK(add(100, PeerSource::tracker) == 12);
    CHECK(add(200, PeerSource::user) == 42);  // whom the user names comes on top
  }

  TEST_CASE("strangers do not get all places of a swarm (12.6.1 #255)") {
    PexWorld w(false, {.max_channels_per_swarm = 10});
    std::size_t admitted = 0;
    std::vector<std::unique_ptr<Puppet>> all;
    for (std::uint32_t i = 0; i < 20; ++i) {
      all.push_back(std::make_unique<Puppet>(w.world, *w.node, w.original.metadata));
      all.back()->set_address(public_address(i));
      admitted += all.back()->open();
    }
    CHECK(admitted == 8);
    // Who is sought still finds a place.
    w.node->endpoint().add_peer(w.node->swarm(), public_address(100), w.world.now(*w.node));
    w.node->endpoint().add_peer(w.node->swarm(), public_address(101), w.world.now(*w.node));
    w.world.run_for(10ms);
    CHECK(w.handshakes_to(public_address(100)) == 1);
    CHECK(w.handshakes_to(public_address(101)) == 1);
  }

  TEST_CASE("those who came to us count, but half of the channels are of our choice (12.6.1)") {
    PexWorld w(false, {.neighbours = 20});
    for (std::uint32_t i = 0; i < 40; ++i) w.peer_at(public_address(i));
    for (std::uint32_t i = 100; i < 150; ++i) {
      w.node->endpoint().add_peer(w.node->swarm(), public_address(i), w.world.now(*w.node),
                                  PeerSource::tracker);
    }
    w.world.run_for(1'010ms);
    CHECK(w.node->endpoint().statistics(w.world.now(*w.node)).channels_connecting == 10);
  }

  TEST_CASE("a neighbour that is good for nothing makes way for an unknown peer, one a minute") {
    PexWorld w(false, {.neighbours = 4, .pex = false});
    std::map<TransportAddress, std::unique_ptr<Puppet>> puppets;
    for (std::uint32_t i = 0; i < 12; ++i) {
      auto puppet = std::make_unique<Puppet>(w.world, *w.node, w.original.metadata);
      puppet->set_address(public_address(i));
      w.node->endpoint().add_peer(w.node->swarm(), puppet->address(), w.world.now(*w.node),
                                  PeerSource::tracker);
      puppets[puppet->address()] = std::move(puppet);
    }
    std::size_t met = 0;
    std::size_t most = 0;
    for (int second = 0; second < 360; second += 2) {
      w.world.run_for(2s);
      for (auto& [address, puppet] : puppets) {
        const bool called =
            std::any_of(w.world.inbox.begin(), w.world.inbox.end(), [&](const auto& arrived) {
              return arrived.to == address && destination(arrived.octets)->value == 0;
            });
        if (called && puppet->remote.value == 0) met += puppet->accept();
        if (puppet->remote.value != 0) PexWorld::keep_alive(*puppet);
      }
      most = std::max(most, w.node->status().channels);
    }
    CHECK(most == 4);
    CHECK(met >= 7);  // four at once, and one in each minute and a bit
    CHECK(met <= 10);
    CHECK(w.node->endpoint().counters().peers_replaced == met - 4);
  }

  TEST_CASE("two that have everything make way when places are short") {
    PexWorld w(true, {.max_channels_per_swarm = 3});
    std::vector<Puppet*> complete;
    for (std::uint32_t i = 0; i < 3; ++i) {
      complete.push_back(&w.peer_at(public_address(i)));
      complete.back()->say({Have{{0, w.original.chunk_count()}}});
    }
    w.world.run_for(20s);
    Puppet early(w.world, *w.node, w.original.metadata);
    early.set_address(public_address(10));
    CHECK_FALSE(early.open());  // they have just come
    w.world.run_for(20s);
    for (Puppet* puppet : complete) PexWorld::keep_alive(*puppet);
    w.world.run_for(100ms);
    Puppet& leecher = w.peer_at(public_address(11));
    leecher.hear();
    CHECK(w.node->status().channels == 3);
    leecher.say({Request{{0, 1}}});
    CHECK_FALSE(leecher.hear_all<Data>().empty());
    CHECK(w.node->endpoint().counters().peers_replaced == 1);
  }
}

}  // namespace
}  // namespace ppspp::test
