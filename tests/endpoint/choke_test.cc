// Who is served and how much, on the wire and among many (RFC 7574, 3.9, 9.2, 12.6.6 to 12.6.9).
#include <doctest/doctest.h>

#include <algorithm>
#include <deque>
#include <vector>

#include "endpoint/puppet.h"
#include "support/seed.h"

namespace ppspp::test {
namespace {

constexpr std::size_t kSize = 1'000'000;

// A seeder with a slow uplink, and peers played by hand who want all of it.
struct Crowd {
  explicit Crowd(int count, std::uint64_t rate = 60'000)
      : world(seed(), {.delay = 5ms}), original(kSize, seed()), node(world.add_node()) {
    node.link = LinkOptions{.delay = 5ms, .rate = rate, .queue = 256 << 10};
    node.seed(original.octets);
    for (int i = 0; i < count; ++i) {
      peers.emplace_back(world, node, original.metadata, static_cast<std::size_t>(i));
    }
  }
  template <typename T>
  static bool said(const std::vector<Heard>& all) {
    return std::ranges::any_of(all, [](const Heard& heard) { return heard.has<T>(); });
  }
  static std::size_t chunks(const std::vector<Heard>& all) {
    std::size_t count = 0;
    for (const Heard& heard : all) count += heard.all<Data>().size();
    return count;
  }

  World world;
  Original original;
  Node& node;
  std::deque<Puppet> peers;
};

// A seeder and leechers with equal uplinks, each of which knows all others.
struct Swarm {
  Swarm(std::uint64_t s, int count, std::size_t size, const LinkOptions& link, int freeriders = 0)
      : world(s, link), content(random_content(size, s)), seeder(world.add_node()) {
    const SwarmMetadata metadata = [&] {
      SwarmMetadata made = seeder.seed(content);
      made.content_length = content.size();
      return made;
    }();
    EndpointOptions selfish;
    selfish.upload_limit = 1;
    for (int i = 0; i < count; ++i) {
      Node& node = i < freeriders ? world.add_node(selfish) : world.add_node();
      node.join(metadata);
      leechers.push_back(&node);
    }
    for (std::size_t i = 0; i < leechers.size(); ++i) {
      Node& node = *leechers[i];
      node.add_peer(node.swarm(), seeder);
      for (std::size_t k = 0; k < i; ++k) node.add_peer(node.swarm(), *leechers[k]);
      node.endpoint();
    }
    world.steps_per_check = 4'096;
    world.max_steps = 20'000'000;
  }
  bool all_complete() {
    return std::ranges::all_of(leechers, [](Node* node) { return node->status().complete; });
  }
  // Whether anybody chokes anybody now.
  bool anybody_chokes() {
    const auto chokes = [](Node* node) {
      return std::ranges::any_of(node->channels(node->swarm()), [](const ChannelStatus& c) {
        return c.choked_by_us && !c.peer_complete;
      });
    };
    return chokes(&seeder) || std::ranges::any_of(leechers, chokes);
  }

