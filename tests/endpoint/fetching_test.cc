// What a download says to a peer that is played by hand (RFC 7574, 3.2 to 3.9, 4.3, 12.6).
#include <doctest/doctest.h>

#include <set>

#include "endpoint/puppet.h"
#include "support/seed.h"

namespace ppspp::test {
namespace {

struct Fetching {
  explicit Fetching(std::size_t size = 50'000, std::uint64_t s = seed())
      : world(s, {.delay = 5ms}), original(size, s) {
    node = &world.add_node();
    node->join(original.metadata);
    peer = std::make_unique<Puppet>(world, *node, original.metadata);
  }
  // A second peer that has nothing, to see what is announced.
  std::unique_ptr<Puppet> watcher() {
    auto watching = std::make_unique<Puppet>(world, *node, original.metadata, 9);
    REQUIRE(watching->open());
    watching->hear();
    return watching;
  }
  std::set<ChunkIndex> requested(Microseconds time = 60ms) { return requested_of(*peer, time); }
  static std::set<ChunkIndex> requested_of(Puppet& from, Microseconds time = 60ms) {
    std::set<ChunkIndex> chunks;
    for (const Request& request : from.hear_all<Request>(time)) {
      for (ChunkIndex c = request.chunks.begin; c < request.chunks.end; ++c) chunks.insert(c);
    }
    return chunks;
  }
  Data wrong(ChunkIndex chunk) const {
    static const auto kWrong = random_content(1'024, 4711);
    return {{chunk, chunk + 1}, 0, kWrong};
  }

  World world;
  Original original;
  Node* node;
  std::unique_ptr<Puppet> peer;
};

}  // namespace

TEST_SUITE("endpoint/fetching") {
  TEST_CASE("a verified chunk is acknowledged with its delay sample (3.4 #77 #79 #80, 8.7 #84)") {
    Fetching f;
    REQUIRE(f.peer->open({Have{{0, 49}}}));
    CHECK(f.requested().size() == 49);
    const std::uint64_t wall = f.world.now(*f.node).wall.microseconds;
    f.peer->say(f.original.with_proof(0, wall - 12'345));
    const auto acks = f.peer->hear_all<Ack>();
    REQUIRE(acks.size() == 1);
    CHECK(acks[0].chunks == ChunkRange{0, 1});
    CHECK(acks[0].one_way_delay_us == 12'345 + 5'000);  // plus the link's
  }

  TEST_CASE("chunks that came together are acknowledged with the delay of the newest (8.7 #84)") {
    Fetching f;
    REQUIRE(f.peer->open({Have{{0, 49}}}));
    f.peer->hear();
    const std::uint64_t wall = f.world.now(*f.node).wall.microseconds;
    f.peer->say(f.original.with_proof(0, wall - 30'000));
    f.peer->say(f.original.with_proof(1, wall - 20'000));
    f.peer->say(f.original.with_proof(2, wall - 12'345));
    const auto acks = f.peer->hear_all<Ack>();
    REQUIRE(!acks.empty());
    for (const Ack& ack : acks) CHECK(ack.one_way_delay_us == 12'345 + 5'000);
    CHECK(acks.back().chunks.end == 3);
  }

  TEST_CASE("delays of clocks that differ by anything are samples all the same (ambiguity 14)") {
    Fetching f;
    REQUIRE(f.peer->open({Have{{0, 49}}}));
    f.peer->hear();
    for (const std::uint64_t stamp :
         {std::uint64_t{0}, ~std::uint64_t{0}, std::uint64_t{1} << 63}) {
      static ChunkIndex chunk = 0;
      f.peer->say(f.original.with_proof(chunk++, stamp));
      const std::uint64_t wall = f.world.now(*f.node).wall.microseconds + 5'000;
      const auto acks = f.peer->hear_all<Ack>();
      REQUIRE(acks.size() == 1);
      CHECK(static_cast<std::uint64_t>(acks[0].one_way_delay_us) == wall - stamp);
    }
  }

  TEST_CASE("ACK names the biggest interval around the chunk (4.3.2 #83)") {
    Fetching f;
    REQUIRE(f.peer->open({Have{{0, 49}}}));
    f.peer->hear();
    for (const ChunkIndex chunk : {4U, 6U, 5U}) {
      f.peer->say(f.original.with_proof(chunk));
      f.peer->hear();
    }
    f.peer->say(f.original.with_proof(7));
    const auto acks = f.peer->hear_all<Ack>();
    REQUIRE(acks.size() == 1);
    CHECK(acks[0].chunks == ChunkRange{4, 8});
  }

  TEST_CASE("a duplicate is acknowledged again: the ACK may have been lost (8.2 #236)") {
    Fetching f;
    REQUIRE(f.peer->open({Have{{0, 49}}}));
    f.peer->hear();
    f.peer->say(f.original.with_proof(3));
    CHECK(f.peer->hear_all<Ack>().size() == 1);
    f.peer->say(f.original.with_proof(3));
    const auto again = f.peer->hear_all<Ack>();
    REQUIRE(again.size() == 1);
    CHECK(again[0].chunks == ChunkRange{3, 4});
    CHECK(f.node->status().verified_bytes == 1'024);
  }

  TEST_CASE("HAVE goes to who has not everything, as the biggest interval (#57 #60 #62 #63)") {
    Fetching f;
    const auto watcher = f.watcher();
    REQUIRE(f.peer->open({Have{{0, 49}}}));
    f.peer->hear();
    std::vector<ChunkRange> announced;
    for (const ChunkIndex chunk : {8U, 10U, 9U}) {
      f.peer->say(f.original.with_proof(chunk));
      for (const Heard& heard : f.peer->hear()) CHECK_FALSE(heard.has<Have>());  // complete
      for (const Have& have : watcher->hear_all<Have>(1ms)) announced.push_back(have.chunks);
    }
    CHECK(announced == std::vector<ChunkRange>{{8, 9}, {10, 11}, {8, 11}});
  }

  TEST_CASE("a wrong chunk is neither acknowledged nor announced (#58 #79 #92)") {
    Fetching f;
    const auto watcher = f.watcher();
    REQUIRE(f.peer->open({Have{{0, 49}}}));
    f.peer->hear();
    auto messages = f.original.with_proof(5);
    messages.back() = f.wrong(5);
    f.peer->say(messages);
    for (const Heard& heard : f.peer->hear()) CHECK_FALSE(heard.has<Ack>());
    CHECK(watcher->hear_all<Have>().empty());
    CHECK(f.node->status().chunks_rejected == 1);
    CHECK(f.node->status().verified_bytes == 0);
  }

  TEST_CASE("DATA without its hashes is dropped and asked for again (5.3 #99)") {
    Fetching f;
    REQUIRE(f.peer->open({Have{{0, 49}}}));
    f.peer->hear();
    f.peer->say({f.original.data(5)});
    CHECK(f.requested(2s).contains(5));  // not necessarily at once
    CHECK(f.node->status().chunks_unverifiable == 1);
    CHECK(f.node->status().chunks_rejected == 0);
    f.peer->say(f.original.with_proof(5));
    f.peer->hear();
    CHECK(f.node->status().verified_bytes == 1'024);
  }

  TEST_CASE("hashes that came in earlier datagrams count (5.3 #93 #98)") {
    Fetching f;
    REQUIRE(f.peer->open({Have{{0, 49}}}));
    f.peer->hear();
    auto messages = f.original.with_proof(5);
    const Message data = messages.back();
    messages.pop_back();
    const std::vector<Message> front(messages.begin(), messages.begin() + 3);
    f.peer->say(front);
    f.peer->say(std::vector<Message>(messages.begin() + 3, messages.end()));
    f.peer->say({data});
    f.peer->hear();
    CHECK(f.node->status().verified_bytes == 1'024);
  }

  TEST_CASE("several chunks in one datagram, each right behind its hashes (3.3 #70)") {
    Fetching f;
    REQUIRE(f.peer->open({Have{{0, 49}}}));
    f.peer->hear();
    std::vector<Message> messages = f.original.with_proof(0);
    for (const ChunkIndex chunk : {1U, 2U, 3U, 20U}) {
      const auto more = f.original.with_proof(chunk);
      messages.insert(messages.end(), more.begin(), more.end());
    }
    f.peer->say(messages);
    f.peer->hear();
    CHECK(f.node->status().verified_bytes == 5 * 1'024);
  }

  TEST_CASE(
      "of many chunks that come at once the wrong ones are refused, and they alone (12.6.5)") {
    Rng rng(seed());
    for (const std::size_t wrong : {0U, 1U, 2U, 5U}) {
      Fetching f;
      REQUIRE(f.peer->open({Have{{0, 49}}}));
      f.peer->hear();
      std::set<ChunkIndex> refused;
      while (refused.size() < wrong) refused.insert(rng.below(20));
      std::vector<Message> messages;
      for (ChunkIndex chunk = 0; chunk < 20; ++chunk) {
        auto more = f.original.with_proof(chunk);
        if (refused.contains(chunk)) more.back() = f.wrong(chunk);
        messages.insert(messages.end(), more.begin(), more.end());
      }
      f.peer->say(messages);
      f.peer->hear();
      CHECK(f.node->status().chunks_rejected == wrong);
      CHECK(f.node->status().chunks_unverifiable == 0);
      CHECK(f.node->status().verified_bytes == (20 - wrong) * 1'024);
    }
  }

  TEST_CASE("all the chunks under a node need no more than the proof of the first (5.3, 5.4)") {
    Fetching f;
    REQUIRE(f.peer->open({Have{{0, 49}}}));
    f.peer->hear();
    std::vector<Message> messages = f.original.with_proof(16);
    for (ChunkIndex chunk = 17; chunk < 32; ++chunk) messages.push_back(f.original.data(chunk));
    f.peer->say(messages);
    f.peer->hear();
    CHECK(f.node->status().verified_bytes == 16 * 1'024);
    // Whoever asks for one of them gets what proves it.
    const auto watcher = f.watcher();
    watcher->say({Request{{21, 22}}});
    const auto hashes = watcher->hear_all<Integrity>();
    CHECK(hashes.size() + 1 == f.original.with_proof(21).size());
  }

  TEST_CASE("a chunk that comes twice in a batch counts once, among many that follow as well") {
    for (const bool alone_first : {true, false}) {
      Fetching f;
      REQUIRE(f.peer->open({Have{{0, 49}}}));
      f.peer->hear();
      Puppet other(f.world, *f.node, f.original.metadata, 5);
      REQUIRE(other.open({Have{{0, 49}}}));
      f.peer->say({Choke{}});  // the other is asked, and what is in flight may still come
      REQUIRE(Fetching::requested_of(other, 100ms).size() >= 48);
      std::vector<Message> many = f.original.with_proof(16);
      for (ChunkIndex chunk = 17; chunk < 32; ++chunk) many.push_back(f.original.data(chunk));
      const Now now = f.world.now(*f.node);
      const auto once = f.peer->octets(f.peer->remote, f.original.with_proof(21));
      const auto run = other.octets(other.remote, many);
      Endpoint& endpoint = f.node->endpoint();
      if (alone_first) endpoint.handle_datagram(once, f.peer->address(), now);
      endpoint.handle_datagram(run, other.address(), now);
      if (!alone_first) endpoint.handle_datagram(once, f.peer->address(), now);
      endpoint.flush(now);
      endpoint.check_invariants();
      CHECK(f.node->status().verified_bytes == 16 * 1'024);
      CHECK(f.node->status().downloaded_bytes == 16 * 1'024);
      CHECK(f.node->status().chunks_duplicate == 1);
      CHECK(f.node->status().chunks_rejected == 0);
    }
  }

  TEST_CASE("HAVE is an update: what was announced before still counts (3.2 #66)") {
    Fetching f;
    REQUIRE(f.peer->open({Have{{0, 10}}}));
    f.peer->say({Have{{20, 30}}});
    const auto chunks = f.requested();
    CHECK(chunks.size() == 20);
    CHECK(chunks.contains(0));
    CHECK(chunks.contains(29));
    CHECK_FALSE(chunks.contains(15));
  }

  TEST_CASE("nothing is asked for that the peer has not announced, nor twice (3.7)") {
    Fetching f;
    REQUIRE(f.peer->open());
    CHECK(f.requested(500ms).empty());
    f.peer->say({Have{{7, 9}}});
    CHECK(f.requested() == std::set<ChunkIndex>{7, 8});
    f.peer->say({Have{{7, 9}}});
    CHECK(f.requested().empty());
  }

  TEST_CASE(
      "a REQUEST that nothing answers is said again, once, before its peer counts as stalled") {
    Fetching f;
    REQUIRE(f.peer->open({Have{{0, 49}}}));
    CHECK(f.requested().size() == 49);  // lost, as it were
    CHECK(f.requested(200ms).empty());
    CHECK(f.requested(200ms).size() == 49);
    CHECK(f.requested(400ms).empty());
    // What has come since is not asked for; the rest is, in the next silence.
    const std::uint64_t wall = f.world.now(*f.node).wall.microseconds;
    for (ChunkIndex c = 0; c < 9; ++c) f.peer->say(f.original.with_proof(c, wall));
    CHECK(f.requested(200ms).empty());
    const auto again = f.requested(200ms);
    REQUIRE(again.size() == 40);
    CHECK(*again.begin() == 9);
  }

  TEST_CASE("choked: no REQUEST, and HAVE does not change that; UNCHOKE does (#160 #161 #158)") {
    Fetching f;
    REQUIRE(f.peer->open({Have{{0, 10}}}));
    CHECK(f.requested().size() == 10);
    f.peer->say({Choke{}});
    CHECK(f.requested(2s).empty());
    f.peer->say({Have{{0, 49}}});
    CHECK(f.requested(5s).empty());
    f.peer->say({Unchoke{}});
    CHECK(f.requested().size() == 49);  // the old ones anew: they were discarded (#159)
  }

  TEST_CASE("what a choked peer sends after all is taken; others are asked (2.2 #163, ambig. 18)") {
    Fetching f;
    REQUIRE(f.peer->open({Have{{0, 49}}}));
    f.peer->hear();
    Puppet other(f.world, *f.node, f.original.metadata, 5);
    REQUIRE(other.open({Have{{0, 49}}}));
    auto asked = Fetching::requested_of(other);  // the end may be asked for twice
    f.peer->say({Choke{}});
    f.peer->say(f.original.with_proof(0));  // was in flight
    asked.merge(Fetching::requested_of(other, 100ms));
    CHECK(asked.size() >= 47);
    CHECK(f.node->status().verified_bytes == 1'024);
  }

  TEST_CASE("chunks that nobody asked for are kept within bounds (12.6.3)") {
    Fetching f(5'000'000);
    REQUIRE(f.peer->open());  // announces nothing, so nothing is asked of it
    f.peer->hear();
    for (ChunkIndex chunk = 0; chunk < 300; ++chunk) f.peer->say(f.original.with_proof(chunk));
    f.peer->hear();
    CHECK(f.node->status().verified_bytes <= 64 * 1'024);
    for (int i = 0; i < 5'000; ++i) f.peer->say(f.original.with_proof(4'000));
    f.peer->hear();
    CHECK(f.node->status().channels == 0);  // dropped in the end
  }

  TEST_CASE(
      "a peer that sends wrong chunks is dropped and not asked again for long; the content "
      "comes from the good one (12.6.5 #112)") {
    for (std::uint64_t i = 0; i < 3; ++i) {
      CAPTURE(i);
      Fetching f(500'000, seed() + i);
      Node& good = f.world.add_node();
      good.link = LinkOptions{.delay = 5ms, .rate = 50'000, .queue = 20'000};
      good.seed(f.original.octets);
      f.node->endpoint().add_peer(f.node->swarm(), f.peer->address(), f.world.now(*f.node));
      REQUIRE(f.peer->accept({Have{{0, 489}}}));
      f.node->add_peer(f.node->swarm(), good);
      std::size_t sent = 0;
      for (int round = 0; round < 1'000 && !f.node->status().complete; ++round) {
        for (const Heard& heard : f.peer->hear(20ms)) {
          if (heard.has<Handshake>() && heard.to.value == 0) {  // called again
            f.peer->remote = heard.all<Handshake>()[0].source;
            f.peer->say({Handshake{f.peer->own, f.peer->options(false)}, Have{{0, 489}}});
          }
          for (const Request& request : heard.all<Request>()) {
            for (ChunkIndex c = request.chunks.begin; c < request.chunks.end; ++c) {
              auto messages = f.original.with_proof(c);
              messages.back() = f.wrong(c);
              f.peer->say(messages);
              ++sent;
            }
          }
        }
      }
      MESSAGE("wrong chunks sent: " << sent << ", rejected: " << f.node->status().chunks_rejected
                                    << ", dropped " << f.node->endpoint().counters().peers_dropped
                                    << " times");
      CHECK(f.node->status().complete);
      CHECK(f.node->content(f.node->swarm()) == f.original.octets);
      CHECK(f.node->endpoint().counters().peers_dropped == 1);
      CHECK(f.node->status().chunks_rejected < 150);  // 64, and what came in the same batch
    }
  }

  TEST_CASE("a peer that announces and never serves is asked for little (12.6.2 #256)") {
    Fetching f(500'000);
    Node& good = f.world.add_node();
    good.link = LinkOptions{.delay = 5ms, .rate = 100'000, .queue = 20'000};
    good.seed(f.original.octets);
    REQUIRE(f.peer->open({Have{{0, 489}}}));
    f.node->add_peer(f.node->swarm(), good);
    const TimePoint start = f.world.time();
    while (!f.node->status().complete && f.world.time() - start < 60s) {
      f.peer->hear(20ms);
      f.peer->say({});
    }
    CHECK(f.node->status().complete);
    CHECK(f.world.time() - start < 10s);  // 5 s by the good one alone
  }

  TEST_CASE("who does not serve is asked again after pauses that double (#256, 12.6.9 #166)") {
    Fetching f(500'000);
    const auto other = f.watcher();  // somebody else might be asked
    REQUIRE(f.peer->open({Have{{0, 489}}}));
    std::vector<TimePoint> asked;
    for (int second = 0; second < 240; ++second) {
      f.peer->say({Unchoke{}});
      if (f.peer->hear_all<Request>(1s).empty()) continue;
      asked.push_back(f.world.time());
    }
    CHECK(asked.size() >= 4);  // it is not forgotten
    CHECK(asked.size() <= 18);
    const auto late =
        std::ranges::count_if(asked, [&](TimePoint at) { return at > f.world.time() - 120s; });
    CHECK(late <= 6);  // a minute apart, said twice each time
  }

  TEST_CASE("a request that is old is given back to others as far as it is too long (3.7)") {
    Fetching f(2'000'000);
    Node& good = f.world.add_node();
    good.seed(f.original.octets);
    REQUIRE(f.peer->open({Have{{0, 1'954}}}));
    std::set<ChunkIndex> owed = f.requested(200ms);
    REQUIRE(!owed.empty());
    f.node->add_peer(f.node->swarm(), good);
    // It trickles: one chunk now and then, so that it never looks silent.
    const TimePoint start = f.world.time();
    while (!f.node->status().complete && f.world.time() - start < 30s) {
      if (!owed.empty()) {
        f.peer->say(f.original.with_proof(*owed.begin()));
        owed.erase(owed.begin());
      }
      for (const ChunkIndex chunk : f.requested(300ms)) owed.insert(chunk);
    }
    CHECK(f.node->status().complete);
    CHECK(f.world.time() - start < 10s);
  }

  TEST_CASE("a swarm that is left when a peer has just fallen silent leaves nothing behind") {
    Fetching f;
    REQUIRE(f.peer->open({Have{{0, 1}}}));  // it came to us, and brings all that it has
    f.peer->hear();
    f.peer->say(f.original.with_proof(0));
    f.peer->hear();
    REQUIRE(f.node->status().verified_bytes == 1'024);
    Endpoint& endpoint = f.node->endpoint();
    Now now = f.world.now(*f.node);
    const auto transmit_all = [&] {
      std::vector<std::byte> buffer(70'000);
      while (endpoint.poll_transmit(buffer, now)) {
      }
    };
    for (int second = 0; second < 1'000 && f.node->status().channels == 1; ++second) {
      transmit_all();
      now.monotonic += 1s;
      endpoint.handle_deadline(now);
    }
    REQUIRE(f.node->status().channels == 0);  // it is given up, which nobody has looked at yet
    endpoint.leave(f.node->swarm(), now);
    transmit_all();
    CHECK(endpoint.idle());
  }

  TEST_CASE("late chunks of a batch survive the end of a twin channel, or are asked for again") {
    Fetching f;
    REQUIRE(f.peer->open({Have{{0, 49}}}));
    f.peer->hear();
    // The peer lost its memory, opens anew, and old DATA and the new third datagram arrive at once.
    Puppet again(f.world, *f.node, f.original.metadata, 0);
    again.say_to({}, {Handshake{again.own, again.options(true)}});
    const auto answers = again.hear();
    REQUIRE(answers.size() >= 1);
    for (const Heard& heard : answers) {
      if (heard.has<Handshake>()) again.remote = heard.all<Handshake>()[0].source;
    }
    const Now now = f.world.now(*f.node);
    const auto data = f.peer->octets(f.peer->remote, f.original.with_proof(0));
    const auto third = again.octets(again.remote, {Have{{0, 49}}});
    f.node->endpoint().handle_datagram(data, f.peer->address(), now);
    f.node->endpoint().handle_datagram(third, again.address(), now);
    f.node->endpoint().flush(now);
    f.node->endpoint().check_invariants();
    const auto asked = Fetching::requested_of(again, 100ms);
    CHECK(asked.size() + f.node->status().verified_bytes / 1'024 == 49);
  }
}

}  // namespace ppspp::test
