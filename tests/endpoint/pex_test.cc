// Peer exchange as the RFC has it (RFC 7574, 3.10, 8.13).
#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "endpoint/live_world.h"
#include "endpoint/pex_world.h"

namespace ppspp::test {
namespace {

PexResV4 v4(const TransportAddress& address) {
  return {address.v4_address(), address.port()};
}
const TransportAddress kPrivate = TransportAddress::v4(0x0a020001, 7000);
const TransportAddress kPrivateToo = TransportAddress::v4(0xc0a80101, 7000);
const TransportAddress kLoopback = TransportAddress::v4(0x7f000001, 7000);

// One seeder and leechers that know it alone, on links that leave them time to find each other.
struct Crowd {
  explicit Crowd(std::size_t leechers, const EndpointOptions& options = {})
      : world(17, {.delay = 5ms, .rate = 200'000}) {
    world.peers_tell = true;
    source = &world.add_node(options);
    const auto metadata = source->seed(random_content(400'000, 1));
    for (std::size_t i = 0; i < leechers; ++i) {
      Node& leecher = world.add_node(options);
      leecher.add_peer(leecher.join(metadata), *source);
      all.push_back(&leecher);
    }
  }
  bool everybody_is_complete() const {
    return std::all_of(all.begin(), all.end(),
                       [](Node* node) { return node->complete(node->swarm()); });
  }
  std::size_t fewest_neighbours() const {
    std::size_t fewest = 1'000;
    for (Node* node : all) fewest = std::min(fewest, node->status().channels);
    return fewest;
  }

  World world;
  Node* source;
  std::vector<Node*> all;
};

TEST_SUITE("endpoint/pex") {
  TEST_CASE("who knows one peer of a private network finds the others (3.10.1 #173)") {
    Crowd crowd(7);
    CHECK(crowd.world.run_until([&] { return crowd.fewest_neighbours() == 7; }, 60s));
    CHECK(crowd.world.run_until([&] { return crowd.everybody_is_complete(); }, 120s));
    for (Node* node : crowd.all) CHECK(node->endpoint().counters().peers_dropped == 0);
  }

  TEST_CASE("peer exchange can be switched off (3.10.1 #171)") {
    Crowd crowd(4, {.pex = false});
    CHECK(crowd.world.run_until([&] { return crowd.everybody_is_complete(); }, 120s));
    for (Node* node : crowd.all) {
      CHECK(node->status().channels == 1);
      CHECK(node->endpoint().counters().pex.requests_out == 0);
    }
    CHECK(crowd.source->endpoint().counters().pex.addresses_out == 0);
  }

  TEST_CASE("only peers that were heard within a minute are told (3.10.1 #174)") {
    PexWorld w(true);
    Puppet& asking = w.peer_at(kPrivate);
    Puppet& fresh = w.peer_at(TransportAddress::v4(0x0a020002, 7000));
    Puppet& stale = w.peer_at(TransportAddress::v4(0x0a020003, 7000));
    auto told = PexWorld::ask(asking);
    CHECK(std::set(told.begin(), told.end()) == std::set{fresh.address(), stale.address()});
    for (int i = 0; i < 7; ++i) {
      w.world.run_for(10s);
      PexWorld::keep_alive(asking);
      PexWorld::keep_alive(fresh);
    }
    told = PexWorld::ask(asking);
    CHECK(told == std::vector{fresh.address()});
    CHECK(w.node->status().channels == 3);
  }

  TEST_CASE("nobody is told its own address, and a lone peer hears nothing") {
    PexWorld w(true);
    Puppet& asking = w.peer_at(kPrivate);
    CHECK(PexWorld::ask(asking).empty());
    CHECK(w.counters().requests_in == 1);
  }

  TEST_CASE("internal addresses stay inside; loopback on this host (8.13 #180, decision 24)") {
    PexWorld w(true, {.pex_on_internet = true});
    Puppet& inside = w.peer_at(kPrivate);
    Puppet& inside_too = w.peer_at(kPrivateToo);
    Puppet& here = w.peer_at(kLoopback);
    Puppet& here_too = w.peer_at(TransportAddress::v4(0x7f000001, 7001));
    Puppet& outside = w.peer_at(public_address(1));
    Puppet& outside_too = w.peer_at(public_address(2));
    const auto told_to = [](Puppet& peer) {
      const auto told = PexWorld::ask(peer);
      return std::set(told.begin(), told.end());
    };
    CHECK(told_to(outside) == std::set{outside_too.address()});
    CHECK(told_to(inside) ==
          std::set{inside_too.address(), outside.address(), outside_too.address()});
    CHECK(told_to(here) == std::set{inside.address(), inside_too.address(), here_too.address(),
                                    outside.address(), outside_too.address()});
  }

  TEST_CASE("IPv6 addresses go as PEX_RESv6 (8.13 #179)") {
    PexWorld w(true);
    Puppet& asking = w.peer_at(*TransportAddress::parse("[fd00::1]:7000"));
    Puppet& other = w.peer_at(*TransportAddress::parse("[fd00::2]:7001"));
    CHECK(PexWorld::ask(asking) == std::vector{other.address()});
  }

  TEST_CASE("a public peer without certificates is told of nobody, and not asked (3.10.1 #178)") {
    PexWorld w(true);
    Puppet& outside = w.peer_at(public_address(1));
    w.peer_at(public_address(2));
    CHECK(PexWorld::ask(outside).empty());

    PexWorld leeching(false);
    CHECK_FALSE(PexWorld::is_asked(leeching.peer_at(public_address(1)), 90s));
    // What it tells unasked is not believed either.
    leeching.peers[0]->say({v4(public_address(7))});
    leeching.world.run_for(10s);
    CHECK(leeching.handshakes_to(public_address(7)) == 0);

    PexWorld careless(false, {.pex_on_internet = true});
    Puppet& asked = careless.peer_at(public_address(1));
    REQUIRE(PexWorld::is_asked(asked));
    asked.say({v4(public_address(7))});
    careless.world.run_for(1s);
    CHECK(careless.handshakes_to(public_address(7)) >= 1);
  }

  TEST_CASE("a leecher asks, and contacts whom it was told of (3.10.1 #173)") {
    PexWorld w(false);
    Puppet& asked = w.peer_at(kPrivate);
    REQUIRE(PexWorld::is_asked(asked));
    asked.say({v4(kPrivateToo), v4(public_address(1))});
    w.world.run_for(1s);
    CHECK(w.handshakes_to(kPrivateToo) >= 1);
    CHECK(w.handshakes_to(public_address(1)) >= 1);
    CHECK(w.counters().requests_out == 1);
    CHECK(w.counters().addresses_in == 2);
    const auto& known = w.node->endpoint().statistics(w.world.now(*w.node)).addresses;
    CHECK(known[static_cast<std::size_t>(PeerSource::pex)] == 2);
  }

  TEST_CASE("what can be no peer of this swarm is not contacted") {
    PexWorld w(false);
    Puppet& asked = w.peer_at(kPrivate);
    REQUIRE(PexWorld::is_asked(asked));
    const TransportAddress bad[] = {
        TransportAddress::v4(0x0a020099, 0), TransportAddress::v4(0, 7000),
        TransportAddress::v4(0xe0000001, 7000), TransportAddress::v4(0xffffffff, 7000), kLoopback};
    for (const auto& address : bad) asked.say({v4(address)});
    PexResV6 disguised;  // an IPv4 address as a mapped one
    disguised.address = TransportAddress::v4(0x0a020098, 7000).bytes();
    disguised.port = 7000;
    asked.say({disguised});
    w.world.run_for(5s);
    for (const auto& address : bad) CHECK(w.handshakes_to(address) == 0);
    CHECK(w.handshakes_to(TransportAddress::v4(0x0a020098, 7000)) == 0);
    CHECK(w.counters().ignored == 6);
  }

  TEST_CASE("who has everything, or is the source of a feed, asks nobody (12.2.3 #187)") {
    PexWorld w(true);
    Puppet& peer = w.peer_at(kPrivate);
    peer.say({Have{{0, w.original.chunk_count()}}});
    CHECK_FALSE(PexWorld::is_asked(peer, 130s));
    peer.say({v4(kPrivateToo)});
    w.world.run_for(5s);
    CHECK(w.handshakes_to(kPrivateToo) == 0);

    LiveWorld live(17);
    live.world().peers_tell = true;
    live.publish(100'000);
    Puppet stranger(live.world(), live.source(), live.metadata(), 3);
    live.world().run_for(3s);
    REQUIRE(stranger.open());
    CHECK_FALSE(PexWorld::is_asked(stranger, 5s));
    stranger.say({v4(kPrivateToo)});
    live.world().run_for(3s);
    CHECK(live.source().endpoint().counters().pex.requests_out == 0);
    for (const auto& arrived : live.world().inbox) CHECK(arrived.to != kPrivateToo);
    // It tells others, though.
    Puppet other(live.world(), live.source(), live.metadata(), 4);
    REQUIRE(other.open());
    CHECK(PexWorld::ask(other) == std::vector{stranger.address()});
  }

  TEST_CASE("a peer that lists no PEX messages is neither asked nor told (7.10 #222)") {
    PexWorld w(false);
    Puppet peer(w.world, *w.node, w.original.metadata);
    peer.set_address(kPrivate);
    auto options = peer.options(true);
    for (const auto type : {MessageType::pex_req, MessageType::pex_res_v4, MessageType::pex_res_v6,
                            MessageType::pex_res_cert}) {
      options.supported_messages->reset(static_cast<std::size_t>(type));
    }
    peer.say_to({}, {Handshake{peer.own, options}});
    REQUIRE(peer.take_answer(peer.hear()));
    w.peer_at(kPrivateToo);
    CHECK(PexWorld::ask(peer).empty());
    CHECK_FALSE(PexWorld::is_asked(peer, 90s));
  }
}

}  // namespace
}  // namespace ppspp::test
