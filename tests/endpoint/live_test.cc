// A live feed travels: from its source to viewers, over relays, through losses, to its end (RFC
// 7574, section 6).
#include <doctest/doctest.h>

#include "endpoint/live_world.h"
#include "support/seed.h"

namespace ppspp::test {
namespace {

constexpr std::uint64_t kRate = 500'000;  // 4 Mbit/s
// Where a start that is unlucky, one in some dozens at 5 %, would spoil a share of a thousandth.
constexpr std::uint64_t kSeed = 1'000;
constexpr std::size_t kEthernet = 1'472;  // octets of a datagram that are carried

SwarmMetadata sign_all() {
  SwarmMetadata metadata;
  metadata.integrity = IntegrityMethod::sign_all;
  return metadata;
}

}  // namespace

TEST_SUITE("endpoint/live") {
  TEST_CASE("a viewer plays what the source says, as both methods have it (6.1 #123)") {
    for (const SwarmMetadata& metadata : {SwarmMetadata{}, sign_all()}) {
      LiveWorld live(seed());
      live.publish(kRate, metadata);
      Viewer& viewer = live.add_viewer();
      viewer.add_peer(live.source());
      live.run_for(10s);
      CHECK(viewer.tuned_in());
      CHECK_FALSE(viewer.wrong());
      CHECK(viewer.gaps() == 0);
      CHECK(viewer.octets() > 8 * kRate);
      CHECK(viewer.live().chunks_skipped == 0);
      CHECK(viewer.live().signatures_rejected == 0);
      MESSAGE("median ", viewer.live().latency.median.count(), " us, most ",
              viewer.live().latency.most.count(), " us, ", viewer.live().chunks_per_signature,
              " chunks per signature");
      CHECK(viewer.live().latency.median < 100ms);
    }
  }

  TEST_CASE(
      "one signature covers about 60 ms of the feed, and the window follows it (6.1.2.1 #132)") {
    for (const auto& [rate, width] :
         {std::pair{125'000UL, 8UL}, {500'000UL, 32UL}, {2'500'000UL, 128UL}}) {
      LiveWorld live(seed());
      live.publish(rate);
      live.run_for(3s);
      CHECK(live.source_status().chunks_per_signature == width);
      CHECK(live.source_status().discard_window >= 32'768);
    }
  }

  TEST_CASE("the end of the feed is the end for everybody, wherever it falls (decision 26)") {
    for (const SwarmMetadata& base : {SwarmMetadata{}, sign_all()}) {
      for (const std::uint64_t extra : {0UL, 1UL, 511UL, 1'024UL, 5'000UL, 30'000UL}) {
        CAPTURE(extra);
        SwarmMetadata metadata = base;
        if (base.integrity != IntegrityMethod::sign_all) metadata.chunks_per_signature = 8;
        LiveWorld live(seed());
        live.publish(kRate, metadata);
        Viewer& viewer = live.add_viewer();
        Viewer& second = live.add_viewer();
        viewer.add_peer(live.source());
        second.add_peer(viewer.node());
        live.run_for(3s);
        std::vector<std::byte> rest(static_cast<std::size_t>(extra));
        std::uint64_t offset = live.fed();
        for (std::byte& octet : rest) octet = feed_octet(offset++);
        REQUIRE(
            live.source().endpoint().append(live.feed(), rest, live.world().now(live.source())));
        live.end_feed();
        CHECK(live.run_until([&] { return viewer.at_end() && second.at_end(); }, 5s));
        CHECK(viewer.position() == offset);
        CHECK(second.position() == offset);
        CHECK_FALSE(viewer.wrong());
        CHECK_FALSE(second.wrong());
        CHECK(live.run_until(
            [&] {
              return live.source().endpoint().everybody_has_all(live.feed(),
                                                                live.world().now(live.source())) &&
                     viewer.node().endpoint().everybody_has_all(viewer.swarm(),
                                                                live.world().now(viewer.node()));
            },
            5s));
      }
    }
  }

  TEST_CASE("the end of the feed is told again with keep-alives to who was away (decision 27)") {
    SwarmMetadata metadata;
    metadata.chunks_per_signature = 8;
    LiveWorld live(seed());
    live.publish(kRate, metadata);
    Viewer& viewer = live.add_viewer();
    viewer.add_peer(live.source());
    live.run_for(3s);
    live.source().link = viewer.node().link = LinkOptions{.loss = 1};
    live.end_feed();
    live.run_for(40s);
    CHECK_FALSE(viewer.at_end());
    live.source().link = viewer.node().link = LinkOptions{};
    CHECK(live.run_until([&] { return viewer.at_end(); }, 30s));
    CHECK_FALSE(viewer.wrong());
  }

  TEST_CASE("a chain of relays passes on what it has verified (6.1.2.1 #131)") {
    LiveWorld live(seed());
    live.publish(kRate);
    const Node* before = &live.source();
    for (int i = 0; i < 5; ++i) {
      Viewer& viewer = live.add_viewer();
      viewer.add_peer(*before);
      before = &viewer.node();
    }
    live.run_for(12s);
    for (const auto& viewer : live.viewers()) {
      CHECK(viewer->octets() > 8 * kRate);
      CHECK(viewer->gaps() == 0);
      CHECK_FALSE(viewer->wrong());
    }
    MESSAGE("last hop: median ", live.viewers().back()->live().latency.median.count(), " us");
  }

  TEST_CASE("a late viewer begins behind the edge by its buffer, or at the oldest") {
    LiveWorld live(seed());
    live.publish(kRate);
    live.run_for(20s);
    Viewer& late = live.add_viewer();
    Viewer& oldest = live.add_viewer({.tune_in = TuneIn::oldest});
    late.add_peer(live.source());
    oldest.add_peer(live.source());
    live.run_for(5s);
    CHECK(late.tuned_in());
    CHECK(late.started_at() > 17 * kRate);
    CHECK(late.started_at() < 19'500 * kRate / 1'000);
    CHECK(late.position() > 24 * kRate);
    CHECK(oldest.started_at() == 0);
    CHECK(oldest.position() > 24 * kRate);
    for (const auto& viewer : live.viewers()) {
      CHECK_FALSE(viewer->wrong());
      CHECK(viewer->gaps() == 0);
    }
  }

  TEST_CASE("losses are made good in time") {
    for (const double loss : {0.01, 0.05}) {
      LiveWorld live(seed(), {.delay = 20ms, .loss = loss, .mtu = kEthernet});
      live.publish(kRate);
      Viewer& viewer = live.add_viewer();
      Viewer& second = live.add_viewer();
      viewer.add_peer(live.source());
      second.add_peer(live.source());
      second.add_peer(viewer.node());
      live.run_for(15s);
      for (const auto& v : live.viewers()) {
        MESSAGE("loss ", loss, ": skipped ", v->live().chunks_skipped, ", late ",
                v->live().chunks_late, ", latency median ", v->live().latency.median.count(),
                " p99 ", v->live().latency.p99.count(), ", duplicates ",
                v->node().endpoint().status(v->swarm())->chunks_duplicate, ", unverifiable ",
                v->node().endpoint().status(v->swarm())->chunks_unverifiable);
        CHECK_FALSE(v->wrong());
        CHECK(v->gaps() * 1'000 <= v->octets());
        CHECK(v->octets() > 12 * kRate);
      }
    }
  }

  TEST_CASE("one source alone makes losses good in time, beyond what Reno could, from the start") {
    for (const double loss : {0.01, 0.05}) {
      for (const auto delay : {5ms, 20ms, 40ms}) {
        CAPTURE(loss);
        CAPTURE(delay.count());
        LiveWorld live(kSeed, {.delay = delay, .loss = loss, .mtu = kEthernet});
        live.publish(kRate);
        Viewer& viewer = live.add_viewer();
        viewer.add_peer(live.source());
        live.run_for(12s);
        MESSAGE("skipped ", viewer.live().chunks_skipped, ", latency median ",
                viewer.live().latency.median.count(), " p99 ", viewer.live().latency.p99.count());
        CHECK_FALSE(viewer.wrong());
        CHECK(viewer.gaps() * 1'000 <= viewer.octets());
        CHECK(viewer.octets() > 9 * kRate);
      }
    }
  }

  TEST_CASE("far away the first chunks are waited for until the window is that of a feed") {
    for (const auto joins_after : {0s, 5s}) {
      LiveWorld live(seed(), {.delay = 150ms, .mtu = kEthernet});
      live.publish(kRate);
      live.run_for(joins_after);
      Viewer& viewer = live.add_viewer();
      viewer.add_peer(live.source());
      live.run_for(8s);
      CHECK_FALSE(viewer.wrong());
      CHECK(viewer.gaps() == 0);
      CHECK(viewer.live().chunks_skipped == 0);
      CHECK(live.fed() - viewer.position() < kRate / 2);
    }
  }

  TEST_CASE("losses are made good whatever the chunks are called (4.1 to 4.3)") {
    for (const auto addressing :
         {ChunkAddressing::bin32, ChunkAddressing::byte64, ChunkAddressing::chunk32,
          ChunkAddressing::bin64, ChunkAddressing::chunk64}) {
      CAPTURE(to_string(addressing));
      SwarmMetadata metadata;
      metadata.addressing = addressing;
      LiveWorld live(seed(), {.delay = 10ms, .loss = 0.02});
      live.publish(kRate, metadata);
      Viewer& viewer = live.add_viewer();
      Viewer& second = live.add_viewer();
      viewer.add_peer(live.source());
      second.add_peer(viewer.node());
      live.run_for(6s);
      for (const auto& v : live.viewers()) {
        CHECK_FALSE(v->wrong());
        CHECK(v->octets() > 2 * kRate);
      }
    }
  }

  TEST_CASE("a feed that stalls is waited for") {
    LiveWorld live(seed());
    live.publish(kRate);
    Viewer& viewer = live.add_viewer();
    viewer.add_peer(live.source());
    live.run_for(3s);
    live.pause_feed(true);
    live.run_for(20s);
    live.pause_feed(false);
    live.run_for(5s);
    CHECK(viewer.gaps() == 0);
    CHECK(viewer.live().chunks_skipped == 0);
    CHECK(viewer.octets() > 7 * kRate);
  }

  TEST_CASE(
      "memory is bounded by the window, and what is forgotten is forgotten whole (6.2 #147)") {
    LiveWorld live(seed());
    LiveSourceSettings settings;
    settings.discard_window = 1'000;
    live.publish(kRate, {}, settings);
    Viewer& viewer = live.add_viewer({.discard_window = 500});
    viewer.add_peer(live.source());
    live.run_for(20s);
    CHECK(viewer.gaps() == 0);
    const auto window = viewer.live().window;
    CHECK(window.size() <= 500 + 3 * viewer.live().chunks_per_signature);
    CHECK(viewer.node().endpoint().status(viewer.swarm())->verified_bytes <= window.size() * 1'024);
    CHECK_FALSE(viewer.node().endpoint().has_chunk(viewer.swarm(), 100));
    CHECK_FALSE(live.source().endpoint().has_chunk(live.feed(), 100));
  }

  TEST_CASE("the oldest chunk of the window is there for whoever asks for it") {
    for (const std::uint64_t window : {64UL, 100UL, 1'000UL}) {
      SwarmMetadata metadata;
      metadata.chunks_per_signature = 4;
      LiveSourceSettings settings;
      settings.discard_window = window;
      LiveWorld live(seed());
      live.publish(kRate, metadata, settings);
      live.run_for(4s);
      Viewer& viewer = live.add_viewer({.tune_in = TuneIn::oldest});
      viewer.add_peer(live.source());
      live.run_for(2s);
      CHECK_FALSE(live.source().endpoint().status(live.feed())->store_failed);
      CHECK_FALSE(viewer.wrong());
      CHECK(viewer.octets() > kRate);
    }
  }

  TEST_CASE("who joins at the oldest chunk of a feed that has ended gets all that there is") {
    for (const auto delay : {1ms, 50ms}) {
      LiveWorld live(seed(), {.delay = delay});
      live.publish(50'000);
      Viewer& first = live.add_viewer();
      first.add_peer(live.source());
      live.run_for(8s);
      live.end_feed();
      CHECK(live.run_until([&] { return first.at_end(); }, 5s));
      Viewer& second = live.add_viewer({.tune_in = TuneIn::oldest});
      second.add_peer(first.node());
      CHECK(live.run_until([&] { return second.at_end(); }, 10s));
      CHECK(second.started_at() == first.started_at());
      CHECK(second.gaps() == 0);
      CHECK_FALSE(second.wrong());
    }
  }

  TEST_CASE("a source that died and came back is found again (decision 28)") {
    LiveWorld live(seed());
    live.publish(kRate);
    Viewer& viewer = live.add_viewer();
    viewer.add_peer(live.source());
    live.run_for(5s);
    const std::uint64_t before = viewer.octets();
    LiveSourceSettings settings;
    settings.first_chunk = 100'000;
    live.restart_source(settings);
    live.run_for(20s);
    CHECK(viewer.octets() > before + 8 * kRate);
    CHECK(viewer.position() > 100'000 * 1'024);
    CHECK(viewer.live().chunks_skipped <
          2'500);  // of what the new run had said before it was found
    CHECK_FALSE(viewer.wrong());
  }

  TEST_CASE("a source with little upload feeds many who help each other, also when a third dies") {
    EndpointOptions limited;
    limited.upload_limit = 3 * 125'000;
    LiveWorld live(seed(), {.delay = 10ms});
    live.world().max_steps = 100'000'000;
    live.world().steps_per_check = 50'000;
    live.publish(125'000, {}, {}, limited);
    constexpr std::size_t kViewers = 30;
    for (std::size_t i = 0; i < kViewers; ++i) live.add_viewer();
    for (std::size_t i = 0; i < kViewers; ++i) {
      Viewer& viewer = *live.viewers()[i];
      viewer.add_peer(live.source());
      for (int k = 0; k < 6; ++k) {
        const std::size_t other = live.world().random().below(kViewers);
        if (other != i) viewer.add_peer(live.viewers()[other]->node());
      }
    }
    const auto skipped = [&] {
      std::uint64_t sum = 0;
      for (const auto& viewer : live.viewers())
        sum += viewer->gone ? 0 : viewer->live().chunks_skipped;
      return sum;
    };
    live.run_for(5s);
    const std::uint64_t before = skipped();
    live.run_for(8s);
    MESSAGE("skipped ", before, " in the first 5 s, ", skipped() - before, " in the next 8 s");
    CHECK((skipped() - before) * 1'000 <= kViewers * 8 * 122);
    for (std::size_t i = 0; i < kViewers / 3; ++i) {
      live.viewers()[i]->gone = true;
      live.world().pause(live.viewers()[i]->node(), true);
    }
    const std::uint64_t at_death = skipped();
    live.run_for(8s);
    MESSAGE("skipped after the death of a third: ", skipped() - at_death);
    // What was on its way over the dead is late for some: from nothing to a few in a thousand.
    CHECK((skipped() - at_death) * 100 <= kViewers * 8 * 122);
    Microseconds latency{0};
    for (const auto& viewer : live.viewers()) {
      if (viewer->gone) continue;
      CHECK_FALSE(viewer->wrong());
      CHECK(viewer->octets() > 18 * 125'000);
      latency = std::max(latency, viewer->live().latency.p99);
    }
    const Viewer& last = *live.viewers().back();
    MESSAGE("median ", live.viewers().back()->live().latency.median.count(), " of ",
            last.octets() / 1'024, " chunks, duplicates ",
            live.viewers().back()->node().endpoint().status(last.swarm())->chunks_duplicate);
    MESSAGE("source sent ", live.source().endpoint().status(live.feed())->uploaded_bytes, " of ",
            live.fed());
    MESSAGE("p99 of the slowest ", latency.count(), " us; chunks pushed ",
            live.source_status().chunks_pushed);
  }
}

}  // namespace ppspp::test
