// Who is talked to: rules, bans, and what they do to channels that are open.
#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "endpoint/access_list.h"
#include "endpoint/puppet.h"
#include "support/seed.h"

namespace ppspp::test {
namespace {

Network network(std::string_view text) {
  return *Network::parse(text);
}

struct Seeding {
  explicit Seeding(const EndpointOptions& options = {})
      : world(seed(), {.delay = 5ms}), original(200'000, seed()) {
    node = &world.add_node(options);
    node->seed(original.octets);
  }
  Puppet puppet(std::size_t index = 0) { return {world, *node, original.metadata, index}; }
  Endpoint& endpoint() { return node->endpoint(); }
  Now now() { return world.now(*node); }
  std::size_t channels() { return node->channels(node->swarm()).size(); }
  void set_rules(const AddressRules& rules) { endpoint().set_address_rules(rules, now()); }
  // The channel is closed for what is sent in it.
  void misbehave(Puppet& peer) {
    auto garbage = peer.octets(peer.remote, {});
    garbage.push_back(std::byte{0xfe});
    for (int i = 0; i < 80; ++i) peer.say_octets(garbage);
    peer.hear();
  }

  World world;
  Original original;
  Node* node;
};

// Nothing at all leaves for the peer in a while, although it goes on calling.
bool is_ignored(Puppet& peer) {
  peer.hear(1ms);
  for (int i = 0; i < 5; ++i) {
    peer.say_first();
    if (peer.remote.value != 0) peer.say({Request{{0, 5}}});
    if (!peer.hear(2s).empty()) return false;
  }
  return true;
}

}  // namespace

TEST_SUITE("endpoint/access") {
  TEST_CASE("a peer that the rules deny is neither answered nor called, whatever else allows it") {
    EndpointOptions options;
    options.rules.allow = {network("10.0.0.0/8")};
    options.rules.deny = {network("10.1.0.1")};
    Seeding s(options);
    Puppet denied = s.puppet(0);  // 10.1.0.1
    Puppet allowed = s.puppet(1);
    CHECK(is_ignored(denied));
    CHECK(s.endpoint().counters().handshakes_forbidden == 5);
    CHECK(allowed.open({Request{{0, 1}}}));
    CHECK_FALSE(allowed.hear_all<Data>().empty());
    s.endpoint().add_peer(s.node->swarm(), denied.address(), s.now());
    CHECK(denied.hear(5min).empty());
    s.set_rules({});
    CHECK_FALSE(denied.hear(2min).empty());  // called, now that it may be
  }

  TEST_CASE("who is not among the allowed is not talked to") {
    EndpointOptions options;
    options.rules.allow = {network("10.1.0.2/31"), network("2001:db8::/32")};
    Seeding s(options);
    Puppet outside = s.puppet(0);
    Puppet inside = s.puppet(2);
    CHECK(is_ignored(outside));
    CHECK(inside.open());
  }

  TEST_CASE("rules that forbid an open channel close it without a word; others go on") {
    Seeding s;
    Puppet first = s.puppet(0);
    Puppet second = s.puppet(1);
    Puppet half = s.puppet(0);
    REQUIRE(first.open());
    REQUIRE(second.open());
    half.say_first();
    half.hear(20ms);
    REQUIRE(s.endpoint().statistics(s.now()).half_open == 1);
    REQUIRE(s.channels() == 2);
    s.set_rules({.allow = {}, .deny = {network("10.1.0.1/32")}});
    CHECK(s.channels() == 1);
    CHECK(s.endpoint().statistics(s.now()).half_open == 0);
    CHECK(is_ignored(first));
    second.say({Request{{0, 3}}});
    CHECK_FALSE(second.hear_all<Data>().empty());
    CHECK(std::any_of(s.node->events().begin(), s.node->events().end(), [&](const Event& event) {
      const auto* left = std::get_if<event::PeerLeft>(&event.what);
      return left != nullptr && left->peer == first.address();
    }));
  }

  TEST_CASE("what waits to be sent to an address is not sent once it is forbidden") {
    Seeding s;
    Puppet peer = s.puppet();
    const auto octets = peer.octets({}, {Handshake{peer.own, peer.options(true)}});
    s.endpoint().handle_datagram(octets, peer.address(), s.now());  // its answer waits
    s.endpoint().ban(network("10.1.0.0/16"), std::nullopt, s.now());
    CHECK(peer.hear(1s).empty());
  }

  TEST_CASE("a ban closes the channel and keeps the peer out until it is over, or lifted") {
    Seeding s;
    Puppet peer = s.puppet();
    REQUIRE(peer.open());
    s.world.run_for(20ms);
    REQUIRE(s.channels() == 1);
    s.endpoint().ban(network("10.1.0.0/24"), 60s, s.now());
    CHECK(s.channels() == 0);
    CHECK(is_ignored(peer));
    auto bans = s.endpoint().bans(s.now());
    REQUIRE(bans.size() == 1);
    CHECK(bans[0].network == network("10.1.0.0/24"));
    CHECK_FALSE(bans[0].automatic);
    REQUIRE(bans[0].remaining);
    CHECK(*bans[0].remaining < 60s);
    CHECK(*bans[0].remaining > 40s);
    s.world.run_for(60s);
    CHECK(s.endpoint().bans(s.now()).empty());
    CHECK(s.endpoint().statistics(s.now()).banned == 0);
    CHECK(peer.open());
    s.world.run_for(20ms);
    CHECK(s.channels() == 1);

    s.endpoint().ban(network("10.1.0.1"), std::nullopt, s.now());
    CHECK(s.channels() == 0);
    CHECK_FALSE(s.endpoint().bans(s.now())[0].remaining);
    s.world.run_for(24h * 30);
    CHECK(is_ignored(peer));
    CHECK_FALSE(s.endpoint().unban(network("10.1.0.0/24")));  // another one
    CHECK(is_ignored(peer));
    CHECK(s.endpoint().unban(network("10.1.0.1")));
    CHECK_FALSE(s.endpoint().unban(network("10.1.0.1")));
    CHECK(peer.open());
  }

  TEST_CASE("where four ports of an address are banned for faults, all are for a while (12.6.5)") {
    AccessList list(AddressRules{});
    const TimePoint begin{1s};
    const auto bad = [](std::uint16_t port) { return TransportAddress::v4(0x0b00'0001, port); };
    const auto neighbour = TransportAddress::v4(0x0b00'0002, 1);
    for (std::uint16_t port = 1; port <= 3; ++port) list.ban_for_faults(bad(port), begin);
    CHECK_FALSE(list.allows(bad(3), begin));
    CHECK(list.allows(bad(9), begin));  // who shares the address
    list.ban_for_faults(bad(4), begin);
    CHECK_FALSE(list.allows(bad(9), begin));
    CHECK(list.allows(neighbour, begin));
    CHECK(list.allows(bad(9), begin + 61s));
    CHECK(list.allows(bad(4), begin + 61s));
    // Whoever goes on is out for longer.
    list.ban_for_faults(bad(4), begin + 61s);
    CHECK_FALSE(list.allows(bad(4), begin + 170s));
    // Of this machine's own address others are not meant.
    const auto local = [](std::uint16_t port) { return TransportAddress::v4(0x7f00'0001, port); };
    for (std::uint16_t port = 1; port <= 8; ++port) list.ban_for_faults(local(port), begin);
    CHECK_FALSE(list.allows(local(8), begin));
    CHECK(list.allows(local(9), begin));
  }

  TEST_CASE("who is dropped for what it sent is listed as banned, and can be let in (12.6.5)") {
    Seeding s;
    Puppet peer = s.puppet();
    REQUIRE(peer.open());
    s.misbehave(peer);
    REQUIRE(s.channels() == 0);
    CHECK(is_ignored(peer));
    const auto bans = s.endpoint().bans(s.now());
    REQUIRE(bans.size() == 1);
    CHECK(bans[0].automatic);
    CHECK(bans[0].network == network("10.1.0.1"));
    REQUIRE(bans[0].remaining);
    CHECK(*bans[0].remaining <= 60s);
    CHECK(s.endpoint().statistics(s.now()).banned == 1);
    CHECK_FALSE(s.endpoint().unban(network("10.2.0.0/16")));
    CHECK(s.endpoint().unban(network("10.0.0.0/8")));
    CHECK(s.endpoint().bans(s.now()).empty());
    CHECK(peer.open());
  }

  TEST_CASE("property: the list of rules and bans says what its definition says") {
    for (std::uint64_t run = 0; run < 50; ++run) {
      CAPTURE(run);
      Rng random(seed() + run);
      // Of few bits, so that networks meet.
      const auto any_address = [&] {
        const auto bits = static_cast<std::uint32_t>(random.below(16));
        if (random.below(2) == 0) return TransportAddress::v4(0x0a000000 + bits, 1);
        return TransportAddress::v6(
            {0x20, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, static_cast<std::uint8_t>(bits)}, 1);
      };
      const auto any_network = [&] {
        const TransportAddress address = any_address();
        return Network::of(address,
                           (address.is_v4() ? 28U : 124U) + static_cast<unsigned>(random.below(5)));
      };
      AddressRules rules;
      for (std::uint64_t i = random.below(4); i > 0; --i) rules.allow.push_back(any_network());
      for (std::uint64_t i = random.below(4); i > 0; --i) rules.deny.push_back(any_network());
      AccessList list(rules);
      TimePoint now{1s};
      std::map<Network, TimePoint> banned;
      for (int step = 0; step < 40; ++step) {
        const Network other = any_network();
        switch (random.below(4)) {
          case 0:
            list.ban(other, 10s, now);
            banned[other] = now + 10s;
            break;
          case 1:
            list.ban(other, std::nullopt, now);
            banned[other] = kNever;
            break;
          case 2:
            list.unban(other);
            banned.erase(other);
            break;
          default:
            now += 3s;
        }
        const TransportAddress asked = any_address();
        const bool is_banned = std::any_of(banned.begin(), banned.end(), [&](const auto& ban) {
          return ban.first.contains(asked) && now < ban.second;
        });
        CHECK(list.allows(asked, now) == (rules.allows(asked) && !is_banned));
        CHECK(list.bans(now).size() ==
              static_cast<std::size_t>(std::count_if(
                  banned.begin(), banned.end(), [&](const auto& b) { return now < b.second; })));
      }
    }
  }
}

}  // namespace ppspp::test
