// What happens to the protocol when the content on disk fails.
#include <doctest/doctest.h>

#include "endpoint/faulty_store.h"
#include "endpoint/world.h"
#include "support/seed.h"

namespace ppspp::test {
namespace {

constexpr std::size_t kSize = 400'000;  // 391 chunks

struct Setup {
  explicit Setup(std::uint64_t s, LinkOptions link = {.delay = 10ms})
      : world(s, link), content(random_content(kSize, s)) {
    seeder = &world.add_node();
    leecher = &world.add_node();
  }

  FaultyStore& seed_faulty() {
    auto store = std::make_unique<FaultyStore>(content);
    FaultyStore& faulty = *store;
    build_tree(content, metadata, *store);
    seeder->join(metadata, std::move(store),
                 {.state = SwarmContent::State::complete, .length = kSize, .verified = {}});
    metadata.content_length = kSize;
    return faulty;
  }
  FaultyStore& fetch_faulty() {
    metadata = seeder->seed(content);
    metadata.content_length = kSize;
    auto store = std::make_unique<FaultyStore>();
    FaultyStore& faulty = *store;
    leecher->join(metadata, std::move(store));
    leecher->add_peer(leecher->swarm(), *seeder);
    return faulty;
  }
  void fetch() {
    leecher->join(metadata);
    leecher->add_peer(leecher->swarm(), *seeder);
  }
  bool completes(Microseconds most) {
    return world.run_until([&] { return leecher->status().complete; }, most);
  }
  void check_idle_hour() {
    world.run_for(1s);
    const std::size_t before = world.steps();
    world.run_for(3'600s);
    MESSAGE("an hour after it failed: " << world.steps() - before << " steps");
    CHECK(world.steps() - before < 10'000);
  }

  World world;
  std::vector<std::byte> content;
  SwarmMetadata metadata;
  Node* seeder;
  Node* leecher;
};

bool has_event(const Node& node, std::size_t index) {
  return std::any_of(node.events().begin(), node.events().end(),
                     [index](const Event& event) { return event.what.index() == index; });
}

constexpr std::size_t kStoreFailed = 5;  // in Event::what

}  // namespace

TEST_SUITE("endpoint/store") {
  TEST_CASE("octets that changed on a suspect disk are never sent (12.6.5)") {
    for (std::uint64_t i = 0; i < 3; ++i) {
      CAPTURE(i);
      Setup setup(seed() + i, {.delay = 10ms, .loss = 0.01});
      FaultyStore& store = setup.seed_faulty();
      store.memory().set_suspect(true);
      for (const std::size_t chunk : {0UL, 57UL, 200UL, 201UL, 390UL}) {
        store.memory().content()[chunk * 1'024 + 3] ^= std::byte{1};
      }
      setup.fetch();
      setup.world.run_for(30s);
      CHECK(setup.leecher->status().chunks_rejected == 0);
      CHECK(setup.seeder->status().chunks_rotten == 5);
      CHECK(setup.leecher->status().verified_bytes == kSize - 4 * 1'024 - (kSize - 390 * 1'024));
      setup.check_idle_hour();
      CHECK(setup.seeder->status().chunks_rotten == 5);

      // Somebody else has them.
      Node& other = setup.world.add_node();
      other.seed(setup.content);
      setup.leecher->add_peer(setup.leecher->swarm(), other);
      CHECK(setup.completes(60s));
      CHECK(setup.leecher->content(setup.leecher->swarm()) == setup.content);
      CHECK(setup.leecher->status().chunks_rejected == 0);
    }
  }

  TEST_CASE("octets that change while they are served are not sent either") {
    Setup setup(seed(), {.delay = 10ms, .rate = 100'000, .queue = 20'000});
    FaultyStore& store = setup.seed_faulty();
    setup.fetch();
    setup.world.run_for(1s);
    CHECK(setup.leecher->status().verified_bytes > 0);
    store.memory().set_suspect(true);
    std::ranges::fill(store.memory().content(), std::byte{7});
    setup.world.run_for(60s);
    CHECK(setup.leecher->status().chunks_rejected == 0);
    CHECK_FALSE(setup.leecher->status().complete);
  }

  TEST_CASE("a store that needs time answers later, and nothing is lost (not_yet)") {
    for (std::uint64_t i = 0; i < 3; ++i) {
      CAPTURE(i);
      Setup setup(seed() + i);
      FaultyStore& store = setup.seed_faulty();
      Rng random(seed() + i);
      store.on_read = [&](std::uint64_t) {
        return random.below(3) == 0 ? StoreStatus::not_yet : StoreStatus::done;
      };
      setup.fetch();
      REQUIRE(setup.completes(30s));
      CHECK(setup.leecher->content(setup.leecher->swarm()) == setup.content);
      CHECK(setup.leecher->status().chunks_rejected == 0);
    }
  }

  TEST_CASE("a store that keeps one place at hand gives what lies in many places") {
    Setup setup(seed());
    FaultyStore& store = setup.seed_faulty();
    std::uint64_t at_hand = ~std::uint64_t{0};
    store.on_read = [&](std::uint64_t offset) {
      if (offset == at_hand) return StoreStatus::done;
      at_hand = offset;
      return StoreStatus::not_yet;
    };
    std::vector<ChunkRange> verified;  // every second chunk
    for (ChunkIndex chunk = 0; chunk < 390; chunk += 2) verified.push_back({chunk, chunk + 1});
    setup.leecher->seed_part(setup.content, setup.metadata, verified);
    setup.leecher->add_peer(setup.leecher->swarm(), *setup.seeder);
    REQUIRE(setup.completes(30s));
    CHECK(setup.leecher->content(setup.leecher->swarm()) == setup.content);
  }

  TEST_CASE("a write queue that is full delays the download and no more") {
    for (std::uint64_t i = 0; i < 3; ++i) {
      CAPTURE(i);
      Setup setup(seed() + i);
      FaultyStore& store = setup.fetch_faulty();
      Rng random(seed() + i);
      store.on_write = [&](std::uint64_t) {
        return random.below(3) == 0 ? StoreStatus::not_yet : StoreStatus::done;
      };
      REQUIRE(setup.completes(60s));
      CHECK(std::ranges::equal(store.memory().content(), setup.content));
    }
  }

  TEST_CASE("a write that fails ends the download, tells the user, and leaves peers alone") {
    for (std::uint64_t i = 0; i < 3; ++i) {
      CAPTURE(i);
      Setup setup(seed() + i);
      FaultyStore& store = setup.fetch_faulty();
      store.on_write = [&](std::uint64_t offset) {
        return offset > 100'000 ? StoreStatus::failed : StoreStatus::done;
      };
      CHECK_FALSE(setup.completes(10s));
      CHECK(setup.leecher->status().store_failed);
      CHECK(has_event(*setup.leecher, kStoreFailed));
      CHECK_FALSE(setup.seeder->status().store_failed);
      setup.check_idle_hour();
      CHECK(setup.leecher->endpoint().leave(setup.leecher->swarm(),
                                            setup.world.now(*setup.leecher)) != nullptr);
      setup.world.run_for(1s);
      CHECK(setup.leecher->endpoint().idle());
    }
  }

  TEST_CASE("a read that fails ends serving; the peer is told by CHOKE, another one serves it") {
    for (std::uint64_t i = 0; i < 3; ++i) {
      CAPTURE(i);
      Setup setup(seed() + i);
      FaultyStore& store = setup.seed_faulty();
      store.on_read = [&](std::uint64_t offset) {
        return offset > 150'000 ? StoreStatus::failed : StoreStatus::done;
      };
      setup.fetch();
      CHECK_FALSE(setup.completes(10s));
      CHECK(setup.seeder->status().store_failed);
      CHECK(has_event(*setup.seeder, kStoreFailed));
      setup.check_idle_hour();
      const auto channels = setup.leecher->channels(setup.leecher->swarm());
      REQUIRE(channels.size() == 1);
      CHECK(channels[0].choked_by_peer);
      Node& other = setup.world.add_node();
      other.seed(setup.content);
      setup.leecher->add_peer(setup.leecher->swarm(), other);
      CHECK(setup.completes(30s));
      CHECK(setup.leecher->content(setup.leecher->swarm()) == setup.content);
    }
  }

  TEST_CASE("a store that fails with datagrams in flight on a lossy path does not keep us awake") {
    for (std::uint64_t i = 0; i < 3; ++i) {
      CAPTURE(i);
      Setup setup(seed() + i, {.delay = 30ms, .loss = 0.3});
      FaultyStore& store = setup.seed_faulty();
      store.on_read = [&](std::uint64_t offset) {
        return offset > 200'000 ? StoreStatus::failed : StoreStatus::done;
      };
      setup.fetch();
      // Half a minute, as a rule; now and then several timeouts in a row make it two.
      CHECK(setup.world.run_until([&] { return setup.seeder->status().store_failed; }, 2'000s));
      CHECK_FALSE(setup.completes(100s));
      MESSAGE("fetched " << setup.leecher->status().verified_bytes);
      setup.check_idle_hour();
    }
  }

  TEST_CASE("a download whose length cannot be stored fails at once or when it is known") {
    Setup setup(seed());
    auto metadata = setup.seeder->seed(setup.content);
    auto store = std::make_unique<FaultyStore>();
    store->on_length = [](std::uint64_t) { return StoreStatus::failed; };
    setup.leecher->join(metadata, std::move(store));
    setup.leecher->add_peer(setup.leecher->swarm(), *setup.seeder);
    CHECK_FALSE(setup.completes(5s));
    CHECK(setup.leecher->status().store_failed);
    setup.check_idle_hour();
  }
}

}  // namespace ppspp::test
