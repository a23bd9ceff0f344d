// What thousands of swarms cost: memory, and nothing else until something happens in one of them.
#include <doctest/doctest.h>

#include <vector>

#include "endpoint/puppet.h"
#include "support/heap.h"
#include "support/seed.h"

namespace ppspp::test {
namespace {

constexpr std::size_t kMany = 10'000;

// A store of a content of which nothing is kept but its hash: one chunk has no more.
class ThinStore final : public ChunkStore {
 public:
  explicit ThinStore(std::span<const std::byte> tree) : tree_(tree.begin(), tree.end()) {}
  StoreStatus read(std::uint64_t, std::span<const std::span<std::byte>>) override {
    return StoreStatus::failed;
  }
  StoreStatus write(std::uint64_t, std::span<const std::span<const std::byte>>) override {
    return StoreStatus::failed;
  }
  void prefetch(std::uint64_t, std::uint64_t) override {}
  StoreStatus set_content_length(std::uint64_t) override { return StoreStatus::done; }
  std::span<std::byte> tree_memory(std::size_t size) override {
    return size <= tree_.size() ? std::span(tree_).first(size) : std::span<std::byte>{};
  }
  bool content_suspect() override { return false; }

 private:
  std::vector<std::byte> tree_;
};

void join_many(Node& node, std::size_t count, std::uint64_t s) {
  constexpr std::size_t kSize = 700;
  for (std::size_t i = 0; i < count; ++i) {
    SwarmMetadata metadata;
    const auto whole = complete_store(random_content(kSize, s + i), metadata);
    metadata.content_length = kSize;
    const auto tree = whole->tree_memory(MerkleTree::memory_size(1, metadata.hash));
    // Half of them are here, the others are waited for.
    if (i % 2 == 0) {
      node.join(metadata, std::make_unique<ThinStore>(tree),
                {.state = SwarmContent::State::complete, .length = kSize, .verified = {}});
    } else {
      node.join(metadata, std::make_unique<ThinStore>(tree));
    }
  }
}

// How often swarms are looked at while one of them is fetched by a peer.
std::uint64_t turns_of_a_transfer(std::size_t others) {
  World world(17, {.delay = 5ms});
  world.steps_per_check = 100'000;  // which does look at all of them
  Node& node = world.add_node();
  const Original original(100'000, 3);
  node.seed(original.octets);
  const SwarmHandle swarm = node.swarm();
  join_many(node, others, 1'000);
  Node& leecher = world.add_node();
  leecher.join(original.metadata);
  const std::uint64_t before = node.endpoint().statistics(world.now(node)).swarm_turns;
  leecher.add_peer(leecher.swarm(), node);
  leecher.endpoint();
  REQUIRE(world.run_until([&] { return leecher.status().complete; }, 60s));
  world.run_for(60s);
  CHECK(node.channels(swarm).size() == 1);
  return node.endpoint().statistics(world.now(node)).swarm_turns - before;
}

}  // namespace

TEST_SUITE("endpoint/many_swarms") {
  TEST_CASE("an idle swarm takes a few KiB at most, and no timer") {
    World world(seed(), {.delay = 5ms});
    Node& node = world.add_node();
    const auto before = heap_in_use();
    join_many(node, kMany, seed());
    const auto used = static_cast<std::size_t>(heap_in_use() - before);
    MESSAGE("octets for an idle swarm: " << used / kMany);
    CHECK(used < kMany * 5'120);
    CHECK(node.endpoint().deadline() == kNever);
    CHECK(node.endpoint().statistics(world.now(node)).swarms == kMany);
  }

  TEST_CASE("a swarm that sleeps takes little more than its ID") {
    World world(seed(), {.delay = 5ms});
    Node& node = world.add_node();
    Rng random(seed());
    const auto before = heap_in_use();
    for (std::size_t i = 0; i < kMany; ++i) {
      std::array<std::byte, 32> id;
      for (std::byte& byte : id) byte = static_cast<std::byte>(random.next_u64());
      node.endpoint().await(SwarmId(id));
    }
    const auto used = static_cast<std::size_t>(heap_in_use() - before);
    MESSAGE("octets for a swarm that sleeps: " << used / kMany);
    CHECK(used < kMany * 256);
    CHECK(node.endpoint().deadline() == kNever);
    CHECK(node.endpoint().statistics(world.now(node)).swarms_awaited == kMany);
  }

  TEST_CASE("what happens in one swarm costs as much with 10,000 others as with none") {
    const std::uint64_t alone = turns_of_a_transfer(0);
    const std::uint64_t among_many = turns_of_a_transfer(kMany);
    MESSAGE("swarms looked at in a transfer: " << alone << " alone, " << among_many);
    CHECK(alone > 10);
    // Not exactly: the numbers that are drawn differ.
    CHECK(among_many < alone * 2);
  }

  TEST_CASE("limits that bind cost no more with many swarms and channels that wait") {
    // 40 swarms with three peers each at a limit that lets a datagram pass every few milliseconds:
    // whoever waits is looked at when it is its turn.
    World world(seed(), {.delay = 5ms});
    world.steps_per_check = 1'000;
    EndpointOptions options;
    options.upload_limit = 200'000;
    Node& node = world.add_node(options);
    constexpr int kSwarms = 40;
    for (int i = 0; i < kSwarms; ++i) {
      const Original original(300'000, seed() + static_cast<std::uint64_t>(i));
      node.seed(original.octets);
      for (int peer = 0; peer < 3; ++peer) {
        Node& leecher = world.add_node();
        leecher.join(original.metadata);
        leecher.add_peer(leecher.swarm(), node);
        leecher.endpoint();
      }
    }
    world.run_for(10s);
    const auto statistics = [&] { return node.endpoint().statistics(world.now(node)); };
    const auto turns = statistics().swarm_turns;
    const auto sent = node.endpoint().counters().datagrams_out;
    const auto received = node.endpoint().counters().datagrams_in;
    world.run_for(20s);
    const auto work = statistics().swarm_turns - turns;
    const auto events = node.endpoint().counters().datagrams_out - sent +
                        node.endpoint().counters().datagrams_in - received;
    MESSAGE(work << " looks at swarms for " << events << " datagrams in and out");
    CHECK(events > 2'000);
    CHECK(work < events * 8);
  }
}

}  // namespace ppspp::test
