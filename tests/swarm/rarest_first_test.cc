#include "swarm/rarest_first.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <set>

#include "ppspp/random_source.h"
#include "support/seed.h"

namespace ppspp::test {
namespace {

constexpr std::uint32_t kChunkSize = 4'096;  // groups of four chunks
constexpr std::uint64_t kGroup = 4;

// A swarm as seen by one of its peers, each chunk by itself.
struct World {
  explicit World(std::uint64_t chunks, Rng& random) : chunk_count(chunks), rng(random) {
    for (ChunkIndex chunk = 0; chunk < chunks; ++chunk) {
      if (rng.below(4) == 0) verified.insert({chunk, chunk + 1});
    }
    picker.start(chunks, kChunkSize, verified, requested, rng);
  }

  ChunkRange random_range() {
    const ChunkIndex begin = rng.below(chunk_count);
    return {begin, std::min(chunk_count, begin + 1 + rng.below(10))};
  }
  void join() {
    RarestFirst::Seat seat = 0;
    while (peers.contains(seat)) ++seat;
    peers.emplace(seat, BinSet());
    picker.add_peer(seat);
  }
  void announce(RarestFirst::Seat seat, ChunkRange range) {
    peers.at(seat).insert(range);
    picker.on_have(seat, range, complete(seat));
  }
  bool complete(RarestFirst::Seat seat) const {
    return peers.at(seat).contains(ChunkRange{0, chunk_count});
  }
  ChunkRange pick(RarestFirst::Seat seat, std::uint64_t most) {
    return picker.pick({seat, peers.at(seat), verified, requested, most}, rng);
  }
  void request(ChunkRange range) {
    requested.insert(range);
    picker.on_changed(range, false, verified, requested);
  }

  // What a choice must be among.
  bool can_be_asked(RarestFirst::Seat seat, ChunkIndex chunk) const {
    return peers.at(seat).contains(chunk) && !verified.contains(chunk) &&
           !requested.contains(chunk);
  }
  std::size_t rarity(std::uint64_t group) const {
    const ChunkRange chunks{group * kGroup, (group + 1) * kGroup};
    return static_cast<std::size_t>(std::ranges::count_if(peers, [&](const auto& peer) {
      return !complete(peer.first) && peer.second.intersects(chunks);
    }));
  }
  std::set<std::uint64_t> candidates(RarestFirst::Seat seat) const {
    std::set<std::uint64_t> groups;
    for (ChunkIndex chunk = 0; chunk < chunk_count; ++chunk) {
      if (can_be_asked(seat, chunk)) groups.insert(chunk / kGroup);
    }
    return groups;
  }
  bool anybody_partial() const {
    return std::ranges::any_of(
        peers, [&](const auto& peer) { return !peer.second.empty() && !complete(peer.first); });
  }

