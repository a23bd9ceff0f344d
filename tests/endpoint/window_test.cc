// Many readers of one content: their windows decide what is asked for, and in which order.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <vector>

#include "support/seed.h"
#include "world.h"

using namespace ppspp;
using namespace ppspp::test;

namespace {

constexpr std::uint64_t kChunk = 1'024;

// Somebody who fetches on demand from one who has everything, over a link of 500 KB/s.
struct Reading {
  explicit Reading(std::uint64_t s, PickPolicy policy = PickPolicy::on_demand,
                   std::size_t octets = 4'000'000)
      : world(s, {.delay = 10ms, .rate = 500'000, .queue = 50'000}), size(octets) {
    std::vector<std::byte> content(size);
    Rng random(s);
    for (std::byte& octet : content) octet = static_cast<std::byte>(random.next_u64());
    seeder = &world.add_node();
    leecher = &world.add_node();
    SwarmMetadata metadata = seeder->seed(content);
    metadata.content_length = size;
    leecher->join(metadata, policy);
    leecher->add_peer(leecher->swarm(), *seeder);
    REQUIRE(world.run_until([&] { return leecher->status().channels == 1; }, 5s));
    world.run_for(100ms);
  }

  void want(std::vector<ReadWindow> windows) {
    leecher->endpoint().set_read_windows(leecher->swarm(), windows, world.now(*leecher));
  }
  std::uint64_t verified(ChunkIndex begin, ChunkIndex end) {
    std::uint64_t count = 0;
    for (ChunkIndex chunk = begin; chunk < end; ++chunk) count += has(chunk) ? 1U : 0U;
    return count;
  }
  bool has(ChunkIndex chunk) { return leecher->endpoint().has_chunk(leecher->swarm(), chunk); }
  std::uint64_t run_at(ChunkIndex chunk) {
    return leecher->endpoint().verified_run(leecher->swarm(), chunk).size();
  }
  std::uint64_t chunk_count() const { return (size - 1) / kChunk + 1; }

  World world;
  std::size_t size;
  Node* seeder;
  Node* leecher;
};

}  // namespace

