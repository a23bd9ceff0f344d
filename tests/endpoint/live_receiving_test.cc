// What a viewer makes of what peers send that are played by hand (RFC 7574, 3.7, 6.1, 6.2).
#include <doctest/doctest.h>

#include <algorithm>
#include <set>

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

// A viewer, and peers that are played by hand.
struct Following {
  explicit Following(const SwarmMetadata& of = feed_metadata(), const LiveSettings& settings = {})
      : world(seed(), {.delay = 5ms}),
        metadata(of),
        feed(of, of.integrity == IntegrityMethod::sign_all ? 1 : kWidth) {
    world.clocks_agree = true;
    node = &world.add_node();
    viewer = std::make_unique<Viewer>(*node, metadata, settings);
    peer = std::make_unique<Puppet>(world, *node, metadata);
  }
  std::unique_ptr<Puppet> another(std::size_t index) {
    return std::make_unique<Puppet>(world, *node, metadata, index);
  }
  std::uint64_t ntp(Microseconds ago = 0us) const {
    const std::uint64_t us = world.now(*node).wall.microseconds;
    return ntp_timestamp({us - static_cast<std::uint64_t>(ago.count())});
  }
  // Groups that were signed 50 ms one after the other, the last one just now.
  void sign(std::uint64_t first, std::uint64_t last) {
    for (std::uint64_t group = first; group <= last; ++group) {
      feed.sign(group, ntp(50ms * static_cast<std::int64_t>(last - group)));
    }
  }
  static std::vector<Message> join(std::vector<Message> a, const std::vector<Message>& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
  }
  std::set<ChunkIndex> asked(Puppet& of, Microseconds time = 60ms) {
    std::set<ChunkIndex> chunks;
    for (const Request& request : of.hear_all<Request>(time)) {
      for (ChunkIndex c = request.chunks.begin; c < request.chunks.end; ++c) chunks.insert(c);
    }
    return chunks;
  }
  void serve(Puppet& by, Microseconds time) {
    for (Microseconds passed{0}; passed < time; passed += 20ms) {
      for (const ChunkIndex chunk : asked(by, 20ms)) by.say(feed.whole(chunk));
    }
  }
  bool has(ChunkIndex chunk) { return node->endpoint().has_chunk(viewer->swarm(), chunk); }

  World world;
  SwarmMetadata metadata;
  SignedFeed feed;
  Node* node;
  std::unique_ptr<Viewer> viewer;
  std::unique_ptr<Puppet> peer;
};

}  // namespace