  World world;
  std::vector<std::byte> content;
  Node& seeder;
  std::vector<Node*> leechers;
};

double seconds(TimePoint time) {
  return std::chrono::duration<double>(time.time_since_epoch()).count() - 1;
}

}  // namespace

TEST_SUITE("endpoint/choke") {
  TEST_CASE(
      "who comes when all slots are taken is told so; what it asks for is not sent, and CHOKE "
      "said again (3.9, 12.6.8 #164)") {
    Crowd crowd(9);
    for (int i = 0; i < 8; ++i) REQUIRE(crowd.peers[static_cast<std::size_t>(i)].open());
    Puppet& late = crowd.peers[8];
    REQUIRE(late.open());
    CHECK(Crowd::said<Choke>(late.hear(100ms)));
    late.say({Request{{0, 5}}});
    const auto answer = late.hear(100ms);
    CHECK(Crowd::said<Choke>(answer));
    CHECK(Crowd::chunks(answer) == 0);
  }

  TEST_CASE(
      "UNCHOKE follows when there is a slot, is repeated, and what was asked before is "
      "forgotten (3.9 #158 #159)") {
    Crowd crowd(9);
    for (int i = 0; i < 9; ++i) REQUIRE(crowd.peers[static_cast<std::size_t>(i)].open());
    Puppet& late = crowd.peers[8];
    late.say({Request{{0, 5}}});
    CHECK(Crowd::said<Choke>(late.hear(100ms)));
    crowd.peers[0].say({Handshake{ChannelId{}, closing_options()}});
    const auto first = late.hear(1500ms);
    CHECK(Crowd::said<Unchoke>(first));
    CHECK(Crowd::chunks(first) == 0);
    CHECK(Crowd::said<Unchoke>(late.hear(4s)));  // in case it was lost
    late.say({Request{{7, 8}}});
    const auto answer = late.hear(1s);
    CHECK(Crowd::chunks(answer) > 0);
    for (const Heard& heard : answer) {
      for (const Data& data : heard.all<Data>()) CHECK(data.chunks == ChunkRange{7, 8});
    }
    CHECK_FALSE(Crowd::said<Unchoke>(late.hear(20s)));
  }

  TEST_CASE("UNCHOKE that was never heard comes with keep-alives, until something is asked for") {
    Crowd crowd(9);
    for (int i = 0; i < 9; ++i) REQUIRE(crowd.peers[static_cast<std::size_t>(i)].open());
    Puppet& late = crowd.peers[8];
    CHECK(Crowd::said<Choke>(late.hear(100ms)));
    crowd.peers[0].say({Handshake{ChannelId{}, closing_options()}});
    late.hear(20s);  // all that is said soon
    CHECK(Crowd::said<Unchoke>(late.hear(30s)));
    CHECK(Crowd::said<Unchoke>(late.hear(30s)));
    late.say({Request{{7, 8}}});
    CHECK(Crowd::chunks(late.hear(1s)) > 0);
    CHECK_FALSE(Crowd::said<Unchoke>(late.hear(60s)));
  }

  TEST_CASE("where nobody has asked for anything for half a minute, nobody is choked") {
    Crowd crowd(12);
    for (Puppet& peer : crowd.peers) REQUIRE(peer.open());
    const auto choked = [&] {
      const auto channels = crowd.node.channels(crowd.node.swarm());
      return std::ranges::count_if(channels, &ChannelStatus::choked_by_us);
    };
    CHECK(choked() > 0);
    crowd.world.run_for(40s);
    CHECK(choked() == 0);
    const auto turns = [&] {
      return crowd.node.endpoint().statistics(crowd.world.now(crowd.node)).swarm_turns;
    };
    const auto before = turns();
    crowd.world.run_for(60s);
    CHECK(choked() == 0);
    CHECK(turns() - before < 100);  // it is at rest: else it looks at all twice a second
    for (Puppet& peer : crowd.peers) peer.say({Request{{0, 900}}});
    crowd.world.run_for(15s);
    CHECK(choked() > 0);
  }

  TEST_CASE("a peer that does not list CHOKE is never told it, and is served slowly (7.10)") {
    Crowd crowd(9);
    for (int i = 0; i < 8; ++i) {
      REQUIRE(crowd.peers[static_cast<std::size_t>(i)].open());
    }
    Puppet& late = crowd.peers[8];
    HandshakeOptions options = late.options(true);
    MessageSet messages = all_messages();
    messages.reset(static_cast<std::size_t>(MessageType::choke));
    messages.reset(static_cast<std::size_t>(MessageType::unchoke));
    options.supported_messages = messages;
    late.say({Handshake{late.own, options}});
    REQUIRE(late.take_answer(late.hear(), {Request{{0, 900}}}));
    const auto heard = late.hear(5s);
    CHECK_FALSE(Crowd::said<Choke>(heard));
    CHECK_FALSE(Crowd::said<Unchoke>(heard));
    CHECK(Crowd::chunks(heard) > 0);
    CHECK(Crowd::chunks(heard) < 12);
  }

  TEST_CASE("among eight leechers and a seeder nobody is choked, on whatever uplink") {
    for (const std::uint64_t rate : {100'000ULL, 10'000'000ULL}) {
      CAPTURE(rate);
      Swarm swarm(seed(), 8, 500'000, {.delay = 10ms, .rate = rate});
      bool choked = false;
      CHECK(swarm.world.run_until(
          [&] {
            choked = choked || swarm.anybody_chokes();
            return swarm.all_complete();
          },
          120s));
      CHECK_FALSE(choked);
    }
  }

  TEST_CASE(
      "many on slow uplinks choke each other, and no chunk is lost by that (3.9, decision 21)") {
    Swarm swarm(seed(), 20, 600'000,
                {.delay = 20ms, .rate = 60'000, .queue = 64 << 10, .loss = 0.005});
    bool choked = false;
    REQUIRE(swarm.world.run_until(
        [&] {
          choked = choked || (swarm.world.steps() % 256 == 0 && swarm.anybody_chokes());
          return swarm.all_complete();
        },
        240s));
    CHECK(choked);
    for (Node* node : swarm.leechers) CHECK(node->content(node->swarm()) == swarm.content);
    MESSAGE("20 leechers: " << seconds(swarm.world.time()) / 10.0 << " times the bound");
  }

  TEST_CASE("a fast uplink carries all: nobody is choked for long") {
    Swarm swarm(seed(), 14, 8'000'000, {.delay = 5ms, .rate = 2'000'000});
    swarm.world.run_for(3s);
    REQUIRE_FALSE(swarm.all_complete());
    CHECK_FALSE(swarm.anybody_chokes());
  }

  TEST_CASE("where a queue outgrows the round trip, what waits in it is not sent again (8.7)") {
    Swarm swarm(seed(), 6, 1'000'000, {.delay = 50us, .rate = 500'000, .queue = 256 << 10});
    REQUIRE(swarm.world.run_until([&] { return swarm.all_complete(); }, 60s));
    std::uint64_t sent = swarm.seeder.status().uploaded_bytes;
    for (Node* node : swarm.leechers) sent += node->status().uploaded_bytes;
    CHECK(sent < 6 * 1'000'000 * 13 / 10);
  }

  TEST_CASE("a seeder with little upload sends each chunk about once: the rest comes of others") {
    Swarm swarm(seed(), 10, 1'000'000, {.delay = 20ms, .rate = 100'000, .queue = 64 << 10});
    REQUIRE(swarm.world.run_until([&] { return swarm.all_complete(); }, 120s));
    const double copies =
        static_cast<double>(swarm.seeder.status().uploaded_bytes) / static_cast<double>(1'000'000);
    MESSAGE("10 leechers: " << copies << " copies from the seeder, "
                            << seconds(swarm.world.time()) / 10.0 << " times the bound");
    CHECK(copies < 2.0);
  }

  TEST_CASE("leechers that cannot reach each other get all of a seeder with little upload") {
    World world(seed(), {.delay = 20ms, .rate = 100'000, .queue = 64 << 10});
    const auto content = random_content(300'000, seed());
    Node& seeder = world.add_node();
    SwarmMetadata metadata = seeder.seed(content);
    metadata.content_length = content.size();
    std::vector<Node*> leechers;
    for (int i = 0; i < 4; ++i) {
      Node& node = world.add_node();
      node.join(metadata);
      node.add_peer(node.swarm(), seeder);
      node.endpoint();
      leechers.push_back(&node);
    }
    CHECK(world.run_until(
        [&] {
          return std::ranges::all_of(leechers, [](Node* node) { return node->status().complete; });
        },
        24s));  // twice what the uplink needs
  }

  TEST_CASE("with half of the peers freeriding, those who contribute have it sooner (9.2)") {
    Swarm swarm(2, 24, 8'000'000, {.delay = 20ms, .rate = 100'000, .queue = 64 << 10}, 12);
    swarm.seeder.link =
        LinkOptions{.delay = 20ms, .rate = 400'000, .queue = 256 << 10};  // not what limits

    std::vector<double> done(24, 0);
    swarm.world.run_until(
        [&] {
          bool all = true;
          for (std::size_t i = 0; i < 24; ++i) {
            if (done[i] == 0 && swarm.leechers[i]->status().complete) {
              done[i] = seconds(swarm.world.time());
            }
            all = all && done[i] != 0;
          }
          return all;
        },
        600s);
    for (double& time : done) time = time == 0 ? 600 : time;
    std::sort(done.begin(), done.begin() + 12);
    std::sort(done.begin() + 12, done.end());
    MESSAGE("median of freeriders " << done[6] << " s, of contributors " << done[18] << " s");
    CHECK(done[18] * 1.1 < done[6]);
    CHECK(done[23] < 600);
  }
}

}  // namespace ppspp::test
