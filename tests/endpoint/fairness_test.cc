// How the limits are shared: among swarms by weight, among the peers of one in equal parts.
#include <doctest/doctest.h>

#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "endpoint/world.h"
#include "storage/memory_chunk_store.h"
#include "support/seed.h"

namespace ppspp::test {
namespace {

// A hub in several swarms, each with peers of its own that fetch from it, or that it fetches from.
class Hub {
 public:
  Hub(std::uint64_t s, const EndpointOptions& options)
      : world(s, {.delay = 10ms}), node(world.add_node(options)), seed_(s) {}

  struct Member {
    SwarmHandle at_hub;
    std::vector<Node*> peers;
  };

  // A swarm of which the hub has everything.
  Member& seeds(std::size_t size, int peers, const SwarmLimits& limits = {}) {
    SwarmMetadata metadata;
    auto store = complete_store(next_content(size), metadata);
    metadata.content_length = size;
    Member& member = members.emplace_back();
    member.at_hub = node.join(metadata, std::move(store), complete(size), {.limits = limits});
    for (int i = 0; i < peers; ++i) {
      Node& peer = world.add_node();
      peer.join(metadata);
      peer.add_peer(peer.swarm(), node);
      member.peers.push_back(&peer);
    }
    return member;
  }

  // A swarm that the hub fetches.
  Member& fetches(std::size_t size, int peers, const SwarmLimits& limits = {}) {
    const auto content = next_content(size);
    SwarmMetadata metadata;
    complete_store(content, metadata);
    metadata.content_length = size;
    Member& member = members.emplace_back();
    member.at_hub =
        node.join(metadata, std::make_unique<MemoryChunkStore>(), {}, {.limits = limits});
    for (int i = 0; i < peers; ++i) {
      Node& peer = world.add_node();
      SwarmMetadata own;
      auto store = complete_store(content, own);
      peer.join(metadata, std::move(store), complete(size));
      node.add_peer(member.at_hub, peer);
      member.peers.push_back(&peer);
    }
    return member;
  }

  std::uint64_t sent(const Member& member) { return status(member).uploaded_bytes; }
  std::uint64_t fetched(const Member& member) { return status(member).downloaded_bytes; }
  void set(const Member& member, const SwarmLimits& limits) {
    node.endpoint().set_swarm_limits(member.at_hub, limits, world.now(node));
  }

  World world;
  Node& node;
  std::deque<Member> members;

 private:
  SwarmStatus status(const Member& member) { return *node.endpoint().status(member.at_hub); }
  std::vector<std::byte> next_content(std::size_t size) { return random_content(size, ++seed_); }
  static SwarmContent complete(std::size_t size) {
    return {.state = SwarmContent::State::complete, .length = size, .verified = {}};
  }

