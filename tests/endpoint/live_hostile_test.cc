// Peers of a live feed that lie, replay and flood (RFC 7574, 6.1.2.4, 12.6.3 to 12.6.8): no wrong
// octet is read, and what they cost is bounded.
#include <doctest/doctest.h>

#include <algorithm>

#include "endpoint/puppet.h"
#include "endpoint/signed_feed.h"
#include "support/seed.h"
#include "wire/signed_content.h"

namespace ppspp::test {
namespace {

constexpr std::uint64_t kWidth = 4;

SwarmMetadata feed_metadata(IntegrityMethod method = IntegrityMethod::unified_merkle) {
  SwarmMetadata metadata;
  metadata.integrity = method;
  return live_metadata(metadata);
}

// A viewer that knows nobody but the peers of the test.
struct Victim {
  explicit Victim(const SwarmMetadata& of = feed_metadata(), const LiveSettings& settings = {})
      : world(seed(), {.delay = 5ms}),
        metadata(of),
        feed(of, of.integrity == IntegrityMethod::sign_all ? 1 : kWidth),
        forged(of, feed.width(), std::make_unique<Forger>(seed())) {
    world.clocks_agree = true;
    node = &world.add_node();
    viewer = std::make_unique<Viewer>(*node, metadata, settings);
    peer = another(0);
  }
  std::unique_ptr<Puppet> another(std::size_t index) {
    return std::make_unique<Puppet>(world, *node, metadata, index);
  }
  std::uint64_t ntp(Microseconds later = 0us) const {
    const std::uint64_t us = world.now(*node).wall.microseconds;
    return ntp_timestamp({us + static_cast<std::uint64_t>(later.count())});
  }
  void say(const std::vector<Message>& messages) {
    peer->say(messages);
    peer->hear(20ms);
  }
  LiveStatus live() { return viewer->live(); }
  bool has(ChunkIndex chunk) { return node->endpoint().has_chunk(viewer->swarm(), chunk); }