  std::uint64_t chunk_count;
  Rng& rng;
  RarestFirst picker;
  std::map<RarestFirst::Seat, BinSet> peers;
  BinSet verified;
  BinSet requested;
};

// Up to six peers it is exact.
void check_choice(World& world, RarestFirst::Seat seat, std::optional<std::uint64_t>& at_work) {
  const std::uint64_t most = 1 + world.rng.below(8);
  const bool drawn = world.anybody_partial();
  const std::set<std::uint64_t> groups = world.candidates(seat);
  const ChunkRange run = world.pick(seat, most);
  REQUIRE(run.empty() == groups.empty());
  if (run.empty()) return;
  REQUIRE(run.size() <= most);
  for (ChunkIndex c = run.begin; c < run.end; ++c) REQUIRE(world.can_be_asked(seat, c));
  const std::uint64_t group = run.begin / kGroup;
  if (drawn) {
    REQUIRE((run.end - 1) / kGroup == group);
    const bool goes_on = at_work && groups.contains(*at_work);
    if (goes_on) {
      CHECK(group == *at_work);
    } else {
      for (const std::uint64_t other : groups) CHECK(world.rarity(group) <= world.rarity(other));
    }
    at_work = group;
  }
  if (world.rng.below(4) != 0) world.request(run);
}

void random_life(World& world) {
  std::map<RarestFirst::Seat, std::optional<std::uint64_t>> at_work;
  for (int step = 0; step < 400; ++step) {
    const std::uint64_t what = world.rng.below(12);
    if (world.peers.empty() || (what == 0 && world.peers.size() < 6)) {
      world.join();
      continue;
    }
    auto peer = world.peers.begin();
    std::advance(peer, static_cast<std::ptrdiff_t>(world.rng.below(world.peers.size())));
    const RarestFirst::Seat seat = peer->first;
    if (what == 1) {
      world.picker.remove_peer(seat);
      world.peers.erase(seat);
      at_work.erase(seat);
    } else if (what == 2) {
      world.announce(seat, {0, world.chunk_count});
    } else if (what <= 5) {
      world.announce(seat, world.random_range());
    } else if (what == 6) {  // given back
      const ChunkRange range = world.random_range();
      world.requested.erase(range);
      world.picker.on_changed(range, true, world.verified, world.requested);
    } else if (what == 7) {  // has come
      const ChunkRange range = world.random_range();
      world.verified.insert(range);
      world.requested.erase(range);
      world.picker.on_changed(range, false, world.verified, world.requested);
    } else if (what == 8) {  // lost again
      const ChunkRange range = world.random_range();
      world.verified.erase(range);
      world.picker.on_changed(range, true, world.verified, world.requested);
    } else {
      check_choice(world, seat, at_work[seat]);
    }
    world.picker.check_invariants(world.verified, world.requested);
    for (std::size_t group = 0; group < world.picker.groups(); ++group) {
      REQUIRE(world.picker.peers_with(group) == world.rarity(group));
    }
  }
}

}  // namespace

TEST_SUITE("swarm/rarest_first") {
  TEST_CASE("what is chosen is the rarest that the peer has, as a simple model has it (9.1)") {
    for (int i = 0; i < 60; ++i) {
      Rng rng(seed() + static_cast<std::uint64_t>(i));
      CAPTURE(i);
      World world(1 + rng.below(200), rng);  // at most 50 groups: all of them are looked at
      random_life(world);
    }
  }

  TEST_CASE("with complete peers only it is the order of the content, from a random place on") {
    std::set<ChunkIndex> firsts;
    for (std::uint64_t i = 0; i < 20; ++i) {
      Rng rng(seed() + i);
      const BinSet nothing;
      BinSet requested;
      RarestFirst picker;
      picker.start(1'000, kChunkSize, nothing, requested, rng);
      BinSet all;
      all.insert({0, 1'000});
      picker.add_peer(0);
      picker.on_have(0, {0, 1'000}, true);
      ChunkIndex next = picker.pick({0, all, nothing, requested, 1}, rng).begin;
      firsts.insert(next);
      while (requested.count() < 1'000) {
        const ChunkRange run = picker.pick({0, all, nothing, requested, 70}, rng);
        REQUIRE(run.begin == next);
        requested.insert(run);
        picker.on_changed(run, false, nothing, requested);
        next = run.end % 1'000;
      }
      CHECK(picker.pick({0, all, nothing, requested, 70}, rng).empty());
      CHECK(!picker.anything_open());
    }
    CHECK(firsts.size() >= 10);
  }

  TEST_CASE("a group goes to one peer, until it is all asked for") {
    Rng rng(seed());
    const BinSet nothing;
    BinSet requested;
    RarestFirst picker;
    picker.start(4'000, 1'024, nothing, requested, rng);
    CHECK(picker.group_chunks() == 16);
    BinSet part;
    part.insert({160, 1'600});
    for (RarestFirst::Seat seat = 0; seat < 2; ++seat) {
      picker.add_peer(seat);
      picker.on_have(seat, {160, 1'600}, false);
    }
    const auto ask = [&](RarestFirst::Seat seat) {
      const ChunkRange run = picker.pick({seat, part, nothing, requested, 4}, rng);
      requested.insert(run);
      picker.on_changed(run, false, nothing, requested);
      return run.begin / 16;
    };
    const std::uint64_t first = ask(0);
    CHECK(ask(0) == first);
    CHECK(ask(0) == first);
    CHECK(ask(0) == first);
    CHECK(ask(0) != first);
  }

  TEST_CASE("256 GiB cost no more than a MiB, and each peer with a part 8 KiB") {
    Rng rng(seed());
    const BinSet nothing;
    RarestFirst picker;
    constexpr std::uint64_t kChunks = (std::uint64_t{256} << 30) / 1'024;
    picker.start(kChunks, 1'024, nothing, nothing, rng);
    CHECK(picker.groups() <= RarestFirst::kMaxGroups);
    CHECK(picker.memory() < 1 << 20);
    const std::size_t before = picker.memory();
    for (RarestFirst::Seat seat = 0; seat < 100; ++seat) {
      picker.add_peer(seat);
      picker.on_have(seat, {seat, kChunks}, seat == 0);
    }
    CHECK(picker.memory() - before < 100 * 9'000);
  }

  TEST_CASE("what a peer announces beyond the content, or twice, counts for nothing") {
    Rng rng(seed());
    const BinSet nothing;
    RarestFirst picker;
    picker.start(100, kChunkSize, nothing, nothing, rng);
    picker.add_peer(3);
    picker.on_have(3, {96, kMaxChunks}, false);
    picker.on_have(3, {96, 98}, false);
    picker.on_have(3, {100, 200}, false);
    CHECK(picker.peers_with(24) == 1);
    picker.remove_peer(3);
    CHECK(picker.peers_with(24) == 0);
  }
}

}  // namespace ppspp::test
