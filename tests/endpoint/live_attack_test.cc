// Attacks on a feed while it goes on (RFC 7574, 12.6.3 to 12.6.8): nothing of it is missed, no
// wrong octet is read, and what the attackers cost is bounded.
#include <doctest/doctest.h>

#include <algorithm>

#include "endpoint/puppet.h"
#include "endpoint/signed_feed.h"
#include "support/seed.h"
#include "wire/signed_content.h"

namespace ppspp::test {
namespace {

constexpr std::uint64_t kRate = 125'000;  // 1 Mbit/s: about 16 groups a second

// A feed that goes on, a viewer of it, and others who want it to fail.
struct UnderAttack {
  UnderAttack(IntegrityMethod method, std::size_t attackers) : live(seed()) {
    SwarmMetadata metadata;
    metadata.integrity = method;
    if (method == IntegrityMethod::unified_merkle) metadata.chunks_per_signature = 8;
    live.world().steps_per_check = 2'000;
    live.world().max_steps = 20'000'000;
    live.publish(kRate, metadata);
    live.add_viewer();
    const std::uint64_t width = method == IntegrityMethod::sign_all ? 1 : 8;
    forged.emplace(live.metadata(), width, std::make_unique<Forger>(seed()));
    for (std::size_t i = 0; i < attackers; ++i) {
      puppets.push_back(
          std::make_unique<Puppet>(live.world(), viewer().node(), live.metadata(), i));
    }
  }
  Viewer& viewer() { return *live.viewers()[0]; }
  void open_all() {
    for (const auto& puppet : puppets) puppet->say_first();
    live.run_for(20ms);
    for (const auto& puppet : puppets) REQUIRE(puppet->take_answer(puppet->hear(0us)));
  }
  ChunkIndex newest() const { return live.fed() / 1'024; }
  std::uint64_t ntp() { return ntp_timestamp(live.world().now(viewer().node()).wall); }
  void check_feed_went_on(Microseconds time) {
    const auto octets = kRate * static_cast<std::uint64_t>(time.count()) / 1'000'000;
    CHECK_FALSE(viewer().wrong());
    CHECK(viewer().gaps() == 0);
    CHECK(viewer().live().chunks_skipped == 0);
    CHECK(viewer().octets() >= octets - 2 * kRate);
  }

  LiveWorld live;
  std::optional<SignedFeed> forged;
  std::vector<std::unique_ptr<Puppet>> puppets;
};

}  // namespace

TEST_SUITE("endpoint/live_attack") {
  TEST_CASE(
      "fifty peers send wrong signatures all the time: few are computed, the feed goes on "
      "(12.6.5, decision 30)") {
    for (const auto method : {IntegrityMethod::unified_merkle, IntegrityMethod::sign_all}) {
      CAPTURE(static_cast<int>(method));
      UnderAttack a(method, 50);
      a.viewer().add_peer(a.live.source());
      a.live.run_for(2s);
      a.open_all();
      const std::uint64_t width = a.forged->width();
      const std::uint64_t checked_before = a.viewer().live().signatures_checked;
      const std::uint64_t munros_before = a.viewer().live().munros_verified;
      std::size_t said = 0;
      for (int round = 0; round < 400; ++round) {  // 4 s
        const std::uint64_t group = a.newest() / width + 2 + a.live.world().random().below(20);
        a.forged->sign(group, a.ntp());
        // Each says one in 40 ms, and comes back under its own address when it is let.
        for (std::size_t i = static_cast<std::size_t>(round) % 4; i < 50; i += 4, ++said) {
          a.puppets[i]->say(a.forged->whole(group * width));
        }
        a.live.run_for(10ms);
        a.live.world().inbox.clear();
      }
      a.check_feed_went_on(6s);
      const LiveStatus live = a.viewer().live();
      const std::uint64_t wrong =
          live.signatures_checked - checked_before - (live.munros_verified - munros_before);
      MESSAGE(said, " were said, ", wrong, " computed, ", live.signatures_refused, " refused");
      CHECK(said > 4'000);
      CHECK(wrong <= 32 + 16 * 5);
      CHECK(wrong >= 32);
      CHECK(a.viewer().node().endpoint().counters().peers_dropped <= 50);
    }
  }

  TEST_CASE("whom the others left no signature to be computed is not blamed (decision 30)") {
    UnderAttack a(IntegrityMethod::sign_all, 8);
    a.live.run_for(1s);
    a.open_all();
    // They use up what all strangers have together; then the source comes, a stranger as well.
    for (std::uint64_t chunk = 1; chunk <= 2'000; ++chunk) a.forged->sign(chunk, a.ntp());
    for (std::uint64_t chunk = 1; chunk < 6; ++chunk) {
      for (const auto& puppet : a.puppets) puppet->say(a.forged->whole(chunk));
    }
    a.live.run_for(10ms);
    a.viewer().add_peer(a.live.source());
    a.live.run_for(5s);
    CHECK(a.viewer().live().signatures_refused > 0);
    CHECK(a.viewer().tuned_in());
    CHECK_FALSE(a.viewer().wrong());
    CHECK(a.viewer().octets() > 2 * kRate);
    // The eight are gone, or brought nothing; the source is there.
    bool has_source = false;
    for (const ChannelStatus& channel : a.viewer().node().channels(a.viewer().swarm())) {
      has_source |= channel.peer == a.live.source().address() && channel.bytes_received > 0;
    }
    CHECK(has_source);
    const auto status = a.viewer().node().endpoint().status(a.viewer().swarm());
    CHECK(status->chunks_rejected <= status->live->signatures_rejected);
  }

  TEST_CASE(
      "peers that announce everything and give nothing, or choke: nothing is missed (12.6.3)") {
    for (const auto method : {IntegrityMethod::unified_merkle, IntegrityMethod::sign_all}) {
      UnderAttack a(method, 20);
      a.viewer().add_peer(a.live.source());
      a.live.run_for(1s);
      a.open_all();
      for (std::size_t i = 0; i < a.puppets.size(); ++i) {
        std::vector<Message> messages{Have{{0, 1'000'000}}, Have{{2'000'000'000, 2'000'000'001}}};
        for (ChunkIndex hole = 0; hole < 100; ++hole) {
          messages.emplace_back(Have{{3'000'000 + 2 * hole, 3'000'001 + 2 * hole}});
        }
        if (i % 4 == 1) messages.emplace_back(Choke{});
        a.puppets[i]->say(messages);
      }
      a.live.run_for(6s);
      a.check_feed_went_on(7s);
    }
  }

  TEST_CASE("wrong chunks of what is fresh are refused, and their senders dropped (12.6.5 #112)") {
    for (const auto method : {IntegrityMethod::unified_merkle, IntegrityMethod::sign_all}) {
      UnderAttack a(method, 4);
      a.viewer().add_peer(a.live.source());
      a.live.run_for(2s);
      a.open_all();
      const auto wrong = random_content(1'024, seed());
      for (int round = 0; round < 300; ++round) {
        const ChunkIndex newest = a.newest();
        for (const auto& puppet : a.puppets) {
          std::vector<Message> messages{Have{{newest - 8, newest + 8}}};
          for (ChunkIndex chunk = newest - 4; chunk < newest + 4; ++chunk) {
            messages.emplace_back(Data{{chunk, chunk + 1}, 0, wrong});
          }
          puppet->say(messages);
        }
        a.live.run_for(10ms);
        a.live.world().inbox.clear();
      }
      a.check_feed_went_on(5s);
    }
  }

  TEST_CASE("a source takes neither chunks nor signatures from others") {
    LiveWorld live(seed());
    SwarmMetadata metadata;
    metadata.chunks_per_signature = 4;
    live.publish(kRate, metadata);
    live.run_for(2s);
    Puppet puppet(live.world(), live.source(), live.metadata());
    REQUIRE(puppet.open());
    SignedFeed feed(live.metadata(), 4);  // even if they are true
    const std::uint64_t group = live.fed() / 4'096 + 3;
    feed.sign(group, ntp_timestamp(live.world().now(live.source()).wall));
    const LiveStatus before = live.source_status();
    for (ChunkIndex chunk = 4 * group; chunk < 4 * group + 4; ++chunk) {
      puppet.say(feed.whole(chunk));
    }
    puppet.hear(100ms);
    CHECK(live.source_status().window == before.window);
    CHECK(live.source_status().signatures_checked == 0);
    CHECK_FALSE(live.source().endpoint().has_chunk(live.feed(), 4 * group));
  }

  TEST_CASE(
      "peers that never acknowledge what is pushed cost the source little, and others nothing") {
    LiveWorld live(seed());
    live.world().steps_per_check = 2'000;
    SwarmMetadata metadata;
    metadata.chunks_per_signature = 8;
    live.publish(kRate, metadata, {.discard_window = 4'096});
    Viewer& viewer = live.add_viewer();
    viewer.add_peer(live.source());
    constexpr std::size_t kSilent = 10;
    std::vector<std::unique_ptr<Puppet>> puppets;
    for (std::size_t i = 0; i < kSilent; ++i) {
      puppets.push_back(std::make_unique<Puppet>(live.world(), live.source(), live.metadata(), i));
      puppets.back()->say_first();
    }
    live.run_for(20ms);
    for (const auto& puppet : puppets) REQUIRE(puppet->take_answer(puppet->hear(0us)));
    for (int round = 0; round < 100; ++round) {  // 20 s
      // Always interested, never satisfied.
      for (const auto& puppet : puppets) puppet->say({Request{{1'000'000, 1'000'001}}});
      live.run_for(200ms);
      live.world().inbox.clear();
    }
    CHECK(viewer.gaps() == 0);
    CHECK_FALSE(viewer.wrong());
    CHECK(viewer.octets() > 18 * kRate);
    for (const ChannelStatus& channel : live.source().channels(live.feed())) {
      if (channel.peer == viewer.node().address()) continue;
      MESSAGE("sent ", channel.bytes_sent, " in flight ", channel.flight_size);
      CHECK(channel.flight_size <= 64'000);
      CHECK(channel.bytes_sent <= 20 * kRate / 4);
    }
    MESSAGE("pushed ", live.source_status().chunks_pushed);
    // Not more than what is still to be pushed to each, and the honest one's.
    CHECK(live.source_status().chunks_pushed <= live.fed() / 1'024 + kSilent * 2'048);
  }
}

}  // namespace ppspp::test