TEST_SUITE("endpoint/live_receiving") {
  TEST_CASE("what nobody asked for is taken, acknowledged and announced (3.7 #154, 6.1.2.4 #142)") {
    for (const auto method : {IntegrityMethod::unified_merkle, IntegrityMethod::sign_all}) {
      Following f(feed_metadata(method));
      const auto watcher = f.another(9);
      REQUIRE(watcher->open());
      REQUIRE(f.peer->open());
      f.peer->hear();
      watcher->hear(1ms);
      f.sign(0, 3);
      f.peer->say(f.feed.whole(1));
      std::vector<ChunkRange> acked;
      for (const Ack& ack : f.peer->hear_all<Ack>()) acked.push_back(ack.chunks);
      CHECK(acked == std::vector<ChunkRange>{{1, 2}});
      std::vector<ChunkRange> announced;
      for (const Have& have : watcher->hear_all<Have>()) announced.push_back(have.chunks);
      CHECK(announced == std::vector<ChunkRange>{{1, 2}});
    }
  }

  TEST_CASE(
      "a chunk is believed and passed on only under a munro that was verified (6.1.2.1 #131)") {
    Following f;
    const auto watcher = f.another(9);
    REQUIRE(watcher->open());
    REQUIRE(f.peer->open());
    watcher->hear();
    f.peer->hear(1ms);
    f.sign(0, 0);
    f.peer->say(f.feed.uncles_and_data(2));  // hashes that fit together, and no signature
    f.peer->say(Following::join({f.feed.munro_hash(0)}, f.feed.uncles_and_data(3)));
    CHECK(f.peer->hear_all<Ack>().empty());
    CHECK(watcher->hear_all<Have>().empty());
    CHECK(f.peer->hear_all<Ack>(300ms).empty());
    CHECK(f.viewer->live().munros_verified == 0);
    f.peer->say(f.feed.munro(0));
    f.peer->say(f.feed.uncles_and_data(2));
    CHECK(f.peer->hear_all<Ack>().size() == 1);
    CHECK(f.has(2));
    CHECK_FALSE(f.has(3));
  }

  TEST_CASE(
      "a peer is asked for the chunk behind whose munro it can be tuned in to, and for no more "
      "(6.1.2.3)") {
    // A peer that pulls, and says no munro but with a chunk.
    Following f;
    f.sign(0, 29);
    REQUIRE(f.peer->open({Have{{0, 120}}}));
    const auto first = f.asked(*f.peer);
    CHECK(first == std::set<ChunkIndex>{119});
    f.peer->say(f.feed.whole(119));
    std::set<ChunkIndex> served;
    for (int i = 0; i < 40; ++i) {
      for (const ChunkIndex chunk : f.asked(*f.peer, 20ms)) {
        f.peer->say(f.feed.whole(chunk));
        served.insert(chunk);
      }
      f.viewer->read();
    }
    CHECK(f.viewer->tuned_in());
    CHECK_FALSE(f.viewer->wrong());
    CHECK(f.viewer->position() == 120 * 1'024);
    CHECK(f.viewer->gaps() == 0);
    CHECK(f.viewer->octets() >= kWidth * 1'024);
  }

  TEST_CASE("the newest of several peers' munros says where the feed is (6.1.2.4 #142)") {
    Following f;
    f.sign(0, 59);
    const auto other = f.another(1);
    REQUIRE(f.peer->open(Following::join({Have{{0, 240}}}, f.feed.munro(20))));
    REQUIRE(other->open(Following::join({Have{{0, 240}}}, f.feed.munro(59))));
    std::set<ChunkIndex> all = f.asked(*f.peer, 200ms);
    all.merge(f.asked(*other, 100ms));
    CHECK(f.viewer->live().tuned_in);
    REQUIRE(!all.empty());
    // 1.5 s behind the newest are 30 groups; what was asked before was for the munro.
    CHECK(f.viewer->live().position == 29 * kWidth);
    CHECK(f.viewer->live().munros_verified == 2);
    CHECK(*all.begin() >= 20 * kWidth);
  }

  TEST_CASE("a peer is asked for nothing that fell out of its window (6.2 #148)") {
    Following f(feed_metadata(), {.tune_in = TuneIn::oldest});
    f.sign(0, 29);
    f.peer->discard_window = 24;
    REQUIRE(f.peer->open(Following::join({Have{{0, 100}}}, f.feed.munro(24))));
    auto asked = f.asked(*f.peer, 300ms);
    REQUIRE(!asked.empty());
    CHECK(*asked.begin() >= 76);
    f.peer->say(Following::join({Have{{100, 120}}}, f.feed.munro(29)));
    f.peer->hear(1ms);
    asked = f.asked(*f.peer, 300ms);
    for (const ChunkIndex chunk : asked) CHECK(chunk >= 96);
    // Of one that keeps all, everything.
    const auto other = f.another(1);
    REQUIRE(other->open({Have{{76, 120}}}));
    asked = f.asked(*other, 800ms);
    REQUIRE(!asked.empty());
    CHECK(*asked.begin() == 76);
  }

  TEST_CASE(
      "a viewer hands its rightmost munro on: not in the second datagram, but in the fourth "
      "(6.1.2.4 #138 #140)") {
    Following f;
    f.sign(0, 2);
    REQUIRE(f.peer->open(f.feed.munro(2)));
    f.peer->hear();
    const auto other = f.another(1);
    other->say_first();
    const auto second = other->hear();
    REQUIRE(second.size() == 1);
    CHECK_FALSE(second[0].has<SignedIntegrity>());
    REQUIRE(other->take_answer(second));
    f.peer->say(f.feed.whole(9));  // something to be said
    const auto fourth = other->hear();
    REQUIRE(!fourth.empty());
    CHECK(fourth[0].has<Have>());
    const auto told = fourth[0].all<SignedIntegrity>();
    REQUIRE(told.size() == 1);
    CHECK(told[0].chunks == ChunkRange{8, 12});
    CHECK(told[0].ntp_timestamp == f.feed.signature(2).ntp_timestamp);
    CHECK(std::ranges::equal(told[0].signature, f.feed.signature(2).signature));
    CHECK(std::ranges::equal(fourth[0].all<Integrity>()[0].hash, f.feed.munro_hash(2).hash));
    // Who told us knows it.
    f.peer->say({Have{{0, 1}}});
    CHECK(f.peer->hear_all<SignedIntegrity>(400ms).empty());
  }

  TEST_CASE("a viewer's window is told in its handshake (6.2 #147, 7.9 #218)") {
    for (const std::uint64_t window : {std::uint64_t{0}, std::uint64_t{500}}) {
      Following f(feed_metadata(), {.discard_window = window});
      f.peer->say_first();
      const auto second = f.peer->hear();
      REQUIRE(second.size() == 1);
      const auto told = second[0].all<Handshake>()[0].options.live_discard_window;
      CHECK(told == (window == 0 ? 32'768 : window));
    }
  }

  TEST_CASE("a munro may come in a datagram of its own, or twice, or behind its chunk (6.1.2.3)") {
    Following f;
    f.sign(0, 3);
    REQUIRE(f.peer->open(f.feed.munro(1)));
    f.peer->hear();
    f.peer->say(f.feed.munro(1));
    f.peer->hear();
    CHECK(f.viewer->live().signatures_checked == 1);
    CHECK(f.viewer->live().munros_verified == 1);
    f.peer->say(Following::join(f.feed.uncles_and_data(9), f.feed.munro(2)));
    CHECK(f.peer->hear_all<Ack>().size() == 1);
    CHECK(f.has(9));
  }

  TEST_CASE("Sign All: a signature may come in a datagram before its chunk (6.1.1 #127)") {
    Following f(feed_metadata(IntegrityMethod::sign_all));
    f.sign(0, 3);
    REQUIRE(f.peer->open());
    f.peer->hear();
    f.peer->say(f.feed.munro(2));
    f.peer->hear(20ms);
    f.peer->say({f.feed.data(2)});
    CHECK(f.peer->hear_all<Ack>().size() == 1);
    CHECK(f.has(2));
    // Another peer's signature proves nothing of this one's chunk before it was checked with it.
    const auto other = f.another(1);
    REQUIRE(other->open(f.feed.munro(3)));
    other->hear(20ms);
    f.peer->say({f.feed.data(3)});
    CHECK(f.peer->hear_all<Ack>().empty());
  }

  TEST_CASE("a peer that chokes is not asked, and another is instead (3.9 #160 #163)") {
    Following f;
    f.sign(0, 29);
    const auto other = f.another(1);
    REQUIRE(f.peer->open(Following::join({Have{{0, 120}}}, f.feed.munro(29))));
    CHECK(!f.asked(*f.peer).empty());
    f.peer->say({Choke{}});
    f.peer->hear(20ms);
    REQUIRE(other->open({Have{{0, 120}}}));
    CHECK(f.asked(*f.peer, 1ms).empty());
    const auto instead = f.asked(*other, 500ms);
    CHECK(instead.size() >= kWidth);
    CHECK(f.asked(*f.peer, 1s).empty());
    f.peer->say({Unchoke{}});
    CHECK(!f.asked(*f.peer, 2s).empty());
  }

  TEST_CASE("the mark of the end ends it, as both methods have it (decision 26)") {
    for (const auto method : {IntegrityMethod::unified_merkle, IntegrityMethod::sign_all}) {
      const bool sign_all = method == IntegrityMethod::sign_all;
      CAPTURE(sign_all);
      Following f(feed_metadata(method), {.tune_in = TuneIn::oldest});
      const std::uint64_t groups = sign_all ? 8 : 2;
      f.sign(0, groups - 1);
      REQUIRE(f.peer->open({Have{{0, 8}}}));
      f.peer->hear(20ms);
      for (ChunkIndex chunk = 0; chunk < 8; ++chunk) f.peer->say(f.feed.whole(chunk));
      f.peer->hear(400ms);
      f.viewer->read();
      CHECK(f.viewer->position() == 8 * 1'024);
      CHECK_FALSE(f.viewer->at_end());
      f.feed.sign(groups, f.ntp(), 0);
      f.peer->say(f.feed.munro(groups));
      f.peer->hear(500ms);
      CHECK(f.viewer->at_end());
      CHECK(f.node->endpoint().feed_length(f.viewer->swarm()) == 8 * 1'024);
      CHECK(f.viewer->live().ended);
      CHECK(f.viewer->live().signatures_rejected == 0);
      // What was said to be over stays over, also when the source starts again (decision 28).
      f.sign(1'000, 1'001);
      f.peer->say(f.feed.whole(1'000 * f.feed.width()));
      f.peer->hear(500ms);
      CHECK(f.node->endpoint().feed_length(f.viewer->swarm()) == 8 * 1'024);
      CHECK(f.viewer->live().position == 8);
      CHECK(f.has(7));
      // It is handed on.
      const auto late = f.another(1);
      REQUIRE(late->open());
      bool told = false;
      for (const SignedIntegrity& mark : late->hear_all<SignedIntegrity>()) {
        told |= mark.chunks.begin == groups * (sign_all ? 1 : kWidth);
      }
      CHECK(told);
    }
  }

  TEST_CASE(
      "after a jump of a restarted source the old mark of the end is nothing any more (decision "
      "28)") {
    for (const auto method : {IntegrityMethod::unified_merkle, IntegrityMethod::sign_all}) {
      const bool sign_all = method == IntegrityMethod::sign_all;
      CAPTURE(sign_all);
      const std::uint64_t width = sign_all ? 1 : kWidth;
      Following f(feed_metadata(method), {.buffer = 300ms});
      f.sign(0, 9);
      REQUIRE(f.peer->open({Have{{0, 10 * width}}}));
      f.serve(*f.peer, 500ms);
      f.feed.sign(10, f.ntp(), 0);
      // It goes on far behind, and an old peer that does not know tells the old end.
      const std::uint64_t again = 100'000;
      f.sign(again, again + 3);
      f.peer->say(Following::join({Have{{again * width, (again + 4) * width}}},
                                  f.feed.whole(again * width)));
      f.peer->hear(20ms);
      const auto old = f.another(1);
      REQUIRE(old->open(f.feed.munro(10)));
      for (ChunkIndex c = again * width; c < (again + 4) * width; ++c) f.peer->say(f.feed.whole(c));
      f.peer->hear(2s);
      f.viewer->read();
      CHECK_FALSE(f.viewer->live().ended);
      CHECK_FALSE(f.viewer->wrong());
      CHECK(f.viewer->position() == (again + 4) * width * 1'024);
    }
  }

  TEST_CASE(
      "a peer that announces what lies far ahead is asked for its newest chunk, which shows that "
      "the source has started again (decision 28)") {
    for (const auto method : {IntegrityMethod::unified_merkle, IntegrityMethod::sign_all}) {
      const bool sign_all = method == IntegrityMethod::sign_all;
      CAPTURE(sign_all);
      const std::uint64_t width = sign_all ? 1 : kWidth;
      Following f(feed_metadata(method), {.buffer = 300ms});
      f.sign(0, 9);
      REQUIRE(f.peer->open({Have{{0, 10 * width}}}));
      f.serve(*f.peer, 500ms);
      REQUIRE(f.viewer->live().position == 10 * width);
      const std::uint64_t again = 100'000;
      f.sign(again, again + 3);
      const ChunkIndex end = (again + 4) * width;
      f.peer->say({Have{{again * width, end}}});
      CHECK(f.asked(*f.peer) == std::set<ChunkIndex>{end - 1});
      f.peer->say(f.feed.whole(end - 1));
      CHECK(f.peer->hear_all<Ack>(1ms).empty());
      f.world.run_for(30ms);
      CHECK(f.has(end - 1));
      f.serve(*f.peer, 1s);
      f.viewer->read();
      CHECK(f.viewer->position() == end * 1'024);
      CHECK_FALSE(f.viewer->wrong());
      // A lie costs a REQUEST now and then.
      f.peer->say({Have{{900'000, 900'001}}});
      std::size_t asked = 0;
      for (const Request& request : f.peer->hear_all<Request>(10s)) {
        CHECK(request.chunks == ChunkRange{900'000, 900'001});
        ++asked;
      }
      CHECK(asked >= 1);
      CHECK(asked <= 20);
    }
  }
}

}  // namespace ppspp::test
