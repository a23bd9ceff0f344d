// The three-way handshake against a peer that is played by hand (RFC 7574, 3.1.1, 8.4, 12.1).
#include <doctest/doctest.h>

#include <set>

#include "endpoint/puppet.h"
#include "support/hex.h"
#include "support/seed.h"

namespace ppspp::test {
namespace {

struct Seeding {
  explicit Seeding(std::size_t size = 50'000, SwarmMetadata wanted = {},
                   const EndpointOptions& options = {})
      : world(seed(), {.delay = 5ms}), original(size, seed(), wanted) {
    node = &world.add_node(options);
    original.metadata = node->seed(original.octets, wanted);
    original.metadata.content_length = size;
  }
  Puppet puppet(std::size_t index = 0) { return {world, *node, original.metadata, index}; }
  std::size_t channels() { return node->channels(node->swarm()).size(); }

  World world;
  Original original;
  Node* node;
};

struct Fetching {
  explicit Fetching(SwarmMetadata wanted = {})
      : world(seed(), {.delay = 5ms}), original(50'000, seed(), wanted) {
    node = &world.add_node();
    node->join(original.metadata);
  }
  Puppet puppet(std::size_t index = 0) {
    Puppet puppet{world, *node, original.metadata, index};
    node->endpoint().add_peer(node->swarm(), puppet.address(), world.now(*node));
    return puppet;
  }
  std::size_t established() { return node->status().channels; }

