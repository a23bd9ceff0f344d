// What thousands of channels cost: memory, and their keep-alives.
#include <doctest/doctest.h>

#include <vector>

#include "endpoint/world.h"
#include "support/heap.h"
#include "support/seed.h"

namespace ppspp::test {
namespace {

constexpr std::size_t kPairs = 200;
constexpr std::size_t kMostOctets = 4'096;  // octets for an idle channel

// Two endpoints with so many swarms and a channel in each. The memory of both ends, with what a
// swarm begins to keep with its first channel.
struct ManyPairs {
  explicit ManyPairs(std::size_t size) : world(seed(), {.delay = 5ms}) {
    world.steps_per_check = 100'000;
    EndpointOptions options;
    options.max_channels = 2 * kPairs;
    left = &world.add_node(options);
    right = &world.add_node(options);
    for (std::size_t i = 0; i < kPairs; ++i) contents.push_back(random_content(size, seed() + i));
  }

  // Of one channel, once all are idle.
  std::size_t octets_per_channel(bool transfer) {
    std::vector<SwarmHandle> swarms;
    for (const auto& content : contents) {
      const SwarmMetadata metadata = left->seed(content);
      if (transfer) {
        swarms.push_back(right->join(metadata));
      } else {
        right->seed(content);
        swarms.push_back(right->swarm());
      }
    }
    const auto before = heap();
    for (const SwarmHandle swarm : swarms) {
      right->add_peer(swarm, *left);
      right->endpoint();
      world.run_for(20ms);  // a handshake, of which one address may have few under way
    }
    world.run_for(120s);  // also the keep-alives that show that nobody needs what was taken
    const auto after = heap();
    for (const SwarmHandle swarm : swarms) REQUIRE(right->complete(swarm));
    const auto channels = left->endpoint().statistics(world.now(*left)).channels_established;
    REQUIRE(channels == kPairs);
    return static_cast<std::size_t>(after - before) / (2 * kPairs);
  }

  // What ends with the channels.
  std::size_t octets_given_back() {
    const auto before = heap();
    left->endpoint().ban(Network::of(right->address()), std::nullopt, world.now(*left));
    right->endpoint().ban(Network::of(left->address()), std::nullopt, world.now(*right));
    world.run_for(1s);
    REQUIRE(left->channels(left->swarm()).empty());
    return static_cast<std::size_t>(before - heap()) / (2 * kPairs);
  }

  // Without what the test itself writes down.
  std::int64_t heap() const {
    const std::size_t events = left->events().capacity() + right->events().capacity();
    return heap_in_use() - static_cast<std::int64_t>(events * sizeof(Event));
  }

  World world;
  Node* left;
  Node* right;
  std::vector<std::vector<std::byte>> contents;
};

}  // namespace

TEST_SUITE("endpoint/many_channels") {
  TEST_CASE("an idle channel takes less than 4 KiB, if nothing was ever transferred") {
    const std::size_t octets = ManyPairs(3'000).octets_per_channel(false);
    MESSAGE("octets for an idle channel: " << octets);
    CHECK(octets > sizeof(void*));  // something is counted
    CHECK(octets < kMostOctets);
  }

  TEST_CASE("an idle channel takes less than 4 KiB, after a transfer as before") {
    // Without what the swarm keeps of a download.
    ManyPairs pair(100'000);
    const std::size_t with_swarm = pair.octets_per_channel(true);
    const std::size_t octets = pair.octets_given_back();
    MESSAGE("octets for an idle channel: " << octets << ", with its swarm " << with_swarm);
    CHECK(octets > sizeof(void*));
    CHECK(octets < kMostOctets);
    CHECK(with_swarm < 2 * kMostOctets);
  }
}

}  // namespace ppspp::test
