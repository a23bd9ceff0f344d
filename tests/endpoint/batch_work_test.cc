// What the end of a receive batch needs may be computed before, by others: all of it, some of it or
// nothing, and nobody can tell (RFC 7574, 5.2, 6.1.1, 12.6.5).
#include <doctest/doctest.h>

#include <numeric>

#include "endpoint/live_world.h"
#include "endpoint/puppet.h"
#include "endpoint/signed_feed.h"
#include "support/seed.h"
#include "wire/signed_content.h"

namespace ppspp::test {
namespace {

// Who computes what: `share` of the parts, in any order, in any lane.
struct Helpers {
  std::size_t lanes = 1;
  double share = 1;
};

constexpr std::uint64_t kWorld = 4;  // what happens is always the same
constexpr std::size_t kDatagram = 16'000;

constexpr Helpers kAll{3, 1};
constexpr Helpers kSome{4, 0.5};
constexpr Helpers kNothing{2, 0};
constexpr Helpers kMany{64, 0.9};

// What a run showed to the outside.
struct Shown {
  std::uint64_t sent = 14'695'981'039'346'656'037U;  // FNV-1a of all that was sent, in order
  std::uint64_t datagrams = 0;
  std::vector<std::uint64_t> counts;
  friend bool operator==(const Shown&, const Shown&) = default;

  void note_sent(std::span<const std::byte> datagram) {
    ++datagrams;
    for (const std::byte octet : datagram) {
      sent = (sent ^ std::to_integer<std::uint64_t>(octet)) * 1'099'511'628'211U;
    }
  }
  void note(Node& node, SwarmHandle swarm) {
    const SwarmStatus status = *node.endpoint().status(swarm);
    counts.insert(counts.end(),
                  {status.verified_bytes, status.chunks_rejected, status.chunks_unverifiable,
                   status.chunks_duplicate, status.downloaded_bytes, node.events().size()});
    if (!status.live) return;
    counts.insert(counts.end(), {status.live->signatures_checked, status.live->signatures_rejected,
                                 status.live->signatures_refused, status.live->munros_verified});
  }
};

class Watched {
 public:
  explicit Watched(World& world, const std::optional<Helpers>& helpers) {
    world.flush_chance = 0.02;
    if (!helpers) return;
    world.before_flush = [this, &world, h = *helpers](Node& node) {
      const std::size_t parts = node.endpoint().prepare_flush(h.lanes, world.now(node));
      std::vector<std::size_t> order(parts);
      std::iota(order.begin(), order.end(), std::size_t{0});
      for (std::size_t i = parts; i > 1; --i) std::swap(order[i - 1], order[random_.below(i)]);
      for (const std::size_t part : order) {
        const bool computes = static_cast<double>(random_.below(1'000)) < h.share * 1'000;
        if (computes) node.endpoint().compute_part(part, random_.below(h.lanes));
        if (computes) ++computed_;
        ++offered_;
      }
    };
  }
  void listen_to(Node& node) {
    node.on_send = [this](std::span<const std::byte> datagram) {
      shown.note_sent(datagram);
      return true;
    };
  }
  std::size_t offered() const { return offered_; }
  std::size_t computed() const { return computed_; }

  Shown shown;

 private:
  Rng random_{seed()};
  std::size_t offered_ = 0;
  std::size_t computed_ = 0;
};

struct Outcome {
  Shown shown;
  std::size_t offered = 0;
  std::size_t computed = 0;
  std::uint64_t wrong = 0;  // chunks or signatures
};

// Two seed a file; some datagrams are damaged on the way.
Outcome fetch(const SwarmMetadata& wanted, const std::optional<Helpers>& helpers) {
  World world(kWorld, {.delay = 100us, .duplication = 0.01, .corruption = 0.01, .mtu = kDatagram});
  Watched watched(world, helpers);
  const auto content = random_content(6'000'000, kWorld);
  Node& seeder = world.add_node();
  Node& other = world.add_node();
  Node& leecher = world.add_node();
  SwarmMetadata metadata = seeder.seed(content, wanted);
  other.seed(content, wanted);
  metadata.content_length = content.size();
  watched.listen_to(seeder);
  watched.listen_to(leecher);
  const SwarmHandle swarm = leecher.join(metadata);
  leecher.add_peer(swarm, seeder);
  leecher.add_peer(swarm, other);
  REQUIRE(world.run_until([&] { return leecher.complete(swarm); }, 600s));
  CHECK(leecher.content(swarm) == content);
  watched.shown.note(leecher, swarm);
  return {watched.shown, watched.offered(), watched.computed(), leecher.status().chunks_rejected};
}

// A viewer that begins with the oldest gets much at once. Who sends more than one wrong signature of
// 256 is dropped, whoever damaged them.
Outcome view(IntegrityMethod method, const std::optional<Helpers>& helpers) {
  LiveWorld live(kWorld, {.delay = 2ms, .loss = 0.002, .corruption = 0.002, .mtu = kDatagram});
  Watched watched(live.world(), helpers);
  SwarmMetadata metadata;
  metadata.integrity = method;
  live.publish(400'000, metadata);
  watched.listen_to(live.source());
  live.run_for(3s);
  Viewer& viewer = live.add_viewer({.tune_in = TuneIn::oldest});
  watched.listen_to(viewer.node());
  viewer.add_peer(live.source());
  live.run_for(3s);
  CHECK(viewer.octets() > 500'000);
  CHECK_FALSE(viewer.wrong());
  watched.shown.note(viewer.node(), viewer.swarm());
  return {watched.shown, watched.offered(), watched.computed(),
          viewer.node().status().chunks_rejected};
}

template <typename Run>
void check_same(const Run& run) {
  const Outcome alone = run(std::nullopt);
  CHECK(alone.wrong > 0);
  for (const Helpers& helpers : {kAll, kSome, kNothing, kMany}) {
    CAPTURE(helpers.lanes);
    CAPTURE(helpers.share);
    const Outcome helped = run(helpers);
    CHECK(helped.shown == alone.shown);
    CHECK(helped.offered > 0);
    CHECK((helped.computed > 0) == (helpers.share > 0));
    if (helpers.share == 1) CHECK(helped.computed == helped.offered);
  }
}

}  // namespace

TEST_SUITE("endpoint/batch_work") {
  TEST_CASE("who computes the hashes of a file's chunks cannot be told") {
    for (const SwarmMetadata& metadata :
         {SwarmMetadata{}, SwarmMetadata{.chunk_size = 1'400, .hash = HashFunction::sha1},
          SwarmMetadata{.chunk_size = 8'192, .hash = HashFunction::sha512}}) {
      CAPTURE(metadata.chunk_size);
      check_same([&](const auto& helpers) { return fetch(metadata, helpers); });
    }
  }

  TEST_CASE("nor who computes those of a feed, or its signatures (6.1.1, 6.1.2)") {
    for (const auto method : {IntegrityMethod::unified_merkle, IntegrityMethod::sign_all}) {
      CAPTURE(to_string(method));
      check_same([&](const auto& helpers) { return view(method, helpers); });
    }
  }
}

}  // namespace ppspp::test