  World world;
  Original original;
  Node* node;
};

bool heavy(const Heard& heard) {
  return heard.has<Data>() || heard.has<Integrity>() || heard.has<SignedIntegrity>();
}

}  // namespace

TEST_SUITE("endpoint/handshake") {
  TEST_CASE("the answer: prefix, options, availability (3.1.1 #20 #21 #22 #24 #25 #26, 8.4 #46)") {
    Seeding s;
    Puppet peer = s.puppet();
    peer.say_to({}, {Handshake{peer.own, peer.options(true)}});
    const auto answers = peer.hear();
    REQUIRE(answers.size() == 1);
    CHECK(answers[0].to == peer.own);
    REQUIRE(std::holds_alternative<Handshake>(answers[0].messages.at(0)));
    const auto handshake = std::get<Handshake>(answers[0].messages[0]);
    CHECK(handshake.source.value != 0);
    CHECK(check_handshake(handshake.options, s.original.metadata, false));
    CHECK(handshake.options.version == 1);
    CHECK(handshake.options.supported_messages.has_value());
    REQUIRE(answers[0].all<Have>().size() == 1);
    CHECK(answers[0].all<Have>()[0].chunks == ChunkRange{0, 49});
    CHECK_FALSE(heavy(answers[0]));
    CHECK(s.channels() == 0);  // not yet (#39)
    peer.remote = handshake.source;
    peer.say({});  // a keep-alive with our ID is enough
    peer.hear();
    CHECK(s.channels() == 1);
  }

  TEST_CASE("whatever does not fit is met with silence (3.1.1 #19, 7 #208 - #224, 8.4 #45)") {
    Seeding s;
    const auto swarm_id = random_content(32, 5);
    using Change = void (*)(HandshakeOptions&);
    const Change changes[] = {
        [](HandshakeOptions& o) { o.swarm_id.reset(); },
        [](HandshakeOptions& o) { o.version.reset(); },
        [](HandshakeOptions& o) { o.version = std::uint8_t{0}; },
        [](HandshakeOptions& o) { o.minimum_version.reset(); },
        [](HandshakeOptions& o) {
          o.version = std::uint8_t{3};
          o.minimum_version = std::uint8_t{2};
        },
        [](HandshakeOptions& o) { o.integrity = std::uint8_t{2}; },
        [](HandshakeOptions& o) { o.integrity.reset(); },
        [](HandshakeOptions& o) { o.hash = std::uint8_t{0}; },
        [](HandshakeOptions& o) { o.hash.reset(); },
        [](HandshakeOptions& o) { o.addressing = std::uint8_t{0}; },
        [](HandshakeOptions& o) { o.addressing.reset(); },
        [](HandshakeOptions& o) { o.chunk_size = 2'048U; },
        [](HandshakeOptions& o) { o.chunk_size.reset(); },
    };
    std::size_t index = 0;
    for (const Change change : changes) {
      CAPTURE(index);
      Puppet peer = s.puppet(index++);
      HandshakeOptions options = peer.options(true);
      change(options);
      peer.say_to({}, {Handshake{peer.own, options}});
      CHECK(peer.hear().empty());
    }
    Puppet peer = s.puppet(index);
    HandshakeOptions options = peer.options(true);
    options.swarm_id = swarm_id;
    peer.say_to({}, {Handshake{peer.own, options}});
    peer.say_to({}, {Handshake{ChannelId{}, peer.options(true)}});
    peer.say_to({}, {Have{{0, 3}}, Handshake{peer.own, peer.options(true)}});
    peer.say_to({}, {Request{{0, 3}}});
    peer.say_to({}, {});
    const auto whole = peer.octets({}, {Handshake{peer.own, peer.options(true)}});
    for (std::size_t size = 0; size < whole.size(); ++size) {
      peer.say_octets(std::span<const std::byte>(whole).first(size));
    }
    CHECK(peer.hear(1s).empty());
    CHECK(s.channels() == 0);
    CHECK(s.node->endpoint().counters().handshakes_refused >= std::size(changes) + 2);
    CHECK(peer.open());  // and the real thing still works
  }

  TEST_CASE("a later version that comes down to ours is welcome (7.3 #209)") {
    Seeding s;
    Puppet peer = s.puppet();
    HandshakeOptions options = peer.options(true);
    options.version = std::uint8_t{7};
    peer.say_to({}, {Handshake{peer.own, options}});
    CHECK(peer.hear().size() == 1);
  }

  TEST_CASE("a repeated first datagram gets the same answer and makes no second state (8.2 #237)") {
    Seeding s;
    Puppet peer = s.puppet();
    std::set<std::uint32_t> ids;
    const auto ask = [&] {
      peer.say_to({}, {Handshake{peer.own, peer.options(true)}});
      for (const Heard& heard : peer.hear()) {
        for (const Handshake& h : heard.all<Handshake>()) ids.insert(h.source.value);
      }
    };
    ask();
    ask();
    REQUIRE(ids.size() == 1);
    peer.remote = ChannelId{*ids.begin()};
    peer.say({Request{{0, 1}}});
    CHECK_FALSE(peer.hear().empty());
    ask();  // late, with the channel established
    CHECK(ids.size() == 1);
    CHECK(s.channels() == 1);
    peer.say({Request{{5, 6}}});
    CHECK(peer.hear_all<Data>(300ms).size() >= 1);
  }

  TEST_CASE("the answer is at most three times the question (12.1.1 #252)") {
    Seeding s(500'000);
    const auto metadata = s.original.metadata;
    Node& gaps = s.world.add_node();
    std::vector<ChunkRange> verified;
    for (ChunkIndex chunk = 0; chunk < 480; chunk += 2) verified.push_back({chunk, chunk + 1});
    gaps.seed_part(s.original.octets, metadata, verified);
    Puppet peer(s.world, gaps, metadata);
    peer.say_to({}, {Handshake{peer.own, peer.options(true)}});
    const std::size_t asked = peer.octets({}, {Handshake{peer.own, peer.options(true)}}).size();
    const auto answers = peer.hear(10s);
    REQUIRE(answers.size() == 1);  // and only one, however long one waits
    CHECK(answers[0].octets.size() <= 3 * asked);
  }

  TEST_CASE(
      "no heavy payload in the second datagram, whatever the first asks (3.1.1 #18 #27 #40)") {
    Seeding s;
    Puppet peer = s.puppet();
    peer.say_to({}, {Handshake{peer.own, peer.options(true)}, Have{{0, 2}}, Request{{0, 49}}});
    const auto answers = peer.hear(2s);
    REQUIRE(answers.size() == 1);
    CHECK_FALSE(heavy(answers[0]));
  }

  TEST_CASE("HAVE in the first datagram is taken in (3.1.1 #17)") {
    Fetching f;
    Puppet peer(f.world, *f.node, f.original.metadata);
    peer.say_to({}, {Handshake{peer.own, peer.options(true)}, Have{{0, 49}}});
    const auto answers = peer.hear();
    REQUIRE(answers.size() == 1);
    peer.remote = answers[0].all<Handshake>().at(0).source;
    peer.say({});
    CHECK_FALSE(peer.hear_all<Request>().empty());
  }

  TEST_CASE("the initiator: channel 0, a random ID, everything that #11 - #16 list, nothing more") {
    std::set<std::uint32_t> ids;
    for (int i = 0; i < 20; ++i) {
      Fetching f;
      Puppet peer = f.puppet();
      f.world.random().next_u64();
      const auto firsts = peer.hear();
      REQUIRE(firsts.size() == 1);
      CHECK(firsts[0].to.value == 0);
      REQUIRE(firsts[0].messages.size() == 1);
      const auto h = std::get<Handshake>(firsts[0].messages[0]);
      CHECK(h.source.value != 0);
      ids.insert(h.source.value);
      CHECK(check_handshake(h.options, f.original.metadata, true));
      CHECK(h.options.minimum_version == 1);
      CHECK(std::ranges::equal(*h.options.swarm_id, f.original.metadata.id.octets()));
    }
    CHECK(ids.size() >= 1);
  }

  TEST_CASE("unanswered, the same first datagram is sent again (3.1.1 #34)") {
    Fetching f;
    Puppet peer = f.puppet();
    const auto firsts = peer.hear(10s);
    REQUIRE(firsts.size() >= 4);
    CHECK(firsts.size() <= 8);
    for (const Heard& heard : firsts) CHECK(heard.octets == firsts[0].octets);
    CHECK(peer.hear(200s).size() < 20);
  }

  TEST_CASE("the second datagram is answered at once, with the other's ID (#35, 12.1.2 #253)") {
    Fetching f;
    Puppet peer = f.puppet();
    REQUIRE(peer.accept({}));
    const TimePoint said = f.world.time();
    const auto thirds = peer.hear();
    REQUIRE_FALSE(thirds.empty());
    CHECK(thirds[0].to == peer.own);
    CHECK(thirds[0].at - said <= 11ms);
    CHECK(f.established() == 1);
  }

  TEST_CASE(
      "an answer without our ID, or from elsewhere, is none; the right one still is (#28 #29)") {
    Fetching f;
    Puppet peer = f.puppet();
    Puppet other(f.world, *f.node, f.original.metadata, 7);
    const auto firsts = peer.hear();
    REQUIRE(firsts.size() == 1);
    const ChannelId id = firsts[0].all<Handshake>()[0].source;
    peer.say_to(ChannelId{id.value + 1}, {Handshake{peer.own, peer.options(false)}});
    peer.say_to(ChannelId{id.value}, {Have{{0, 49}}});  // without a HANDSHAKE
    other.say_to(id, {Handshake{other.own, other.options(false)}});
    other.say_to({}, {Handshake{other.own, other.options(false)}});
    peer.hear(100ms);
    CHECK(f.established() == 0);
    CHECK(f.node->endpoint().counters().unknown_channel == 1);
    CHECK(f.node->endpoint().counters().wrong_address == 1);
    peer.say_to(id, {Handshake{peer.own, peer.options(false)}});
    peer.hear(100ms);
    CHECK(f.established() == 1);
  }

  TEST_CASE("an answer may leave out the swarm's ID, and has to name ours if any (#23, #211)") {
    for (const int kind : {0, 1, 2}) {
      Fetching f;
      Puppet peer = f.puppet();
      const auto firsts = peer.hear();
      HandshakeOptions options = peer.options(false);
      const auto wrong = random_content(32, 1);
      if (kind == 1) options.swarm_id = f.original.metadata.id.octets();
      if (kind == 2) options.swarm_id = wrong;
      peer.say_to(firsts.at(0).all<Handshake>().at(0).source, {Handshake{peer.own, options}});
      peer.hear(100ms);
      CHECK(f.established() == (kind == 2 ? 0 : 1));
    }
  }

  TEST_CASE("an answer that does not fit ends the attempt, without a word (3.1.1 #30)") {
    Fetching f;
    Puppet peer = f.puppet();
    const auto firsts = peer.hear();
    HandshakeOptions options = peer.options(false);
    options.chunk_size = 4'096U;
    peer.say_to(firsts.at(0).all<Handshake>().at(0).source, {Handshake{peer.own, options}});
    for (const Heard& heard : peer.hear(5s)) CHECK(heard.to.value == 0);
    CHECK(f.established() == 0);
  }

  TEST_CASE("whoever is told of its own address does not talk to itself") {
    Seeding s;
    s.node->endpoint().add_peer(s.node->swarm(), s.node->address(), s.world.now(*s.node));
    s.world.run_for(30s);
    CHECK(s.node->status().channels == 0);
    CHECK(s.node->status().peers_seen == 0);
  }

  TEST_CASE("a closing HANDSHAKE from the peer ends the channel (2.3 #42)") {
    Seeding s;
    Puppet peer = s.puppet();
    REQUIRE(peer.open());
    peer.hear();
    CHECK(s.channels() == 1);
    SUBCASE("with the maximum version") {
      peer.say({Handshake{ChannelId{}, closing_options()}});
    }
    SUBCASE("with an empty list") {
      peer.say({Handshake{ChannelId{}, {}}});
    }
    SUBCASE("with more than it needs") {
      peer.say({Handshake{ChannelId{}, peer.options(true)}});
    }
    CHECK(peer.hear().empty());
    CHECK(s.channels() == 0);
    peer.say({Request{{0, 3}}});
    CHECK(peer.hear(1s).empty());
  }

  TEST_CASE("whoever leaves says so with a closing HANDSHAKE (#31 #32 #33, 3.1.1 #41, 2.3 #44)") {
    Seeding s;
    Puppet peer = s.puppet();
    REQUIRE(peer.open());
    peer.hear();
    s.node->endpoint().leave(s.node->swarm(), s.world.now(*s.node));
    const auto last = peer.hear();
    REQUIRE(last.size() == 1);
    CHECK(last[0].to == peer.own);
    CHECK(to_hex(std::span<const std::byte>(last[0].octets).subspan(4)) == "00000000000001ff");
    CHECK(s.node->endpoint().idle());
  }

  TEST_CASE("leaving begins nothing, though a peer is due to be called again") {
    World world(seed(), {.delay = 5ms});
    Original original(50'000, seed());
    Node& node = world.add_node();
    node.seed(original.octets);
    Puppet first(world, node, original.metadata, 0);
    Puppet second(world, node, original.metadata, 1);
    node.endpoint().add_peer(node.swarm(), first.address(), world.now(node));
    node.endpoint().add_peer(node.swarm(), second.address(), world.now(node));
    REQUIRE(first.accept());
    REQUIRE(second.accept());
    first.hear();
    first.say({Handshake{ChannelId{}, closing_options()}});
    second.hear(10ms);
    Now late = world.now(node);
    late.monotonic += std::chrono::minutes(5);  // the driver was busy: first is overdue
    node.endpoint().leave(node.swarm(), late);
    node.endpoint().check_invariants();
    world.run_for(1s);
    CHECK(node.endpoint().idle());
  }

  TEST_CASE("datagrams for channels that do not exist are met with silence (3.1.1 #37 #38)") {
    Seeding s;
    Puppet peer = s.puppet();
    REQUIRE(peer.open());
    peer.hear();
    Rng random(seed());
    for (int i = 0; i < 1'000; ++i) {
      peer.say_to(ChannelId{static_cast<std::uint32_t>(random.next_u64() | 1)}, {Request{{0, 9}}});
    }
    CHECK(peer.hear(100ms).empty());
    peer.say({Request{{0, 1}}});
    CHECK_FALSE(peer.hear_all<Data>().empty());
  }

  TEST_CASE("a datagram from another address is dropped, the channel stays where it is (row 31)") {
    Seeding s;
    Puppet peer = s.puppet();
    REQUIRE(peer.open());
    peer.hear();
    Puppet thief = s.puppet(3);
    thief.own = peer.own;
    thief.say_to(peer.remote, {Request{{0, 3}}});
    CHECK(thief.hear(1s).empty());
    CHECK(peer.hear_all<Data>(1s).empty());
    CHECK(s.node->endpoint().counters().wrong_address == 1);
    peer.say({Request{{0, 1}}});
    CHECK_FALSE(peer.hear_all<Data>().empty());
  }

  TEST_CASE("half-open handshakes are bounded for each address (12.1.2, 12.6.1)") {
    Seeding s;
    Puppet peer = s.puppet();
    std::size_t answered = 0;
    for (std::uint32_t i = 1; i <= 100; ++i) {
      peer.say_to({}, {Handshake{ChannelId{i}, peer.options(true)}});
    }
    for (const Heard& heard : peer.hear(100ms)) answered += heard.has<Handshake>() ? 1U : 0U;
    CHECK(answered == 16);
    CHECK(s.node->endpoint().counters().handshakes_over_limit == 84);
    peer.hear(15s);  // they run out
    CHECK(peer.open());
  }

  TEST_CASE("a flood of 100,000 forged handshakes does not keep a real peer out (12.1.2)") {
    Seeding s;
    Puppet honest = s.puppet(200'000);
    const auto forged = honest.octets({}, {Handshake{ChannelId{77}, honest.options(true)}});
    bool sent = false;
    for (std::size_t i = 0; i < 100'000; ++i) {
      s.world.send_as(s.world.stranger(i), *s.node, forged);
      if (i % 500 == 499) s.world.run_for(5ms);  // 100,000 each second
      if (i == 50'000) {
        CHECK(honest.open({Request{{0, 9}}}));
        sent = true;
      }
      s.world.inbox.clear();
    }
    REQUIRE(sent);
    CHECK(s.channels() == 1);
    honest.say({Ack{{0, 9}, 1'000}, Request{{20, 22}}});
    CHECK_FALSE(honest.hear_all<Data>(200ms).empty());
    s.world.run_for(20s);
    s.node->endpoint().leave(s.node->swarm(), s.world.now(*s.node));
    s.world.run_for(1s);
    CHECK(s.node->endpoint().idle());
  }

  TEST_CASE("others never get all places: some are kept for whom we call (12.6.1 #255)") {
    EndpointOptions options;
    options.max_channels = 10;
    Seeding s(50'000, {}, options);
    std::deque<Puppet> peers;
    std::size_t open = 0;
    for (std::size_t i = 0; i < 20; ++i) {
      peers.push_back(s.puppet(i));
      if (peers.back().open()) ++open;
      s.world.run_for(20ms);
    }
    CHECK(s.channels() == 8);
    Puppet called = s.puppet(50);
    s.node->endpoint().add_peer(s.node->swarm(), called.address(), s.world.now(*s.node));
    CHECK(called.accept());
    s.world.run_for(50ms);
    CHECK(s.node->status().channels == 9);
    CHECK(open >= 8);
  }

  TEST_CASE("a peer of the draft era is understood and spoken to in its language (decision 19)") {
    const SwarmMetadata old{.addressing = ChunkAddressing::bin32, .hash = HashFunction::sha1};
    Seeding s(50'000, old);
    Puppet peer = s.puppet();
    const Handshake handshake{
        peer.own, handshake_options(s.original.metadata, HandshakeOptions::kKeepsAll, true, true)};
    peer.say_to({}, {handshake});
    const auto answers = peer.hear();
    REQUIRE(answers.size() == 1);
    const auto answer = answers[0].all<Handshake>().at(0);
    CHECK_FALSE(answer.options.supported_messages.has_value());
    CHECK_FALSE(answer.options.chunk_size.has_value());
    peer.say_to({}, {handshake});  // a duplicate gets the same language
    const auto again = peer.hear();
    REQUIRE(again.size() == 1);
    CHECK(again[0].octets == answers[0].octets);
    peer.remote = answer.source;
    peer.say({Request{{0, 1}}});
    CHECK_FALSE(peer.hear_all<Data>().empty());
    peer.say_to({}, {handshake});  // and when the channel stands
    const auto late = peer.hear(10ms);
    REQUIRE(late.size() == 1);
    CHECK_FALSE(late[0].all<Handshake>().at(0).options.chunk_size.has_value());

    Fetching f(old);
    Puppet deaf = f.puppet();
    std::size_t in_old = 0;
    for (const Heard& heard : deaf.hear(30s)) {
      in_old += heard.all<Handshake>().at(0).options.chunk_size ? 0U : 1U;
    }
    CHECK(in_old == 1);
  }
}

}  // namespace ppspp::test