  std::uint64_t seed_;
};

// What one function of a member has grown by in a while, for two of them.
template <typename Count>
std::pair<double, double> growth(Hub& hub, const Count& count, Microseconds time) {
  const std::uint64_t first = count(hub.members[0]);
  const std::uint64_t second = count(hub.members[1]);
  hub.world.run_for(time);
  return {static_cast<double>(count(hub.members[0]) - first),
          static_cast<double>(count(hub.members[1]) - second)};
}

double seconds(Microseconds time) {
  return std::chrono::duration<double>(time).count();
}

}  // namespace

TEST_SUITE("endpoint/fairness") {
  TEST_CASE(
      "an upload limit is shared among swarms by their weights, however many peers each has") {
    for (const auto& [peers, others] : {std::pair{1, 1}, {1, 4}, {4, 1}}) {
      for (const std::uint64_t limit : {100'000ULL, 1'000'000ULL}) {
        CAPTURE(peers);
        CAPTURE(others);
        CAPTURE(limit);
        EndpointOptions options;
        options.upload_limit = limit;
        Hub hub(seed(), options);
        hub.seeds(limit * 30, peers, {.weight = 300});
        hub.seeds(limit * 30, others, {.weight = 100});
        hub.world.run_for(4s);
        const auto [heavy, light] = growth(
            hub, [&](auto& m) { return hub.sent(m); }, 16s);
        MESSAGE(limit << ": " << heavy / light << " to 1");
        CHECK(heavy > light * 2.4);
        CHECK(heavy < light * 3.6);
        CHECK(heavy + light > static_cast<double>(limit) * 16 * 0.8);
        CHECK(heavy + light < static_cast<double>(limit) * 16 * 1.1);
      }
    }
  }

  TEST_CASE("a download limit is shared among swarms by their weights") {
    for (const auto& [peers, others] : {std::pair{1, 1}, {1, 4}, {4, 1}}) {
      for (const std::uint64_t limit : {100'000ULL, 1'000'000ULL}) {
        CAPTURE(peers);
        CAPTURE(others);
        CAPTURE(limit);
        EndpointOptions options;
        options.download_limit = limit;
        Hub hub(seed(), options);
        hub.fetches(limit * 30, peers, {.weight = 300});
        hub.fetches(limit * 30, others, {.weight = 100});
        hub.world.run_for(4s);
        const auto [heavy, light] = growth(
            hub, [&](auto& m) { return hub.fetched(m); }, 16s);
        MESSAGE(limit << ": " << heavy / light << " to 1");
        CHECK(heavy > light * 2.4);
        CHECK(heavy < light * 3.6);
        CHECK(heavy + light > static_cast<double>(limit) * 16 * 0.8);
        CHECK(heavy + light < static_cast<double>(limit) * 16 * 1.1);
      }
    }
  }

  TEST_CASE("what a swarm has no use for goes to the others, whatever the weights") {
    EndpointOptions options;
    options.upload_limit = 500'000;
    Hub hub(seed(), options);
    // It may take nearly all, but has a limit of its own.
    hub.seeds(5'000'000, 1, {.total = {.upload = 50'000}, .weight = 10'000});
    hub.seeds(20'000'000, 1, {.weight = 1});
    hub.world.run_for(4s);
    const auto [heavy, light] = growth(
        hub, [&](auto& m) { return hub.sent(m); }, 16s);
    CHECK(heavy < 50'000 * 16 * 1.1);
    CHECK(heavy > 50'000 * 16 * 0.7);
    CHECK(heavy + light > 500'000 * 16 * 0.8);
    CHECK(heavy + light < 500'000 * 16 * 1.1);
  }

  TEST_CASE("a swarm that is alone has all of the limit, and shares it with one that comes") {
    EndpointOptions options;
    options.upload_limit = 500'000;
    Hub hub(seed(), options);
    hub.seeds(30'000'000, 2);
    hub.world.run_for(10s);
    const std::uint64_t alone = hub.sent(hub.members[0]);
    CHECK(alone > 500'000 * 10 * 0.8);
    hub.seeds(30'000'000, 2);
    hub.world.run_for(3s);
    const auto [first, second] = growth(
        hub, [&](auto& m) { return hub.sent(m); }, 12s);
    // Neither has to make good for what came before.
    CHECK(first > second * 0.7);
    CHECK(second > first * 0.7);
  }

  TEST_CASE("a swarm's own limits hold in both directions, and can be changed while it runs") {
    Hub hub(seed(), {});
    Hub::Member& seeded = hub.seeds(20'000'000, 3, {.total = {.upload = 200'000}});
    Hub::Member& fetched = hub.fetches(20'000'000, 3, {.total = {.download = 100'000}});
    const auto up = [&](auto&) { return hub.sent(seeded); };
    const auto down = [&](auto&) { return hub.fetched(fetched); };
    CHECK(growth(hub, up, 10s).first < 200'000 * 10 * 1.15);
    CHECK(growth(hub, up, 10s).first > 200'000 * 10 * 0.75);
    CHECK(growth(hub, down, 10s).first < 100'000 * 10 * 1.15);
    CHECK(growth(hub, down, 10s).first > 100'000 * 10 * 0.8);
    hub.set(seeded, {.total = {.upload = 50'000}});
    hub.set(fetched, {.total = {.download = 300'000}});
    hub.world.run_for(1s);
    CHECK(growth(hub, up, 10s).first < 50'000 * 10 * 1.15);
    CHECK(growth(hub, down, 10s).first > 300'000 * 10 * 0.8);
    hub.set(seeded, {});
    hub.set(fetched, {});
    CHECK(hub.world.run_until(
        [&] {
          for (const Hub::Member& member : hub.members) {
            if (!hub.node.complete(member.at_hub)) return false;
          }
          return seeded.peers[0]->status().complete && seeded.peers[2]->status().complete;
        },
        60s));
  }

  TEST_CASE(
      "a limit for each peer holds for each, and that of the swarm goes before the endpoint's") {
    EndpointOptions options;
    options.per_peer = {.upload = 50'000, .download = 40'000};
    Hub hub(seed(), options);
    Hub::Member& all = hub.seeds(10'000'000, 2);
    Hub::Member& own = hub.seeds(10'000'000, 2, {.per_peer = {.upload = 150'000}});
    Hub::Member& fetched = hub.fetches(10'000'000, 2);
    hub.world.run_for(20s);
    const auto check = [](double octets, double limit) {
      CHECK(octets < limit * 20 * 1.15);
      CHECK(octets > limit * 20 * 0.75);
    };
    for (Node* peer : all.peers) {
      check(static_cast<double>(peer->status().downloaded_bytes), 50'000);
    }
    for (Node* peer : own.peers) {
      check(static_cast<double>(peer->status().downloaded_bytes), 150'000);
    }
    for (const ChannelStatus& channel : hub.node.channels(fetched.at_hub)) {
      check(static_cast<double>(channel.bytes_received), 40'000);
    }
    hub.node.endpoint().set_peer_limits({.upload = 0, .download = 0}, hub.world.now(hub.node));
    CHECK(hub.world.run_until([&] { return hub.node.complete(fetched.at_hub); }, 30s));
  }

  TEST_CASE("property: whatever the limits and weights are, they hold, and everything arrives") {
    for (std::uint64_t run = 0; run < 8; ++run) {
      const std::uint64_t s = seed() + run;
      CAPTURE(run);
      Rng random(s);
      const auto rate = [&]() -> std::optional<std::uint64_t> {
        if (random.below(2) == 0) return std::nullopt;
        return 40'000 + random.below(400'000);
      };
      EndpointOptions options;
      options.upload_limit = rate();
      options.download_limit = rate();
      options.per_peer = {rate(), rate()};
      Hub hub(s, options);
      std::vector<SwarmLimits> limits;
      for (int i = 0; i < 4; ++i) {
        limits.push_back({.total = {rate(), rate()},
                          .per_peer = {rate(), rate()},
                          .weight = static_cast<std::uint32_t>(1 + random.below(10'000))});
        const auto size = 50'000 + static_cast<std::size_t>(random.below(400'000));
        const int peers = 1 + static_cast<int>(random.below(3));
        if (i % 2 == 0) {
          hub.seeds(size, peers, limits.back());
        } else {
          hub.fetches(size, peers, limits.back());
        }
      }
      const TimePoint start = hub.world.time();
      const bool done = hub.world.run_until(
          [&] {
            for (std::size_t i = 0; i < hub.members.size(); ++i) {
              const Hub::Member& member = hub.members[i];
              if (!hub.node.complete(member.at_hub)) return false;
              for (Node* peer : member.peers) {
                if (!peer->status().complete) return false;
              }
            }
            return true;
          },
          600s);
      CHECK(done);
      const double time = seconds(hub.world.time() - start);
      double up = 0;
      double down = 0;
      for (std::size_t i = 0; i < hub.members.size(); ++i) {
        const auto sent = static_cast<double>(hub.sent(hub.members[i]));
        const auto fetched = static_cast<double>(hub.fetched(hub.members[i]));
        // A burst is at most a twentieth of a second's worth, or 4 KiB and a chunk.
        const auto holds = [&](double octets, std::optional<std::uint64_t> limit) {
          if (!limit) return;
          const auto most = static_cast<double>(*limit);
          CHECK(octets <= most * (time + 0.1) + 8'192);
        };
        holds(sent, limits[i].total.upload);
        holds(fetched, limits[i].total.download);
        up += sent;
        down += fetched;
      }
      if (options.upload_limit) {
        CHECK(up <= static_cast<double>(*options.upload_limit) * (time + 0.1) + 8'192);
      }
      if (options.download_limit) {
        CHECK(down <= static_cast<double>(*options.download_limit) * (time + 0.1) + 8'192);
      }
    }
  }
}

}  // namespace ppspp::test
