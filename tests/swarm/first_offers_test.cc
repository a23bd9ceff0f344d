#include "swarm/first_offers.h"

#include <doctest/doctest.h>

#include <map>

#include "ppspp/random_source.h"
#include "support/seed.h"

namespace ppspp::test {
namespace {

using Offers = std::vector<FirstOffers::Offer>;

// How many copies of each chunk were given out, and how many chunks each peer got.
struct Counts {
  explicit Counts(const Offers& offers) {
    for (const FirstOffers::Offer& offer : offers) {
      for (ChunkIndex chunk = offer.chunks.begin; chunk < offer.chunks.end; ++chunk) {
        ++of_chunk[chunk];
        ++of_peer[offer.peer];
        ++all;
      }
    }
  }
  std::map<ChunkIndex, std::size_t> of_chunk;
  std::map<std::size_t, std::size_t> of_peer;
  std::size_t all = 0;
};

}  // namespace

TEST_SUITE("swarm/first_offers") {
  TEST_CASE("a few peers get everything, from the start") {
    for (std::size_t peers = 1; peers <= 4; ++peers) {
      FirstOffers first;
      Offers offers;
      CHECK(first.divide({100, 132}, peers, 0, offers));
      CHECK(offers.size() == peers);
      for (std::size_t i = 0; i < peers; ++i) {
        CHECK(offers[i].peer == i);
        CHECK(offers[i].chunks == ChunkRange{100, 132});
      }
    }
  }

  TEST_CASE("where nobody is, everybody has been told") {
    FirstOffers first;
    Offers offers;
    CHECK(first.divide({0, 8}, 0, 0, offers));
    CHECK(offers.empty());
  }

  TEST_CASE("an upload that keeps up is given more, until all peers get everything") {
    FirstOffers first;
    int rounds = 0;
    for (Offers offers; !first.divide({0, 32}, 30, 0, offers); offers.clear()) {
      const Counts counts(offers);
      CHECK(counts.of_chunk.size() == 32);  // each chunk to somebody
      REQUIRE(++rounds < 100);
    }
    CHECK(first.copies() >= 30);
    CHECK(rounds > 10);  // and not all of a sudden
  }

  TEST_CASE("one that does not is given less, but each chunk goes out once") {
    FirstOffers first;
    std::vector<FirstOffers::Offer> offers;
    for (int i = 0; i < 50; ++i) {
      offers.clear();
      CHECK_FALSE(first.divide({0, 32}, 30, 1'000'000, offers));
    }
    CHECK(first.copies() == 1);
    const Counts counts(offers);
    CHECK(counts.all == 32);
    for (const auto& [chunk, copies] : counts.of_chunk) CHECK(copies == 1);
  }

  TEST_CASE("it finds how many copies a link carries, and stays about there") {
    // The link takes 3.2 copies of each chunk in the time of a group.
    FirstOffers first;
    double queued = 0;
    double most_queued = 0;
    double copies = 0;
    for (int i = 0; i < 500; ++i) {
      Offers offers;
      first.divide({32U * static_cast<ChunkIndex>(i), 32U * static_cast<ChunkIndex>(i) + 32}, 30,
                   static_cast<std::uint64_t>(queued), offers);
      queued = std::max(0.0, queued + static_cast<double>(Counts(offers).all) - 3.2 * 32);
      if (i < 100) continue;
      most_queued = std::max(most_queued, queued);
      copies += first.copies() / 400;
    }
    CHECK(copies > 2.4);
    CHECK(copies < 3.6);
    CHECK(most_queued < 3.2 * 32);  // no more than a group's time waits
  }

  TEST_CASE("peers take turns: each gets its share, whatever comes and goes") {
    Rng random(seed());
    for (int round = 0; round < 50; ++round) {
      FirstOffers first;
      const std::size_t peers = 8 + random.below(40);
      std::map<std::size_t, std::size_t> got;
      std::size_t all = 0;
      ChunkIndex next = 0;
      for (int i = 0; i < 200; ++i) {
        const std::uint64_t fresh = 1 + random.below(64);
        const auto sent = static_cast<std::uint64_t>(first.copies() * static_cast<double>(fresh));
        Offers offers;
        first.divide({next, next + fresh}, peers, sent / 4, offers);  // neither more nor less
        next += fresh;
        const Counts counts(offers);
        for (const auto& [chunk, copies] : counts.of_chunk) {
          REQUIRE(chunk >= next - fresh);
          REQUIRE(chunk < next);
          const auto whole = static_cast<std::size_t>(first.copies());
          REQUIRE(copies >= whole);
          REQUIRE(copies <= whole + 1);
        }
        for (const auto& [peer, chunks] : counts.of_peer) {
          REQUIRE(peer < peers);
          got[peer] += chunks;
          all += chunks;
        }
      }
      for (std::size_t peer = 0; peer < peers; ++peer) {
        // In runs, of which the last of a group may be short.
        REQUIRE(got[peer] >= all / peers / 4 * 3);
        REQUIRE(got[peer] <= all / peers / 3 * 4);
      }
    }
  }

  TEST_CASE("peers that leave while it is their turn do no harm") {
    FirstOffers first;
    Offers offers;
    first.divide({0, 7}, 50, 1'000, offers);
    first.divide({7, 14}, 9, 1'000, offers);
    offers.clear();
    first.divide({14, 40}, 3, 1'000'000, offers);
    for (const FirstOffers::Offer& offer : offers) CHECK(offer.peer < 3);
    CHECK(Counts(offers).of_chunk.size() == 26);
  }
}

}  // namespace ppspp::test