TEST_SUITE("endpoint/windows") {
  TEST_CASE("on demand: all of the windows comes, and nothing else") {
    Reading reading(seed());
    Rng rng(seed());
    reading.world.run_for(2s);
    CHECK(reading.leecher->status().verified_bytes == 0);
    std::vector<bool> wanted(reading.chunk_count());
    for (int round = 0; round < 10; ++round) {
      std::vector<ReadWindow> windows(1 + rng.below(4));
      for (ReadWindow& window : windows) {
        window.begin = rng.below(reading.chunk_count());
        window.urgent_end = window.begin + rng.below(60);
        window.end = window.urgent_end + rng.below(100);
        for (ChunkIndex c = window.begin; c < std::min(window.end, reading.chunk_count()); ++c) {
          wanted[c] = true;
        }
      }
      reading.want(windows);
      const auto all_there = [&] {
        return std::ranges::all_of(windows, [&](const ReadWindow& w) {
          const ChunkIndex end = std::min(w.end, reading.chunk_count());
          return reading.verified(w.begin, end) == end - w.begin;
        });
      };
      REQUIRE(reading.world.run_until(all_there, 10s));
    }
    reading.world.run_for(2s);
    for (ChunkIndex c = 0; c < reading.chunk_count(); ++c) CHECK(reading.has(c) == wanted[c]);
    CHECK(reading.leecher->status().chunks_duplicate == 0);
  }

  TEST_CASE("what is urgent to any reader comes before what lies ahead of any") {
    for (const PickPolicy policy : {PickPolicy::on_demand, PickPolicy::rarest_first}) {
      Reading reading(seed(), policy);
      // Beginning a request's worth behind the front, where rarest_first has asked already.
      reading.want({{1'000, 1'300, 2'000}, {2'500, 2'800, 3'500}});
      const auto urgent = [&] {
        return reading.verified(1'000, 1'300) == 300 && reading.verified(2'500, 2'800) == 300;
      };
      REQUIRE(reading.world.run_until(urgent, 10s));
      const std::uint64_t ahead = reading.verified(1'300, 2'000) + reading.verified(2'800, 3'500);
      // What was asked for while the last urgent chunks were under way, or before the windows were
      // told: the order of rarest_first begins anywhere.
      CHECK(ahead < (policy == PickPolicy::on_demand ? 256 : 512));
      const std::uint64_t elsewhere = reading.verified(0, reading.chunk_count()) - ahead - 600;
      CHECK(elsewhere <= (policy == PickPolicy::on_demand ? 0 : 400));
      REQUIRE(reading.world.run_until(
          [&] { return reading.verified(1'000, 2'000) + reading.verified(2'500, 3'500) == 2'000; },
          10s));
      if (policy == PickPolicy::on_demand) continue;
      REQUIRE(reading.world.run_until([&] { return reading.leecher->status().complete; }, 30s));
    }
  }

  TEST_CASE("readers that wait are served in turns") {
    Reading reading(seed());
    reading.want({{0, 800, 800}, {1'500, 2'300, 2'300}, {3'000, 3'800, 3'800}});
    while (reading.verified(0, reading.chunk_count()) < 1'800) {
      reading.world.run_for(50ms);
      const std::array<std::uint64_t, 3> runs = {reading.run_at(0), reading.run_at(1'500),
                                                 reading.run_at(3'000)};
      const auto [least, most] = std::ranges::minmax(runs);
      CHECK(most - least <= 2 * 64);
      REQUIRE(reading.world.time() < TimePoint(60s));
    }
  }

  TEST_CASE("a reader that waits comes before one whose next chunks are here") {
    Reading reading(seed());
    reading.want({{0, 200, 200}});
    REQUIRE(reading.world.run_until([&] { return reading.run_at(0) >= 200; }, 10s));
    // The first has its next 200 chunks, and 600 more that are urgent; the second has nothing.
    reading.want({{0, 800, 800}, {2'000, 2'400, 2'400}});
    REQUIRE(reading.world.run_until([&] { return reading.run_at(2'000) >= 1; }, 10s));
    const std::uint64_t first = reading.run_at(0);
    CHECK(first <= 200 + 64);
  }

  TEST_CASE("a seek takes away the requests that are in its way") {
    for (const PickPolicy policy : {PickPolicy::on_demand, PickPolicy::in_order}) {
      Reading reading(seed(), policy);
      reading.want({{0, 1'000, 3'000}});
      reading.world.run_for(2s);
      const std::uint64_t before = reading.verified(0, 3'000);
      const std::uint64_t outstanding =
          reading.leecher->channels(reading.leecher->swarm()).front().requested_chunks;
      REQUIRE(outstanding > 150);
      reading.want({{3'500, 3'600, 3'700}});
      REQUIRE(reading.world.run_until([&] { return reading.run_at(3'500) >= 100; }, 10s));
      // Without CANCEL all that was outstanding would have come first.
      CHECK(reading.verified(0, 3'000) - before < outstanding / 2 + 30);
      if (policy == PickPolicy::on_demand) continue;
      REQUIRE(reading.world.run_until([&] { return reading.leecher->status().complete; }, 30s));
    }
  }

  TEST_CASE("a reader that has gone is not fetched for, and one that comes is, at once") {
    Reading reading(seed());
    reading.want({{0, 1'000, 3'000}});
    reading.world.run_for(1s);
    reading.want({});
    reading.world.run_for(500ms);
    const std::uint64_t before = reading.leecher->status().verified_bytes;
    reading.world.run_for(5s);
    CHECK(reading.leecher->status().verified_bytes == before);
    reading.want({{2'000, 2'010, 2'010}});
    REQUIRE(reading.world.run_until([&] { return reading.run_at(2'000) >= 10; }, 200ms));
  }

  TEST_CASE("what a reader waits for is asked of another when its peer has gone silent") {
    Reading reading(seed());
    Node& second = reading.world.add_node();
    std::vector<std::byte> content(reading.size);
    Rng random(seed());
    for (std::byte& octet : content) octet = static_cast<std::byte>(random.next_u64());
    second.seed(content);
    reading.leecher->add_peer(reading.leecher->swarm(), second);
    REQUIRE(reading.world.run_until([&] { return reading.leecher->status().channels == 2; }, 5s));
    reading.want({{0, 1'000, 3'000}});
    REQUIRE(reading.world.run_until([&] { return reading.run_at(0) > 300; }, 10s));
    reading.world.pause(*reading.seeder, true);
    const std::uint64_t reached = reading.run_at(0);
    // Half of what is outstanding is owed by the silent one.
    REQUIRE(reading.world.run_until([&] { return reading.run_at(0) > reached + 600; }, 6s));
  }
}