  World world;
  SwarmMetadata metadata;
  SignedFeed feed;
  SignedFeed forged;
  Node* node;
  std::unique_ptr<Viewer> viewer;
  std::unique_ptr<Puppet> peer;
};

}  // namespace

TEST_SUITE("endpoint/live_hostile") {
  TEST_CASE("what the source did not sign is refused, whatever of it was altered (6.1.2.2 #133)") {
    const auto damage = [](std::vector<std::byte>& octets, std::size_t at) {
      octets[at] ^= std::byte{1};
    };
    Victim v;
    v.feed.sign(5, v.ntp());
    v.forged.sign(5, v.ntp());
    for (int how = 0; how < 5; ++how) {
      CAPTURE(how);
      const auto stranger = v.another(static_cast<std::size_t>(how) + 1);
      REQUIRE(stranger->open());
      Integrity hash = v.feed.munro_hash(5);
      SignedIntegrity signature = v.feed.signature(5);
      std::vector<std::byte> hash_octets(hash.hash.begin(), hash.hash.end());
      std::vector<std::byte> octets(signature.signature.begin(), signature.signature.end());
      if (how == 0) signature = v.forged.signature(5);
      if (how == 1) damage(hash_octets, 31);
      if (how == 2) damage(octets, 3);
      if (how == 3) ++signature.ntp_timestamp;
      if (how == 4) hash.chunks = signature.chunks = {24, 28};
      hash.hash = hash_octets;
      if (how != 0) signature.signature = octets;
      stranger->say({hash, signature});
      stranger->say(v.feed.uncles_and_data(20));
      stranger->hear(50ms);
      CHECK(v.live().signatures_rejected == static_cast<std::uint64_t>(how) + 1);
      CHECK(v.live().munros_verified == 0);
      CHECK(v.live().chunks_per_signature == 0);
      CHECK_FALSE(v.has(20));
    }
    REQUIRE(v.peer->open());
    v.say(v.feed.whole(20));
    CHECK(v.has(20));
  }

  TEST_CASE(
      "too old, from the future, of another width, forgotten, known: no signature is computed "
      "(6.1.2.4 #141, 12.6.5 #143, decisions 13, 29, 30)") {
    Victim v(feed_metadata(), {.discard_window = 64});
    REQUIRE(v.peer->open());
    const auto refused = [&](SignedFeed& feed, std::uint64_t group, std::uint64_t ntp) {
      feed.sign(group, ntp);
      const LiveStatus before = v.live();
      v.say(feed.munro(group));
      const LiveStatus after = v.live();
      CHECK(after.signatures_rejected == 0);
      CHECK(after.munros_verified == before.munros_verified);
      CHECK(after.signatures_checked == before.signatures_checked);
      return after.signatures_refused - before.signatures_refused;
    };
    CHECK(refused(v.feed, 50, v.ntp(-301s)) == 1);
    CHECK(refused(v.feed, 50, v.ntp(301s)) == 1);
    // Five minutes before our clock is not too old for the first.
    v.feed.sign(100, v.ntp(-290s));
    v.say(v.feed.munro(100));
    CHECK(v.live().munros_verified == 1);
    v.feed.sign(100, v.ntp(-280s));
    v.say(v.feed.munro(100));  // known: not even counted
    CHECK(v.live().signatures_checked == 1);
    SignedFeed wide(v.metadata, 8);
    SignedFeed narrow(v.metadata, 2);
    CHECK(refused(wide, 51, v.ntp()) == 1);
    CHECK(refused(narrow, 300, v.ntp()) == 1);
    v.feed.sign(101, v.ntp());
    v.say(v.feed.munro(101));
    CHECK(v.live().munros_verified == 2);
    // From now on age counts from the newest: 30 s.
    CHECK(refused(v.feed, 102, v.ntp(-31s)) == 1);
    CHECK(refused(v.feed, 10, v.ntp()) == 1);  // before the window of 64 chunks
    v.feed.sign(102, v.ntp(-29s));
    v.say(v.feed.munro(102));
    CHECK(v.live().munros_verified == 3);
    // A signature without its hash, or for a range that is no node.
    v.feed.sign(103, v.ntp());
    v.say({v.feed.signature(103)});
    SignedIntegrity crooked = v.feed.signature(103);
    crooked.chunks = {413, 417};
    Integrity hash = v.feed.munro_hash(103);
    hash.chunks = crooked.chunks;
    v.say({hash, crooked});
    CHECK(v.live().signatures_checked == 3);
    CHECK(v.live().munros_verified == 3);
  }

  TEST_CASE(
      "the URL may say how many chunks are signed at once: no other width is looked at "
      "(decision 29)") {
    SwarmMetadata metadata = feed_metadata();
    metadata.chunks_per_signature = 8;
    Victim v(metadata);
    REQUIRE(v.peer->open());
    v.feed.sign(5, v.ntp());  // of 4
    v.say(v.feed.munro(5));
    CHECK(v.live().signatures_checked == 0);
    CHECK(v.live().signatures_refused == 1);
    SignedFeed right(metadata, 8);
    right.sign(5, v.ntp());
    v.say(right.munro(5));
    CHECK(v.live().munros_verified == 1);
    // Nor, where it does not, one that would take all memory, though the source signed it.
    Victim w;
    REQUIRE(w.peer->open());
    SignedFeed endless(w.metadata, 131'072);
    endless.sign(1, w.ntp(), 1);
    w.say(endless.munro(1));
    CHECK(w.live().signatures_checked == 0);
    CHECK(w.live().signatures_refused == 1);
  }

  TEST_CASE(
      "five wrong signatures drop a peer, and ban it for a minute (12.6.5 #112, decision 30)") {
    Victim v;
    REQUIRE(v.peer->open());
    for (std::uint64_t group = 0; group < 5; ++group) {
      CHECK(v.node->endpoint().counters().peers_dropped == 0);
      v.forged.sign(group, v.ntp());
      v.say(v.forged.munro(group));
    }
    v.say({});
    CHECK(v.live().signatures_rejected == 5);
    CHECK(v.node->endpoint().counters().peers_dropped == 1);
    CHECK_FALSE(v.peer->open());
    v.world.run_for(61s);
    CHECK(v.peer->open());
  }

  TEST_CASE(
      "five are computed also where hundreds come at once, of a peer in good standing "
      "(decision 30)") {
    for (const auto method : {IntegrityMethod::unified_merkle, IntegrityMethod::sign_all}) {
      Victim v(feed_metadata(method));
      REQUIRE(v.peer->open());
      v.feed.sign(0, v.ntp());
      v.say(v.feed.whole(0));
      REQUIRE(v.has(0));
      const std::uint64_t before = v.live().signatures_checked;
      for (std::uint64_t group = 1; group < 300; ++group) v.forged.sign(group, v.ntp());
      // Batches of the simulation are as long as chance has it: nearly all in one or two.
      for (std::uint64_t group = 1; group < 300; group += 4) {
        std::vector<Message> messages;
        for (std::uint64_t g = group; g < group + 4 && g < 300; ++g) {
          const auto one =
              method == IntegrityMethod::sign_all ? v.forged.whole(g) : v.forged.munro(g);
          messages.insert(messages.end(), one.begin(), one.end());
        }
        v.peer->say(messages);
      }
      v.peer->hear(100ms);
      v.say({});
      CHECK(v.live().signatures_checked - before <= 5);
      CHECK(v.node->endpoint().counters().peers_dropped == 1);
    }
  }

  TEST_CASE("a wrong chunk under a true munro is refused and asked for again (5.2, 12.6.5)") {
    Victim v(feed_metadata(), {.tune_in = TuneIn::oldest});
    v.feed.sign(0, v.ntp());
    REQUIRE(v.peer->open(v.feed.munro(0)));
    v.peer->hear();
    auto messages = v.feed.uncles_and_data(2);
    std::get<Data>(messages.back()).payload = v.feed.data(3).payload;
    v.say(messages);
    CHECK_FALSE(v.has(2));
    CHECK(v.node->endpoint().status(v.viewer->swarm())->chunks_rejected == 1);
    v.say(v.feed.uncles_and_data(2));
    CHECK(v.has(2));
  }

  TEST_CASE(
      "a true munro of long ago, told to whoever has just come, is seen through when a newer "
      "one comes (12.6.5 #143)") {
    for (const Microseconds later : {0us, 3'000'000us, 60'000'000us}) {
      CAPTURE(later.count());
      Victim v;
      v.feed.sign(10, v.ntp(-200s));
      v.feed.sign(11, v.ntp(-200s + 50ms));
      REQUIRE(v.peer->open({Have{{0, 48}}}));  // and it gives nothing
      v.peer->say(v.feed.munro(10));
      v.peer->say(v.feed.munro(11));
      v.peer->hear(300ms);
      CHECK(v.live().tuned_in);
      CHECK(v.live().position < 48);
      v.world.run_for(later);
      const auto honest = v.another(1);
      v.feed.sign(4'000, v.ntp(-50ms));
      v.feed.sign(4'001, v.ntp());
      REQUIRE(honest->open({Have{{16'000, 16'008}}}));
      honest->say(v.feed.munro(4'000));
      for (int i = 0; i < 100; ++i) {
        for (const Request& request : honest->hear_all<Request>(20ms)) {
          for (ChunkIndex c = request.chunks.begin; c < request.chunks.end; ++c) {
            honest->say(v.feed.whole(c));
          }
        }
      }
      v.viewer->read();
      CHECK(v.live().position == 16'008);
      CHECK(v.viewer->position() == 16'008 * 1'024);
      CHECK_FALSE(v.viewer->wrong());
    }
  }

  TEST_CASE("a chunk that an other one of its batch moves out of the window does no harm (6.2)") {
    for (const auto method : {IntegrityMethod::unified_merkle, IntegrityMethod::sign_all}) {
      for (const bool old_first : {false, true}) {
        CAPTURE(old_first);
        Victim v(feed_metadata(method), {.discard_window = 12});
        REQUIRE(v.peer->open());
        const std::uint64_t width = v.feed.width();
        v.feed.sign(0, v.ntp());
        v.feed.sign(10, v.ntp());
        v.feed.sign(40, v.ntp());
        v.say(v.feed.whole(10 * width));
        auto messages = v.feed.whole(old_first ? 0 : 40 * width);
        const auto others = v.feed.whole(old_first ? 40 * width : 0);
        messages.insert(messages.end(), others.begin(), others.end());
        v.say(messages);
        v.node->endpoint().check_invariants();
        // It brings its own signature along, or its munro.
        CHECK(v.has(40 * width));
        CHECK_FALSE(v.has(0));
        CHECK_FALSE(v.node->endpoint().status(v.viewer->swarm())->store_failed);
      }
    }
  }
}

}  // namespace ppspp::test
