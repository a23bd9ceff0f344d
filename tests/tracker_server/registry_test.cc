#include "tracker/registry.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <map>
#include <set>

#include "support/seed.h"

namespace ppspp::tracker {
namespace {

using std::chrono::seconds;

TransportAddress host(std::uint32_t number) {
  return TransportAddress::v4(0x0a000000 + number, 0);
}

PeerAddress place(std::uint32_t number, std::uint16_t port = 6778) {
  return {.address = TransportAddress::v4(0x0a000000 + number, port), .type = AddressType::host};
}

SwarmId swarm(std::uint8_t number) {
  return SwarmId(std::vector<std::byte>(32, std::byte{number}));
}

TimePoint at(std::int64_t second) {
  return TimePoint(seconds(second));
}

// A peer whose address was checked.
Peer& add(Registry& registry, std::uint32_t number, std::int64_t second = 0) {
  const auto peer = registry.add(fmt::format("peer{}", number), host(number), at(second));
  REQUIRE(peer);
  registry.set_places(**peer, {place(number)});
  registry.set_checked(**peer, place(number).address, true, at(second));
  return **peer;
}

std::vector<const Membership*> sample(Registry& registry, SwarmId id, std::size_t count,
                                      RandomSource& random, const Peer* except = nullptr,
                                      bool leeches_only = false) {
  const Swarm* const found = registry.find(id);
  REQUIRE(found != nullptr);
  return registry.sample(*found, count, except, leeches_only, random);
}

TEST_SUITE("tracker_server/registry") {
  TEST_CASE("a peer is known by its ID and the address it comes from, whatever the port") {
    Registry registry;
    Peer& peer = add(registry, 1);
    CHECK(registry.find("peer1", TransportAddress::v4(0x0a000001, 999)) == &peer);
    CHECK(registry.find("peer1", host(2)) == nullptr);
    CHECK(registry.find("peer2", host(1)) == nullptr);
    CHECK(registry.find(peer.serial) == &peer);
  }

  TEST_CASE("only peers whose address was checked are told to others") {
    Registry registry;
    Rng random(1);
    const auto peer = registry.add("unchecked", host(1), at(0));
    REQUIRE(registry.join(**peer, swarm(1), PeerMode::leech));
    registry.set_places(**peer, {place(1)});
    CHECK(sample(registry, swarm(1), 10, random).empty());
    registry.set_checked(**peer, place(1).address, true, at(1));
    CHECK(sample(registry, swarm(1), 10, random).size() == 1);
    registry.set_checked(**peer, place(1).address, false, at(2));
    CHECK(sample(registry, swarm(1), 10, random).empty());
    registry.set_checked(**peer, place(1).address, true, at(3));
    registry.set_places(**peer, {place(1, 7777)});  // another port is not checked
    CHECK(sample(registry, swarm(1), 10, random).empty());
    CHECK(registry.is_consistent());
  }

  TEST_CASE("a peer silent for the track timer is gone from all swarms (RFC 7846, 2.3.2 D)") {
    Registry registry({.track_timer = seconds(300)});
    Rng random(1);
    for (std::uint32_t i = 0; i < 10; ++i) {
      Peer& peer = add(registry, i, i);
      REQUIRE(registry.join(peer, swarm(1), PeerMode::leech));
      REQUIRE(registry.join(peer, swarm(2), PeerMode::seeder));
    }
    registry.heard(*registry.find("peer0", host(0)), at(100));
    CHECK(registry.next_expiry() == at(301));
    CHECK(registry.expire(at(300)) == 0);
    CHECK(registry.expire(at(305)) == 5);  // 1 to 5
    CHECK(registry.peers() == 5);
    CHECK(sample(registry, swarm(1), 20, random).size() == 5);
    CHECK(registry.expire(at(399)) == 4);
    CHECK(registry.expire(at(400)) == 1);
    CHECK(registry.peers() == 0);
    CHECK(registry.swarms() == 0);
    CHECK(registry.memberships() == 0);
    CHECK(registry.next_expiry() == kNever);
    CHECK(registry.is_consistent());
  }

  TEST_CASE("each member is drawn as often as any other") {
    constexpr std::uint32_t kPeers = 50;
    constexpr int kDraws = 5'000;
    constexpr std::size_t kCount = 5;
    Registry registry;
    Rng random(42);
    for (std::uint32_t i = 0; i < kPeers; ++i) {
      REQUIRE(registry.join(add(registry, i), swarm(1),
                            i % 2 == 0 ? PeerMode::leech : PeerMode::seeder));
    }
    const Peer* const asking = registry.find("peer7", host(7));
    std::map<const Peer*, int> drawn;
    for (int i = 0; i < kDraws; ++i) {
      std::set<const Peer*> once;
      for (const Membership* member : sample(registry, swarm(1), kCount, random, asking)) {
        once.insert(member->peer);
        ++drawn[member->peer];
      }
      REQUIRE(once.size() == kCount);
    }
    CHECK(drawn.size() == kPeers - 1);
    CHECK(drawn.find(asking) == drawn.end());
    // 510 expected, with a deviation of 21.4: six of them either way.
    constexpr int kExpected = kDraws * static_cast<int>(kCount) / (kPeers - 1);
    for (const auto& [peer, times] : drawn) {
      CHECK(times > kExpected - 130);
      CHECK(times < kExpected + 130);
    }
  }

  TEST_CASE("a sample has no more peers than there are, none twice, and not the one that asks") {
    Registry registry;
    Rng random(7);
    for (std::uint32_t i = 0; i < 20; ++i)
      REQUIRE(registry.join(add(registry, i), swarm(1), PeerMode::leech));
    const Peer* const asking = registry.find("peer3", host(3));
    for (std::size_t count = 0; count < 40; ++count) {
      std::set<const Peer*> peers;
      for (const auto* member : sample(registry, swarm(1), count, random, asking)) {
        CHECK(member->peer != asking);
        CHECK(peers.insert(member->peer).second);
      }
      CHECK(peers.size() == std::min<std::size_t>(count, 19));
    }
  }

  TEST_CASE("a seeder is told of leeches only") {
    Registry registry;
    Rng random(7);
    for (std::uint32_t i = 0; i < 10; ++i) {
      REQUIRE(
          registry.join(add(registry, i), swarm(1), i < 3 ? PeerMode::leech : PeerMode::seeder));
    }
    CHECK(sample(registry, swarm(1), 20, random, nullptr, true).size() == 3);
    // A leech that has become a seeder joins again.
    REQUIRE(registry.join(*registry.find("peer0", host(0)), swarm(1), PeerMode::seeder));
    CHECK(sample(registry, swarm(1), 20, random, nullptr, true).size() == 2);
    CHECK(sample(registry, swarm(1), 20, random).size() == 10);
    CHECK(registry.is_consistent());
  }

  TEST_CASE("a network has a limited number of registrations, IPv6 by its first 64 bits") {
    Registry registry({.max_peers_per_network = 3});
    for (int i = 0; i < 3; ++i) REQUIRE(registry.add(fmt::format("{}", i), host(1), at(0)));
    const auto refused = registry.add("more", host(1), at(0));
    REQUIRE_FALSE(refused);
    CHECK(refused.error() == Refusal::network_has_too_many);
    CHECK(registry.add("other", host(2), at(0)));
    for (int i = 0; i < 3; ++i) {
      const auto address = TransportAddress::parse(fmt::format("[2001:db8::{}]:0", i + 1));
      REQUIRE(registry.add("six", *address, at(0)));
    }
    CHECK_FALSE(registry.add("six", *TransportAddress::parse("[2001:db8::ffff:1]:0"), at(0)));
    CHECK(registry.add("six", *TransportAddress::parse("[2001:db8:0:1::1]:0"), at(0)));
    registry.remove(*registry.find("0", host(1)));
    CHECK(registry.add("more", host(1), at(0)));
  }

  TEST_CASE("when it is full, peers that were never checked make way, and no others") {
    Registry registry({.max_peers = 100});
    for (std::uint32_t i = 0; i < 60; ++i) {
      REQUIRE(registry.join(add(registry, i), swarm(1), PeerMode::leech));
    }
    for (std::uint32_t i = 0; i < 10'000; ++i) {
      const auto forged = registry.add("forged", host(1'000 + i), at(i));
      REQUIRE(forged);
      REQUIRE(registry.join(**forged, swarm(1), PeerMode::leech));
      CHECK(registry.peers() <= 100);
    }
    for (std::uint32_t i = 0; i < 60; ++i) {
      CHECK(registry.find(fmt::format("peer{}", i), host(i)) != nullptr);
    }
    CHECK(registry.listed_peers() == 60);
    for (std::uint32_t i = 100; i < 140; ++i) add(registry, i);
    const auto refused = registry.add("late", host(500), at(0));
    REQUIRE_FALSE(refused);
    CHECK(refused.error() == Refusal::too_many_peers);
    CHECK(registry.is_consistent());
  }

  TEST_CASE("swarms, their members and memberships are bounded") {
    Registry registry({.max_swarms = 2,
                       .max_peers_per_swarm = 2,
                       .max_memberships = 4,
                       .max_memberships_per_network = 3});
    Peer& one = add(registry, 1);
    Peer& two = add(registry, 2);
    Peer& three = add(registry, 3);
    REQUIRE(registry.join(one, swarm(1), PeerMode::leech));
    REQUIRE(registry.join(one, swarm(2), PeerMode::leech));
    CHECK(registry.join(one, swarm(3), PeerMode::leech).error() == Refusal::too_many_swarms);
    REQUIRE(registry.join(two, swarm(1), PeerMode::leech));
    CHECK(registry.join(three, swarm(1), PeerMode::leech).error() == Refusal::too_many_peers);
    REQUIRE(registry.join(three, swarm(2), PeerMode::leech));
    CHECK(registry.join(two, swarm(2), PeerMode::leech).error() == Refusal::too_many_peers);
    CHECK(registry.leave(one, swarm(2)));
    CHECK_FALSE(registry.leave(one, swarm(2)));
    CHECK(registry.join(two, swarm(2), PeerMode::leech));
    CHECK(registry.is_consistent());
  }

  TEST_CASE("whatever happens in whatever order, all tables agree") {
    std::printf("registry: ");
    Rng random(test::seed());
    Registry registry({.max_peers = 40,
                       .max_swarms = 8,
                       .max_peers_per_swarm = 20,
                       .max_peers_per_network = 3,
                       .max_memberships = 100,
                       .max_memberships_per_network = 6,
                       .track_timer = seconds(50)});
    std::int64_t second = 0;
    for (int step = 0; step < 20'000; ++step) {
      const auto number = static_cast<std::uint32_t>(random.below(30));
      const std::string id = fmt::format("{}", random.below(4));
      Peer* peer = registry.find(id, host(number));
      const SwarmId which = swarm(static_cast<std::uint8_t>(random.below(10)));
      const auto port = static_cast<std::uint16_t>(1 + random.below(3));
      second += random.below(10) == 0 ? 1 : 0;
      if (peer == nullptr) {
        static_cast<void>(registry.add(id, host(number), at(second)));
        continue;
      }
      switch (random.below(8)) {
        case 0:
          registry.remove(*peer);
          break;
        case 1:
          registry.leave(*peer, which);
          break;
        case 2:
          registry.set_places(*peer, {place(number, port), place(number, 9)});
          break;
        case 3:
          registry.set_checked(*peer, place(number, port).address, random.below(2) == 0,
                               at(second));
          break;
        case 4:
          registry.expire(at(second));
          break;
        case 5:
          registry.heard(*peer, at(second));
          break;
        default:
          static_cast<void>(registry.join(
              *peer, which, random.below(2) == 0 ? PeerMode::leech : PeerMode::seeder));
      }
      if (step % 50 == 0) REQUIRE(registry.is_consistent());
      REQUIRE(registry.peers() <= 40);
      REQUIRE(registry.swarms() <= 8);
      REQUIRE(registry.memberships() <= 100);
    }
    registry.expire(at(second + 50));
    CHECK(registry.peers() == 0);
    CHECK(registry.swarms() == 0);
    CHECK(registry.is_consistent());
  }
}

}  // namespace
}  // namespace ppspp::tracker
