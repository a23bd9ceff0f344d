// Upload and download limits over virtual time.
#include <doctest/doctest.h>

#include "endpoint/world.h"
#include "support/seed.h"

namespace ppspp::test {
namespace {

struct LimitedTransfer {
  double rate = 0;  // octets of content per second
  bool genuine = false;
};

LimitedTransfer measure(std::uint64_t s, std::size_t size, std::uint32_t chunk_size,
                        const EndpointOptions& seeder_options,
                        const EndpointOptions& leecher_options) {
  World world(s, {.delay = 10ms});
  const auto content = random_content(size, s);
  Node& seeder = world.add_node(seeder_options);
  Node& leecher = world.add_node(leecher_options);
  auto metadata = seeder.seed(content, {.chunk_size = chunk_size});
  metadata.content_length = size;
  leecher.join(metadata);
  leecher.add_peer(leecher.swarm(), seeder);
  const TimePoint start = world.time();
  const bool done = world.run_until([&] { return leecher.status().complete; }, 600s);
  const double seconds = std::chrono::duration<double>(world.time() - start).count();
  return {static_cast<double>(size) / seconds, done && leecher.content(leecher.swarm()) == content};
}

void check_limit(const LimitedTransfer& transfer, double limit) {
  CHECK(transfer.genuine);
  CHECK(transfer.rate < limit * 1.2);
  CHECK(transfer.rate > limit * 0.8);
}

}  // namespace

TEST_SUITE("endpoint/limits") {
  TEST_CASE("an upload limit is kept and used, also by chunks larger than its burst") {
    for (std::uint64_t i = 0; i < 3; ++i) {
      for (const std::uint32_t chunk_size : {1'024U, 8'192U, 65'000U}) {
        for (const std::uint64_t limit : {65'536ULL, 1'000'000ULL}) {
          CAPTURE(i);
          CAPTURE(chunk_size);
          CAPTURE(limit);
          EndpointOptions options;
          options.upload_limit = limit;
          check_limit(measure(seed() + i, limit * 30, chunk_size, options, {}),
                      static_cast<double>(limit));
        }
      }
    }
  }

  TEST_CASE("a download limit is kept and used, also by chunks larger than its burst") {
    for (std::uint64_t i = 0; i < 3; ++i) {
      for (const std::uint32_t chunk_size : {1'024U, 8'192U, 65'000U}) {
        for (const std::uint64_t limit : {65'536ULL, 1'000'000ULL}) {
          CAPTURE(i);
          CAPTURE(chunk_size);
          CAPTURE(limit);
          EndpointOptions options;
          options.download_limit = limit;
          check_limit(measure(seed() + i, limit * 30, chunk_size, {}, options),
                      static_cast<double>(limit));
        }
      }
    }
  }

  TEST_CASE("an upload limit holds for all peers together, who get a fair share each") {
    World world(seed(), {.delay = 10ms});
    const auto content = random_content(4'000'000, seed());
    EndpointOptions options;
    options.upload_limit = 500'000;
    Node& seeder = world.add_node(options);
    auto metadata = seeder.seed(content);
    metadata.content_length = content.size();
    std::vector<Node*> leechers;
    for (int i = 0; i < 4; ++i) {
      leechers.push_back(&world.add_node());
      leechers.back()->join(metadata);
      leechers.back()->add_peer(leechers.back()->swarm(), seeder);
    }
    world.run_for(20s);
    std::uint64_t all = 0;
    for (Node* node : leechers) {
      const std::uint64_t got = node->status().verified_bytes;
      MESSAGE("one of four got " << got);
      CHECK(got > 20 * 500'000 / 4 / 3);
      all += got;
    }
    CHECK(all < 20 * 500'000 * 12 / 10);
    CHECK(all > 20 * 500'000 * 8 / 10);
  }

  TEST_CASE("limits can be set, changed and lifted while running") {
    World world(seed(), {.delay = 10ms});
    const auto content = random_content(20'000'000, seed());
    Node& seeder = world.add_node();
    Node& leecher = world.add_node();
    auto metadata = seeder.seed(content);
    metadata.content_length = content.size();
    seeder.endpoint().set_limits(100'000, std::nullopt, world.now(seeder));
    leecher.join(metadata);
    leecher.add_peer(leecher.swarm(), seeder);
    world.run_for(10s);
    const std::uint64_t first = leecher.status().verified_bytes;
    CHECK(first < 1'200'000);
    CHECK(first > 800'000);
    seeder.endpoint().set_limits(400'000, std::nullopt, world.now(seeder));
    world.run_for(10s);
    const std::uint64_t second = leecher.status().verified_bytes - first;
    CHECK(second < 4'800'000);
    CHECK(second > 3'200'000);
    seeder.endpoint().set_limits(std::nullopt, std::nullopt, world.now(seeder));
    CHECK(world.run_until([&] { return leecher.status().complete; }, 10s));
    CHECK(leecher.content(leecher.swarm()) == content);
  }
}

}  // namespace ppspp::test
