// What one swarm and one peer may take (RFC 7574, 12.6), and what an endpoint tells of itself.
#include <doctest/doctest.h>

#include <algorithm>
#include <deque>
#include <numeric>
#include <set>
#include <vector>

#include "endpoint/puppet.h"
#include "support/seed.h"

namespace ppspp::test {
namespace {

struct Seeding {
  explicit Seeding(const EndpointOptions& options = {}, const SwarmLimits& limits = {})
      : world(seed(), {.delay = 5ms}), original(200'000, seed()), node(&world.add_node(options)) {
    SwarmMetadata metadata;
    auto store = complete_store(original.octets, metadata);
    node->join(metadata, std::move(store),
               {.state = SwarmContent::State::complete, .length = 200'000, .verified = {}},
               {.limits = limits});
  }
  Puppet puppet(std::size_t index = 0) { return {world, *node, original.metadata, index}; }
  EndpointStatistics statistics() { return node->endpoint().statistics(world.now(*node)); }
  std::size_t open(std::size_t count) {
    std::size_t opened = 0;
    for (std::size_t i = 0; i < count; ++i) {
      peers.push_back(puppet(peers.size()));
      if (peers.back().open()) ++opened;
      world.run_for(20ms);
    }
    return opened;
  }

  World world;
  Original original;
  Node* node;
  std::deque<Puppet> peers;
};

}  // namespace

TEST_SUITE("endpoint/bounds") {
  TEST_CASE("a swarm has no more channels than it may, and others still have theirs (12.6.1)") {
    EndpointOptions options;
    options.max_channels_per_swarm = 3;
    Seeding s(options);
    CHECK(s.open(6) == 3);
    CHECK(s.node->channels(s.node->swarm()).size() == 3);
    CHECK(s.node->endpoint().counters().handshakes_over_limit == 3);
    // Nor does it call others.
    s.node->endpoint().add_peer(s.node->swarm(), s.puppet(50).address(), s.world.now(*s.node));
    CHECK(s.puppet(50).hear(1s).empty());

    const Original other(50'000, seed() + 1);
    s.node->seed(other.octets);
    Puppet peer(s.world, *s.node, other.metadata, 60);
    CHECK(peer.open());
  }

  TEST_CASE("a swarm's own limit of channels goes before the common one, and can be changed") {
    EndpointOptions options;
    options.max_channels_per_swarm = 10;
    Seeding s(options, {.max_channels = 2});
    CHECK(s.open(3) == 2);
    s.node->endpoint().set_swarm_limits(s.node->swarm(), {.max_channels = 4}, s.world.now(*s.node));
    CHECK(s.open(3) == 2);
    s.node->endpoint().set_swarm_limits(s.node->swarm(), {}, s.world.now(*s.node));
    CHECK(s.open(8) == 4);  // a fifth is not for those who come
  }

  TEST_CASE("a limit that is lowered closes what is too much, and keeps who is being served") {
    Seeding s;
    REQUIRE(s.open(5) == 5);
    s.peers[3].say({Request{{0, 8}}});
    REQUIRE_FALSE(s.peers[3].hear_all<Data>(200ms).empty());
    for (Puppet& peer : s.peers) peer.hear();
    s.node->endpoint().set_swarm_limits(s.node->swarm(), {.max_channels = 2}, s.world.now(*s.node));
    CHECK(s.node->channels(s.node->swarm()).size() == 2);
    std::size_t closed = 0;
    for (std::size_t i = 0; i < s.peers.size(); ++i) {
      for (const Handshake& said : s.peers[i].hear_all<Handshake>()) {
        CHECK(said.source.value == 0);
        CHECK(i != 3);
        ++closed;
      }
    }
    CHECK(closed == 3);
    s.peers[3].say({Ack{{0, 8}, 1'000}, Request{{20, 21}}});
    CHECK_FALSE(s.peers[3].hear_all<Data>(200ms).empty());
    s.node->endpoint().set_swarm_limits(s.node->swarm(), {}, s.world.now(*s.node));
    CHECK(s.open(1) == 1);
  }

  TEST_CASE("what a peer asks for beyond its limit is dropped without a word, and counted (12.6)") {
    EndpointOptions options;
    options.max_queued_chunks_per_peer = 10;
    Seeding s(options);
    Puppet peer = s.puppet();
    REQUIRE(peer.open({Request{{0, 100}}}));
    std::set<ChunkIndex> sent;
    // Never more than the limit beyond what was acknowledged.
    for (int i = 0; i < 20; ++i) {
      for (const Data& data : peer.hear_all<Data>(50ms)) {
        sent.insert(data.chunks.begin);
        peer.say({Ack{data.chunks, 1'000}});
      }
    }
    CHECK(sent.size() == 10);
    CHECK(*sent.rbegin() == 9);
    CHECK(s.node->endpoint().counters().requests_over_limit == 90);
    CHECK(s.statistics().channels_established == 1);
    peer.say({Request{{50, 52}}});
    CHECK_FALSE(peer.hear_all<Data>().empty());  // it may ask again
  }

  TEST_CASE("a small limit of requests delays a download and no more") {
    EndpointOptions options;
    options.max_queued_chunks_per_peer = 8;
    World world(seed(), {.delay = 5ms});
    Node& seeder = world.add_node(options);
    Node& leecher = world.add_node();
    const Original original(100'000, seed());
    seeder.seed(original.octets);
    leecher.join(original.metadata);
    leecher.add_peer(leecher.swarm(), seeder);
    leecher.endpoint();
    CHECK(world.run_until([&] { return leecher.status().complete; }, 120s));
    CHECK(leecher.content(leecher.swarm()) == original.octets);
  }

  TEST_CASE("a channel's status tells who came, for how long, and what is under way") {
    World world(seed(), {.delay = 20ms, .rate = 200'000});
    Node& seeder = world.add_node();
    Node& leecher = world.add_node();
    const Original original(2'000'000, seed());
    seeder.seed(original.octets);
    leecher.join(original.metadata);
    leecher.add_peer(leecher.swarm(), seeder);
    leecher.endpoint();
    world.run_for(10ms);
    REQUIRE(leecher.channels(leecher.swarm()).size() == 1);
    CHECK(leecher.channels(leecher.swarm())[0].state == ChannelState::connecting);
    world.run_for(5s);
    const ChannelStatus up = seeder.channels(seeder.swarm()).at(0);
    const ChannelStatus down = leecher.channels(leecher.swarm()).at(0);
    for (const ChannelStatus& status : {up, down}) {
      CHECK(status.state == ChannelState::established);
      CHECK(status.connected_for > 4'900ms);
      CHECK(status.connected_for < 5s);
      CHECK_FALSE(status.choked_by_us);
    }
    CHECK(up.inbound);
    CHECK_FALSE(down.inbound);
    CHECK(up.upload_rate > 100'000);
    CHECK(up.upload_rate < 300'000);
    CHECK(down.download_rate > 100'000);
    CHECK(down.download_rate < 300'000);
    CHECK(up.download_rate == 0);
    CHECK(up.queued_chunks > 0);
    CHECK(down.requested_chunks >= up.queued_chunks);
    CHECK(down.peer_chunks == original.chunk_count());
    CHECK(up.peer_chunks > 0);
    CHECK(up.peer_chunks < original.chunk_count());
    CHECK(up.chunks_rejected == 0);
    REQUIRE(world.run_until([&] { return leecher.status().complete; }, 60s));
    world.run_for(10s);
    CHECK(seeder.channels(seeder.swarm()).at(0).upload_rate == 0);  // it says nothing of the past
    CHECK(leecher.channels(leecher.swarm()).at(0).download_rate == 0);
  }

  TEST_CASE("statistics: what there is, and totals that do not go back when a swarm is left") {
    World world(seed(), {.delay = 20ms, .rate = 500'000, .loss = 0.01});
    Node& seeder = world.add_node();
    Node& leecher = world.add_node();
    const auto at = [&](Node& node) { return node.endpoint().statistics(world.now(node)); };
    const Original original(1'000'000, seed());
    seeder.seed(original.octets);
    leecher.join(original.metadata);
    CHECK(at(leecher).swarms == 1);
    CHECK(at(leecher).swarms_active == 0);
    leecher.add_peer(leecher.swarm(), seeder);
    leecher.endpoint();
    CHECK(at(leecher).channels_connecting == 1);
    CHECK(at(leecher).swarms_active == 1);
    world.run_for(1s);
    CHECK(at(leecher).channels_connecting == 0);
    CHECK(at(leecher).channels_established == 1);
    // All that was asked for may have left at any one moment.
    CHECK(world.run_until([&] { return at(leecher).requests_outstanding > 0; }, 1s));
    CHECK(world.run_until([&] { return at(seeder).requests_queued > 0; }, 1s));
    REQUIRE(world.run_until([&] { return leecher.status().complete; }, 60s));
    world.run_for(1s);
    const auto before = at(leecher);
    CHECK(before.static_swarms.bytes_in == 1'000'000);
    CHECK(before.static_swarms.chunks_verified == original.chunk_count());
    CHECK(before.live_swarms.bytes_in == 0);
    CHECK(at(seeder).static_swarms.bytes_out >= 1'000'000);
    CHECK(at(seeder).static_swarms.bytes_out == seeder.status().uploaded_bytes);
    CHECK(at(seeder).static_swarms.chunks_retransmitted == seeder.status().chunks_retransmitted);
    const DurationHistogram& delays = at(seeder).queueing_delay;
    CHECK(delays.samples > 50);
    CHECK(std::accumulate(delays.counts.begin(), delays.counts.end(), std::uint64_t{0}) ==
          delays.samples);
    CHECK(delays.sum > Microseconds(0));
    leecher.endpoint().leave(leecher.swarm(), world.now(leecher));
    world.run_for(1s);
    CHECK(at(leecher).swarms == 0);
    CHECK(at(leecher).channels_established == 0);
    // Its closing HANDSHAKE may have been lost.
    CHECK(world.run_until([&] { return at(seeder).swarms_active == 0; }, 300s));
    CHECK(at(leecher).static_swarms.bytes_in == 1'000'000);
    leecher.join(original.metadata);
    leecher.add_peer(leecher.swarm(), seeder);
    leecher.endpoint();
    REQUIRE(world.run_until([&] { return leecher.status().complete; }, 60s));
    CHECK(at(leecher).static_swarms.bytes_in == 2'000'000);
  }

  TEST_CASE("availability is a picture of equal parts") {
    World world(seed());
    Node& node = world.add_node();
    const auto content = random_content(100 * 1'024, seed());
    const auto picture = [&](std::size_t buckets) {
      return node.endpoint().availability(node.swarm(), buckets);
    };
    node.seed_part(content, {}, {{0, 50}, {55, 60}, {99, 100}});
    CHECK(picture(0).empty());
    CHECK(picture(2) == std::vector<std::uint8_t>{255, 255 * 6 / 50});
    CHECK(picture(10) == std::vector<std::uint8_t>{255, 255, 255, 255, 255, 127, 0, 0, 0, 25});
    CHECK(picture(1)[0] == 255 * 56 / 100);
    const auto each = picture(100);
    for (ChunkIndex chunk = 0; chunk < 100; ++chunk) {
      CHECK(each[chunk] == (node.endpoint().has_chunk(node.swarm(), chunk) ? 255 : 0));
    }
    // More parts than chunks: each shows its chunk.
    const auto fine = picture(1'000);
    REQUIRE(fine.size() == 1'000);
    CHECK(fine[499] == 255);
    CHECK(fine[500] == 0);
    CHECK(fine[999] == 255);
    CHECK(node.endpoint().availability(SwarmHandle{999}, 5).empty());
    node.join(Original(5'000, seed() + 1).metadata);
    CHECK(picture(3) == std::vector<std::uint8_t>{0, 0, 0});
  }
}

}  // namespace ppspp::test
