#include "swarm/choke_policy.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "support/seed.h"

namespace ppspp::test {
namespace {

using namespace std::chrono_literals;

Network address(std::uint32_t number) {
  return Network::of(TransportAddress::v4(0x0a000000 + number, 6778));
}

std::vector<ChokePeer> peers(std::size_t count) {
  std::vector<ChokePeer> peers(count);
  for (std::size_t i = 0; i < count; ++i) {
    peers[i].address = address(static_cast<std::uint32_t>(i));
    peers[i].lasting = 20s;
  }
  return peers;
}

std::size_t chosen(const std::vector<ChokePeer>& peers) {
  return static_cast<std::size_t>(
      std::ranges::count_if(peers, [](const ChokePeer& peer) { return peer.chosen; }));
}

// What the answer makes of the peers, `later`.
void obey(std::vector<ChokePeer>& peers, Microseconds later) {
  for (ChokePeer& peer : peers) {
    if (peer.chosen != peer.unchoked || (peer.chosen_blind && !peer.optimistic)) peer.lasting = {};
    peer.unchoked = peer.chosen;
    peer.optimistic = peer.chosen_blind;
    peer.chosen = peer.chosen_blind = false;
    peer.lasting += later;
  }
}

}  // namespace

TEST_SUITE("swarm/choke_policy") {
  TEST_CASE("where there are slots for all, all are served, freeriders too") {
    Rng random(1);
    for (const bool seeding : {false, true}) {
      auto all = peers(8);
      all[3].freerider = all[4].idle = true;
      choose_unchoked({.peers = all, .slots = 8, .seeding = seeding, .review = true}, random);
      CHECK(chosen(all) == 8);
    }
  }

  TEST_CASE("those who gave most lately are served, and one by chance (9.2)") {
    Rng random(seed());
    auto all = peers(40);
    for (std::size_t i = 0; i < all.size(); ++i) all[i].given = (i * 7 % 40) * 1'000;
    choose_unchoked({.peers = all, .slots = 8, .scarce = true, .review = true}, random);
    CHECK(chosen(all) == 8);
    CHECK(std::ranges::count_if(all, [](const ChokePeer& p) { return p.chosen_blind; }) == 1);
    for (const ChokePeer& peer : all) {
      if (peer.given >= 33'000) CHECK(peer.chosen);
      if (peer.given < 33'000) CHECK(peer.chosen == peer.chosen_blind);
    }
  }

  TEST_CASE("a freerider has what is left over, and a chance now and then (9.2)") {
    for (std::uint64_t i = 0; i < 20; ++i) {
      Rng random(seed() + i);
      auto all = peers(20);
      for (std::size_t k = 4; k < 20; ++k) all[k].freerider = true;
      for (std::size_t k = 0; k < 4; ++k) all[k].given = 1'000;
      choose_unchoked({.peers = all, .slots = 8, .scarce = true, .review = true}, random);
      CHECK(chosen(all) == 5);
      for (std::size_t k = 4; k < 20; ++k) CHECK(all[k].chosen == all[k].chosen_blind);
      for (ChokePeer& peer : all) peer.chosen = peer.chosen_blind = false;
      choose_unchoked({.peers = all, .slots = 8, .scarce = false, .review = true}, random);
      CHECK(chosen(all) == 8);  // the upload would be idle
    }
  }

  TEST_CASE("between reviews nobody loses its slot, and free ones are given away") {
    Rng random(seed());
    auto all = peers(20);
    for (std::size_t k = 0; k < 6; ++k) all[k].unchoked = true;
    for (std::size_t k = 6; k < 20; ++k) all[k].given = 1'000;
    for (const bool seeding : {false, true}) {
      choose_unchoked({.peers = all, .slots = 8, .seeding = seeding}, random);
      for (std::size_t k = 0; k < 6; ++k) CHECK(all[k].chosen);
      CHECK(chosen(all) == 8);
      for (ChokePeer& peer : all) peer.chosen = peer.chosen_blind = false;
    }
  }

  TEST_CASE("newcomers are tried about three times as often as others") {
    Rng random(7);
    int newcomers = 0;
    constexpr int kRounds = 2'000;
    for (int i = 0; i < kRounds; ++i) {
      auto all = peers(48);
      for (std::size_t k = 0; k < 8; ++k) all[k].given = 1'000;
      for (std::size_t k = 8; k < 28; ++k) all[k].newcomer = true;
      for (std::size_t k = 28; k < 48; ++k) all[k].freerider = true;
      choose_unchoked({.peers = all, .slots = 8, .scarce = true, .review = true}, random);
      for (std::size_t k = 8; k < 28; ++k) newcomers += all[k].chosen_blind ? 1 : 0;
    }
    CHECK(newcomers > kRounds * 65 / 100);
    CHECK(newcomers < kRounds * 85 / 100);
  }

  TEST_CASE("who has fallen behind is tried more often than others, unless it gives nothing") {
    Rng random(seed());
    int behind = 0;
    int freerider = 0;
    constexpr int kRounds = 1'000;
    for (int i = 0; i < kRounds; ++i) {
      auto all = peers(28);
      for (std::size_t k = 0; k < 8; ++k) all[k].given = 1'000;
      for (std::size_t k = 8; k < 28; ++k) all[k].has = 1'000;
      all[8].has = 10;
      all[9].has = 0;
      all[9].freerider = true;
      choose_unchoked({.peers = all, .slots = 8, .scarce = true, .review = true}, random);
      behind += all[8].chosen_blind ? 1 : 0;
      freerider += all[9].chosen_blind ? 1 : 0;
    }
    CHECK(behind > kRounds / 10);  // one in 20 without the preference
    CHECK(freerider < kRounds / 10);
  }

  TEST_CASE("who is tried has ten seconds, then it is another's turn") {
    Rng random(seed());
    auto all = peers(40);
    for (std::size_t k = 0; k < 10; ++k) all[k].given = 1'000;
    const auto blind = [&] {
      choose_unchoked({.peers = all, .slots = 8, .scarce = true, .review = true}, random);
      const auto found = std::ranges::find_if(all, [](auto& peer) { return peer.chosen_blind; });
      const auto place = found - all.begin();
      obey(all, 5s);
      return place;
    };
    const auto first = blind();
    CHECK(blind() == first);
    int others = 0;
    for (int i = 0; i < 9; ++i) others += blind() != first ? 1 : 0;
    CHECK(others > 0);
  }

  TEST_CASE("a seeder serves all in turns: who has waited longest goes first") {
    Rng random(seed());
    auto all = peers(40);
    std::vector<Microseconds> waited(40);
    Microseconds longest{};
    for (int round = 0; round < 200; ++round) {
      choose_unchoked({.peers = all, .slots = 4, .seeding = true, .scarce = true, .review = true},
                      random);
      REQUIRE(chosen(all) == 4);
      for (std::size_t i = 0; i < all.size(); ++i) {
        waited[i] = all[i].chosen ? Microseconds{} : waited[i] + 10s;
        longest = std::max(longest, waited[i]);
        // Every second one is slow.
        all[i].rate = all[i].chosen ? (i % 2 == 0 ? 40'000 : 4'000) : 0;
        all[i].taken += all[i].rate * 10;
      }
      obey(all, 10s);
    }
    CHECK(longest <= 300s);  // nine turns of others, of at most 30 s each
    const auto [least, most] =
        std::ranges::minmax(all, {}, [](const ChokePeer& peer) { return peer.taken; });
    CHECK(least.taken > 0);
    CHECK(most.taken > least.taken);  // quick ones are preferred, moderately
  }

  TEST_CASE("one address has a bounded part of the slots while others wait (12.6.6 #170)") {
    for (const bool seeding : {false, true}) {
      Rng random(seed());
      auto all = peers(40);
      for (std::size_t k = 0; k < 30; ++k) {
        all[k].address = address(99);
        all[k].given = 1'000'000;
      }
      choose_unchoked(
          {.peers = all, .slots = 8, .seeding = seeding, .scarce = true, .review = true}, random);
      const auto taken = std::count_if(all.begin(), all.begin() + 30,
                                       [](const ChokePeer& peer) { return peer.chosen; });
      CHECK(taken == 2);
      CHECK(chosen(all) == 8);
    }
  }

  TEST_CASE("whatever the peers are, no more than the slots are taken, and none is wasted") {
    Rng random(seed());
    for (int round = 0; round < 2'000; ++round) {
      auto all = peers(1 + random.below(60));
      for (ChokePeer& peer : all) {
        if (random.below(4) == 0) peer.address = address(99);
        peer.unchoked = random.below(2) == 0;
        peer.optimistic = peer.unchoked && random.below(4) == 0;
        peer.idle = peer.unchoked && random.below(4) == 0;
        peer.newcomer = random.below(2) == 0;
        peer.freerider = random.below(3) == 0;
        peer.given = random.below(2) * random.below(100'000);
        peer.taken = random.below(100'000);
        peer.rate = random.below(50'000);
        peer.lasting = Microseconds(static_cast<std::int64_t>(random.below(60'000'000)));
      }
      const ChokeQuestion q{.peers = all,
                            .slots = 1 + random.below(20),
                            .seeding = random.below(2) == 0,
                            .scarce = random.below(2) == 0,
                            .review = random.below(2) == 0};
      choose_unchoked(q, random);
      CAPTURE(round);
      CHECK(chosen(all) <= q.slots);
      CHECK((chosen(all) > 0 || std::ranges::any_of(all, &ChokePeer::idle)));
      for (const ChokePeer& peer : all) {
        if (peer.chosen_blind) CHECK(peer.chosen);
        if (!peer.chosen || all.size() <= q.slots) continue;
        const bool leftover =
            q.scarce && peer.freerider && !std::ranges::all_of(all, &ChokePeer::freerider);
        if (leftover) CHECK(peer.chosen_blind);
      }
    }
  }
}

}  // namespace ppspp::test
