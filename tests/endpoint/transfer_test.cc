// A content travels from endpoint to endpoint over a simulated network.
#include <doctest/doctest.h>

#include "endpoint/world.h"
#include "support/seed.h"

namespace ppspp::test {
namespace {

// Seeds and fetches, and returns how long it took.
Microseconds transfer(World& world, std::size_t size, SwarmMetadata metadata, bool tell_length,
                      Microseconds most = 600s) {
  const auto content = random_content(size, seed());
  Node& seeder = world.add_node();
  Node& leecher = world.add_node();
  metadata = seeder.seed(content, metadata);
  if (tell_length) metadata.content_length = size;
  const SwarmHandle swarm = leecher.join(metadata);
  leecher.add_peer(swarm, seeder);
  const TimePoint start = world.time();
  REQUIRE(world.run_until([&] { return leecher.complete(swarm); }, most));
  CHECK(leecher.content(swarm) == content);
  CHECK(leecher.endpoint().status(swarm)->chunks_rejected == 0);
  return std::chrono::duration_cast<Microseconds>(world.time() - start);
}

}  // namespace

TEST_SUITE("endpoint/transfer") {
  TEST_CASE("contents of every awkward size arrive, with and without a known length (5.6 #118)") {
    for (const std::size_t size : {1UL, 511UL, 1'023UL, 1'024UL, 1'025UL, 2'048UL, 4'096UL, 5'000UL,
                                   7'162UL, 65'536UL, 300'001UL}) {
      for (const bool tell_length : {true, false}) {
        CAPTURE(size);
        CAPTURE(tell_length);
        World world(seed());
        const auto time = transfer(world, size, {}, tell_length);
        CHECK(time < 2s);
      }
    }
  }

  TEST_CASE("every addressing with every hash function (4 #196, 7.6 #215, 7.8 #203)") {
    for (const auto addressing :
         {ChunkAddressing::bin32, ChunkAddressing::byte64, ChunkAddressing::chunk32,
          ChunkAddressing::bin64, ChunkAddressing::chunk64}) {
      for (const HashFunction hash : kHashFunctions) {
        CAPTURE(to_string(addressing));
        CAPTURE(to_string(hash));
        World world(seed());
        transfer(world, 123'456, {.addressing = addressing, .hash = hash}, true);
      }
    }
  }

  TEST_CASE("chunk sizes from 512 to 65000 octets (8.1 #229, #230, #233)") {
    for (const std::uint32_t chunk_size : {512U, 1'000U, 1'400U, 8'192U, 65'000U}) {
      CAPTURE(chunk_size);
      World world(seed());
      transfer(world, 1'000'000, {.chunk_size = chunk_size}, true);
    }
  }

  TEST_CASE("loss, duplication, reordering and corruption delay the content and no more") {
    for (const double loss : {0.01, 0.05, 0.2}) {
      CAPTURE(loss);
      World world(seed(), {.delay = 10ms, .loss = loss, .duplication = 0.01, .reordering = 0.02});
      const auto time = transfer(world, 2'000'000, {}, true);
      MESSAGE("loss " << loss << ": " << 2'000'000.0 / static_cast<double>(time.count())
                      << " MB/s");
    }
    World world(seed(), {.delay = 10ms, .corruption = 0.02});
    const auto content = random_content(1'000'000, 1);
    Node& seeder = world.add_node();
    Node& leecher = world.add_node();
    auto metadata = seeder.seed(content);
    metadata.content_length = content.size();
    const SwarmHandle swarm = leecher.join(metadata);
    leecher.add_peer(swarm, seeder);
    REQUIRE(world.run_until([&] { return leecher.complete(swarm); }, 600s));
    CHECK(leecher.content(swarm) == content);
  }

  TEST_CASE("a path of a smaller MTU than its largest probe is searched, not broken (8.1 #231)") {
    World world(seed(), {.delay = 2ms, .mtu = 1'500});
    const auto time = transfer(world, 5'000'000, {}, true);
    CHECK(time < 20s);
  }

  TEST_CASE("a slow link is filled: goodput is at least 80 % of its rate") {
    World world(seed(), {.delay = 20ms, .rate = 2'500'000, .queue = 750'000, .mtu = 1'500});
    const auto time = transfer(world, 25'000'000, {}, true);
    const double rate = 25e6 / static_cast<double>(time.count()) * 1e6;
    MESSAGE("goodput " << rate / 2.5e6 * 100 << " % of the link");
    CHECK(rate >= 0.8 * 2.5e6);
  }

  TEST_CASE("after both have left, nothing remains") {
    World world(seed());
    Node& seeder = world.add_node();
    Node& leecher = world.add_node();
    const auto content = random_content(50'000, 3);
    const auto metadata = seeder.seed(content);
    const SwarmHandle swarm = leecher.join(metadata);
    leecher.add_peer(swarm, seeder);
    REQUIRE(world.run_until([&] { return leecher.complete(swarm); }, 10s));
    CHECK(leecher.endpoint().leave(swarm, world.now(leecher)) != nullptr);
    world.run_for(100ms);
    CHECK(leecher.endpoint().idle());
    CHECK(seeder.channels(seeder.swarm()).empty());  // the closing HANDSHAKE (2.3 #42)
    seeder.endpoint().leave(seeder.swarm(), world.now(seeder));
    world.run_for(100ms);
    CHECK(seeder.endpoint().idle());
  }
}

}  // namespace ppspp::test
