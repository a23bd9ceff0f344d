// Several peers in one swarm, on a simulated network.
#include <doctest/doctest.h>

#include "endpoint/world.h"
#include "support/seed.h"

namespace ppspp::test {
namespace {

constexpr int kSeeds = 3;

template <typename F>
void for_seeds(const F& f) {
  for (std::uint64_t i = 0; i < kSeeds; ++i) {
    CAPTURE(i);
    f(seed() + i);
  }
}

SwarmMetadata with_length(SwarmMetadata metadata, std::size_t length) {
  metadata.content_length = length;
  return metadata;
}

std::uint64_t received_from(Node& node, const Node& peer) {
  std::uint64_t bytes = 0;
  for (const ChannelStatus& channel : node.channels(node.swarm())) {
    if (channel.peer == peer.address()) bytes += channel.bytes_received;
  }
  return bytes;
}

void check_genuine(Node& node, const std::vector<std::byte>& content) {
  CHECK(node.content(node.swarm()) == content);
  CHECK(node.status().chunks_rejected == 0);
  CHECK(node.status().downloaded_bytes == content.size());
}

}  // namespace

TEST_SUITE("endpoint/swarm") {
  TEST_CASE("three downloads from one seeder serve each other") {
    for_seeds([](std::uint64_t s) {
      World world(s, {.delay = 10ms});
      const auto content = random_content(8'000'000, s);
      Node& seeder = world.add_node();
      seeder.link = LinkOptions{.delay = 10ms, .rate = 1'000'000, .queue = 100'000};
      const auto metadata = with_length(seeder.seed(content), content.size());
      std::vector<Node*> leechers;
      for (int i = 0; i < 3; ++i) leechers.push_back(&world.add_node());
      for (Node* node : leechers) {
        node->join(metadata);
        for (Node* other : leechers) {
          if (other != node) node->add_peer(node->swarm(), *other);
        }
        node->add_peer(node->swarm(), seeder);
      }
      const TimePoint start = world.time();
      REQUIRE(world.run_until(
          [&] {
            return std::all_of(leechers.begin(), leechers.end(),
                               [](Node* node) { return node->status().complete; });
          },
          120s));
      for (Node* node : leechers) check_genuine(*node, content);
      // The seeder's link alone would need 24 s for three copies.
      const double seconds = std::chrono::duration<double>(world.time() - start).count();
      MESSAGE("three copies of 8 s in " << seconds << " s; the seeder sent "
                                        << seeder.status().uploaded_bytes);
      CHECK(seconds < 16);
      CHECK(seeder.status().uploaded_bytes < 2 * content.size());
    });
  }

  TEST_CASE("a download gets all from a peer that is still fetching itself (3.2 #57, #66)") {
    for_seeds([](std::uint64_t s) {
      World world(s, {.delay = 10ms, .rate = 1'000'000, .queue = 100'000});
      const auto content = random_content(3'000'000, s);
      Node& seeder = world.add_node();
      Node& middle = world.add_node();
      Node& end = world.add_node();
      const auto metadata = with_length(seeder.seed(content), content.size());
      middle.join(metadata);
      end.join(metadata);
      end.add_peer(end.swarm(), middle);
      middle.add_peer(middle.swarm(), seeder);
      const TimePoint start = world.time();
      REQUIRE(world.run_until([&] { return end.status().complete; }, 60s));
      check_genuine(end, content);
      CHECK(world.time() - start < 8s);  // passed on while it came, not after it
    });
  }

  TEST_CASE("partial seeders complete each other, and a third peer from both") {
    for_seeds([](std::uint64_t s) {
      World world(s, {.delay = 10ms, .loss = 0.01});
      const auto content = random_content(1'000'000, s);
      const auto metadata = with_length({}, content.size());
      Node& evens = world.add_node();
      Node& odds = world.add_node();
      std::vector<ChunkRange> even, odd;
      for (ChunkIndex chunk = 0; chunk < 977; chunk += 7) {
        (chunk / 7 % 2 == 0 ? even : odd).push_back({chunk, std::min<ChunkIndex>(chunk + 7, 977)});
      }
      const auto known = evens.seed_part(content, metadata, even);
      odds.seed_part(content, metadata, odd);
      Node& third = world.add_node();
      third.join(known);
      third.add_peer(third.swarm(), evens);
      third.add_peer(third.swarm(), odds);
      evens.add_peer(evens.swarm(), odds);
      REQUIRE(world.run_until(
          [&] {
            return evens.status().complete && odds.status().complete && third.status().complete;
          },
          60s));
      for (Node* node : {&evens, &odds, &third}) {
        CHECK(node->content(node->swarm()) == content);
        CHECK(node->status().chunks_rejected == 0);
      }
    });
  }

  TEST_CASE("a peer that falls silent costs a moment: the other one takes over (2.2 #163)") {
    for_seeds([](std::uint64_t s) {
      World world(s, {.delay = 10ms, .rate = 1'000'000, .queue = 100'000});
      const auto content = random_content(6'000'000, s);
      Node& silent = world.add_node();
      Node& steady = world.add_node();
      Node& leecher = world.add_node();
      const auto metadata = with_length(silent.seed(content), content.size());
      steady.seed(content);
      leecher.join(metadata);
      leecher.add_peer(leecher.swarm(), silent);
      leecher.add_peer(leecher.swarm(), steady);
      world.run_for(1s);
      CHECK(received_from(leecher, silent) > 0);
      world.pause(silent, true);
      REQUIRE(world.run_until([&] { return leecher.status().complete; }, 15s));
      check_genuine(leecher, content);
    });
  }

  TEST_CASE("a peer that crashed and came back is used again within seconds") {
    for_seeds([](std::uint64_t s) {
      World world(s, {.delay = 10ms, .rate = 500'000, .queue = 50'000});
      const auto content = random_content(4'000'000, s);
      Node& seeder = world.add_node();
      Node& leecher = world.add_node();
      const auto metadata = with_length(seeder.seed(content), content.size());
      leecher.join(metadata);
      leecher.add_peer(leecher.swarm(), seeder);
      world.run_for(3s);
      CHECK(leecher.status().verified_bytes > 500'000);
      CHECK_FALSE(leecher.status().complete);
      seeder.crash();
      seeder.seed(content);
      const std::uint64_t before = leecher.status().verified_bytes;
      REQUIRE(
          world.run_until([&] { return leecher.status().verified_bytes > before + 300'000; }, 12s));
      REQUIRE(world.run_until([&] { return leecher.status().complete; }, 60s));
      check_genuine(leecher, content);
    });
  }

  TEST_CASE("a download that crashed and came back is served again") {
    for_seeds([](std::uint64_t s) {
      World world(s, {.delay = 10ms, .rate = 500'000, .queue = 50'000});
      const auto content = random_content(2'000'000, s);
      Node& seeder = world.add_node();
      Node& leecher = world.add_node();
      const auto metadata = with_length(seeder.seed(content), content.size());
      leecher.join(metadata);
      leecher.add_peer(leecher.swarm(), seeder);
      world.run_for(2s);
      leecher.crash();
      leecher.join(metadata);
      leecher.add_peer(leecher.swarm(), seeder);
      REQUIRE(world.run_until([&] { return leecher.status().complete; }, 30s));
      check_genuine(leecher, content);
      world.run_for(1s);
      CHECK(seeder.channels(seeder.swarm()).size() == 1);  // the old one is gone
    });
  }

  TEST_CASE("what a slow peer owes at the end is taken over by the fast one (3.8 #155)") {
    for_seeds([](std::uint64_t s) {
      World world(s, {.delay = 10ms});
      const auto content = random_content(6'000'000, s);
      Node& slow = world.add_node();
      slow.link = LinkOptions{.delay = 10ms, .rate = 20'000, .queue = 400'000};
      Node& fast = world.add_node();
      fast.link = LinkOptions{.delay = 10ms, .rate = 2'000'000, .queue = 200'000};
      Node& leecher = world.add_node();
      const auto metadata = with_length(slow.seed(content), content.size());
      fast.seed(content);
      leecher.join(metadata);
      leecher.add_peer(leecher.swarm(), slow);
      leecher.add_peer(leecher.swarm(), fast);
      const TimePoint start = world.time();
      REQUIRE(world.run_until([&] { return leecher.status().complete; }, 60s));
      check_genuine(leecher, content);
      const double seconds = std::chrono::duration<double>(world.time() - start).count();
      MESSAGE("with a slow peer: " << seconds << " s, the fast one alone needs 3");
      CHECK(seconds < 6);
      world.run_for(2s);
      // Neither side goes on with what was cancelled.
      const std::uint64_t sent = slow.status().uploaded_bytes;
      world.run_for(5s);
      CHECK(slow.status().uploaded_bytes == sent);
    });
  }

  TEST_CASE("in_order brings the head first, rarest_first completes as well") {
    for_seeds([](std::uint64_t s) {
      World world(s, {.delay = 10ms, .rate = 500'000, .queue = 50'000, .loss = 0.005});
      const auto content = random_content(4'000'000, s);
      Node& a = world.add_node();
      Node& b = world.add_node();
      Node& leecher = world.add_node();
      const auto metadata = with_length(a.seed(content), content.size());
      b.seed(content);
      leecher.join(metadata, PickPolicy::in_order);
      leecher.add_peer(leecher.swarm(), a);
      leecher.add_peer(leecher.swarm(), b);
      std::uint64_t worst = 0;
      std::uint64_t last_head = 0;
      const bool done = world.run_until(
          [&] {
            const auto head = leecher.endpoint().verified_run(leecher.swarm(), 0).end * 1'024;
            CHECK(head >= last_head);
            last_head = head;
            worst = std::max(worst, leecher.status().verified_bytes -
                                        std::min(leecher.status().verified_bytes, head));
            return leecher.status().complete;
          },
          60s);
      REQUIRE(done);
      check_genuine(leecher, content);
      MESSAGE("most octets beyond the head: " << worst);
      CHECK(worst < 700'000);  // what may be asked of two peers at once
    });
  }

  TEST_CASE("a reader that jumps ahead gets what it reads first, then the rest") {
    World world(seed(), {.delay = 10ms, .rate = 500'000, .queue = 50'000});
    const auto content = random_content(4'000'000, seed());
    Node& seeder = world.add_node();
    Node& leecher = world.add_node();
    const auto metadata = with_length(seeder.seed(content), content.size());
    leecher.join(metadata, PickPolicy::in_order);
    leecher.add_peer(leecher.swarm(), seeder);
    world.run_for(1s);
    leecher.endpoint().set_read_position(leecher.swarm(), 3'000, world.now(leecher));
    REQUIRE(world.run_until(
        [&] { return leecher.endpoint().verified_run(leecher.swarm(), 3'000).size() >= 500; }, 5s));
    CHECK_FALSE(leecher.status().complete);
    REQUIRE(world.run_until([&] { return leecher.status().complete; }, 30s));
    check_genuine(leecher, content);
  }

  TEST_CASE("two that know each other settle on one channel, and stay there (ambiguity 30)") {
    for_seeds([](std::uint64_t s) {
      World world(s, {.delay = 20ms});
      const auto content = random_content(100'000, s);
      Node& a = world.add_node();
      Node& b = world.add_node();
      const auto metadata = a.seed(content);
      b.join(with_length(metadata, content.size()));
      a.add_peer(a.swarm(), b);
      b.add_peer(b.swarm(), a);
      REQUIRE(world.run_until([&] { return b.status().complete; }, 5s));
      check_genuine(b, content);
      world.run_for(10s);
      CHECK(a.channels(a.swarm()).size() == 1);
      CHECK(b.channels(b.swarm()).size() == 1);
      const std::size_t seen = a.status().peers_seen + b.status().peers_seen;
      world.run_for(60s);
      CHECK(a.status().peers_seen + b.status().peers_seen == seen);
      CHECK(a.channels(a.swarm()).size() == 1);
    });
  }

  TEST_CASE("after all have left, nothing remains anywhere") {
    for_seeds([](std::uint64_t s) {
      World world(s, {.delay = 10ms, .loss = 0.02});
      const auto content = random_content(500'000, s);
      std::vector<Node*> nodes;
      for (int i = 0; i < 5; ++i) nodes.push_back(&world.add_node());
      const auto metadata = nodes[0]->seed(content);
      for (std::size_t i = 1; i < nodes.size(); ++i) {
        nodes[i]->join(metadata);
        for (std::size_t j = 0; j < nodes.size(); ++j) {
          if (i != j) nodes[i]->add_peer(nodes[i]->swarm(), *nodes[j]);
        }
      }
      world.run_for(600ms);
      for (Node* node : nodes) {
        CHECK(node->endpoint().leave(node->swarm(), world.now(*node)) != nullptr);
        world.run_for(50ms);
      }
      world.run_for(30s);  // half-open handshakes run out
      for (Node* node : nodes) {
        CHECK(node->endpoint().idle());
        CHECK(node->endpoint().deadline() == kNever);
      }
    });
  }

  TEST_CASE("an hour of idleness costs keep-alives and no more (3.12 #192)") {
    World world(seed(), {.delay = 10ms});
    const auto content = random_content(300'000, seed());
    Node& seeder = world.add_node();
    const auto metadata = seeder.seed(content);
    std::vector<Node*> leechers;
    for (int i = 0; i < 3; ++i) {
      leechers.push_back(&world.add_node());
      leechers.back()->join(metadata);
      leechers.back()->add_peer(leechers.back()->swarm(), seeder);
    }
    world.run_for(10s);
    for (Node* node : leechers) REQUIRE(node->status().complete);
    const std::size_t steps = world.steps();
    const std::uint64_t datagrams = world.datagrams();
    world.run_for(3'600s);
    MESSAGE("an idle hour: " << world.steps() - steps << " steps, " << world.datagrams() - datagrams
                             << " datagrams");
    CHECK(world.steps() - steps < 4'000);
    CHECK(world.datagrams() - datagrams < 3 * 2 * 200);
    for (Node* node : leechers) CHECK(node->status().channels == 1);
  }

  TEST_CASE("an hour of waiting for a chunk that nobody has costs as little") {
    World world(seed(), {.delay = 10ms});
    const auto content = random_content(300'000, seed());
    Node& part = world.add_node();
    Node& leecher = world.add_node();
    const auto metadata =
        part.seed_part(content, with_length({}, content.size()), {{0, 100}, {120, 293}});
    leecher.join(metadata);
    leecher.add_peer(leecher.swarm(), part);
    world.run_for(10s);
    CHECK(leecher.status().verified_bytes == 300'000 - 20 * 1'024);
    const std::size_t steps = world.steps();
    world.run_for(3'600s);
    MESSAGE("an hour without a source: " << world.steps() - steps << " steps");
    CHECK(world.steps() - steps < 4'000);
  }

  TEST_CASE("an hour with a peer that is not there costs a datagram now and then") {
    World world(seed(), {.delay = 10ms});
    Node& leecher = world.add_node();
    SwarmMetadata metadata;
    metadata.id = SwarmId(random_content(32, seed()));
    leecher.join(metadata);
    leecher.endpoint().add_peer(leecher.swarm(), world.stranger(), world.now(leecher));
    world.run_for(3'600s);
    MESSAGE("an hour of calling: " << world.steps() << " steps, " << world.datagrams()
                                   << " datagrams");
    CHECK(world.steps() < 2'000);
    CHECK(world.datagrams() >= 30);
    CHECK(world.datagrams() < 400);
  }
}

}  // namespace ppspp::test
