// What a seeder says to a peer that is played by hand (RFC 7574, 3.2 to 3.9, 5.3 to 5.6, 8.6).
#include <doctest/doctest.h>

#include <chrono>
#include <set>

#include "bins/peaks.h"
#include "endpoint/puppet.h"
#include "integrity/needed_uncles.h"
#include "support/seed.h"

namespace ppspp::test {
namespace {

struct Serving {
  explicit Serving(std::size_t size = 50'000, const SwarmMetadata& wanted = {},
                   const EndpointOptions& options = {})
      : world(seed(), {.delay = 5ms}), original(size, seed(), wanted) {
    node = &world.add_node(options);
    node->seed(original.octets, wanted);
    peer = std::make_unique<Puppet>(world, *node, original.metadata);
  }
  std::vector<Heard> ask(ChunkRange chunks, Microseconds time = 60ms) {
    peer->say({Request{chunks}});
    return peer->hear(time);
  }
  // All that comes when each chunk is acknowledged, and asked for again where nothing comes.
  // Announced before that, if `have_first`.
  std::vector<ChunkIndex> fetch(ChunkRange chunks, bool have_first = false) {
    std::vector<ChunkIndex> got;
    for (int silent = 0; silent < 3; ++silent) {
      peer->say({Request{chunks}});
      for (std::vector<Heard> heard = peer->hear(20ms); !heard.empty(); heard = peer->hear(20ms)) {
        for (const Heard& datagram : heard) {
          for (const Data& data : datagram.all<Data>()) {
            for (ChunkIndex chunk = data.chunks.begin; chunk < data.chunks.end; ++chunk) {
              got.push_back(chunk);
            }
            if (have_first) peer->say({Have{data.chunks}});
            peer->say({Ack{data.chunks, 1'000}});
          }
        }
      }
    }
    return got;
  }
  ChannelStatus channel() { return node->channels(node->swarm()).at(0); }

  World world;
  Original original;
  Node* node;
  std::unique_ptr<Puppet> peer;
};

std::vector<Bin> bins_of(const Heard& heard) {
  std::vector<Bin> bins;
  for (const Integrity& integrity : heard.all<Integrity>()) {
    bins.push_back(Bin::leaf(integrity.chunks.begin));
    while (bins.back().chunks().size() < integrity.chunks.size()) {
      bins.back() = bins.back().parent();
    }
    CHECK(bins.back().chunks() == integrity.chunks);
  }
  return bins;
}

std::set<ChunkIndex> chunks_in(const std::vector<Heard>& all) {
  std::set<ChunkIndex> chunks;
  for (const Heard& heard : all) {
    for (const Data& data : heard.all<Data>()) chunks.insert(data.chunks.begin);
  }
  return chunks;
}

}  // namespace

TEST_SUITE("endpoint/serving") {
  TEST_CASE("the first chunk: peaks from the left, uncles downwards, then DATA (#108 #115 #116)") {
    Serving s(7 * 1'024 - 6);  // the tree of 5.5 and 5.6
    REQUIRE(s.peer->open({Request{{0, 1}}}));
    const auto heard = s.peer->hear();
    REQUIRE(heard.size() == 1);
    CHECK(bins_of(heard[0]) ==
          std::vector<Bin>{Bin(3), Bin(9), Bin(12), Bin(5), Bin(2)});  // Table 1
    REQUIRE(heard[0].all<Data>().size() == 1);
    CHECK(std::holds_alternative<Data>(heard[0].messages.back()));  // its tail (#73)
    for (const Integrity& integrity : heard[0].all<Integrity>()) {
      const auto bins = bins_of(heard[0]);
      const auto place = std::find_if(bins.begin(), bins.end(),
                                      [&](Bin bin) { return bin.chunks() == integrity.chunks; });
      CHECK(std::ranges::equal(integrity.hash, s.original.tree->node(*place)));
    }
    const Data data = heard[0].all<Data>()[0];
    CHECK(std::ranges::equal(data.payload, s.original.data(0).payload));
    const auto now = s.world.now(*s.node).wall.microseconds;
    CHECK(now - data.timestamp_us <= 60'000);  // the system's clock, in microseconds (#75)
  }

  TEST_CASE("a download in order, each chunk acknowledged, is sent the hashes of Table 1 (5.5)") {
    Serving s(7 * 1'024 - 6);
    REQUIRE(s.peer->open());
    const std::vector<std::vector<Bin>> expected = {
        {Bin(3), Bin(9), Bin(12), Bin(5), Bin(2)}, {}, {Bin(6)}, {}, {Bin(10)}, {}, {}};
    for (ChunkIndex chunk = 0; chunk < 7; ++chunk) {
      CAPTURE(chunk);
      const auto heard = s.ask({chunk, chunk + 1});
      REQUIRE(heard.size() == 1);
      CHECK(bins_of(heard[0]) == expected[chunk]);
      CHECK(chunks_in(heard) == std::set<ChunkIndex>{chunk});
      s.peer->say({Ack{{0, chunk + 1}, 1'000}});
      s.peer->hear();
    }
  }

  TEST_CASE("peaks come again until the peer shows that it has them (decision 6)") {
    Serving s;
    REQUIRE(s.peer->open({Request{{3, 4}}}));
    std::size_t with_peaks = 0;
    for (const Heard& heard : s.peer->hear(20s)) {
      if (heard.has<Data>()) {
        const auto bins = bins_of(heard);
        REQUIRE(bins.size() > 2);
        CHECK(bins[0] == peaks(49)[0]);
        ++with_peaks;
      }
    }
    CHECK(with_peaks >= 3);  // unacknowledged, it is sent again, and no less complete
    s.peer->say({Ack{{3, 4}, 1'000}});
    s.peer->hear();
    const auto heard = s.ask({4, 5});
    REQUIRE_FALSE(heard.empty());
    const auto bins = bins_of(heard[0]);
    CHECK(std::find(bins.begin(), bins.end(), peaks(49)[0]) == bins.end());
  }

  TEST_CASE("uncles that the peer has by its HAVE are not sent (5.3 #101)") {
    Serving s(64 * 1'024);
    REQUIRE(s.peer->open({Have{{0, 32}}}));
    const auto heard = s.ask({32, 33});
    REQUIRE(heard.size() == 1);
    for (const Bin bin : bins_of(heard[0])) CHECK_FALSE(bin.chunks().intersects({0, 32}));
    CHECK(bins_of(heard[0]).size() == 5);
  }

  TEST_CASE("hashes that do not fit beside their chunk go before it (5.3 #98, 5.4 #105)") {
    EndpointOptions options;
    options.base_datagram_size = 700;
    options.max_datagram_size = 700;
    Serving s(512 * 1'000, {.chunk_size = 512, .hash = HashFunction::sha512}, options);
    REQUIRE(s.peer->open({Request{{500, 501}}}));
    std::vector<Bin> bins;
    std::size_t chunks = 0;
    for (const Heard& heard : s.peer->hear(100ms)) {
      CHECK(heard.octets.size() <= 700);
      CHECK(chunks == 0);
      const auto more = bins_of(heard);
      bins.insert(bins.end(), more.begin(), more.end());
      chunks += heard.all<Data>().size();
    }
    CHECK(chunks == 1);
    std::vector<Bin> expected;
    for (const Bin bin : peaks(1'000)) expected.push_back(bin);
    for (const Bin bin : needed_uncles(500, 1'000, [](ChunkRange) { return false; })) {
      expected.push_back(bin);
    }
    CHECK(bins == expected);
  }

  TEST_CASE(
      "a download with hashes ahead of their chunks completes, with loss as well (#98 #100)") {
    for (const double loss : {0.0, 0.05}) {
      CAPTURE(loss);
      EndpointOptions options;
      options.base_datagram_size = 700;
      options.max_datagram_size = 700;
      World world(seed(), {.delay = 5ms, .loss = loss});
      Node& seeder = world.add_node(options);
      Node& leecher = world.add_node(options);
      const auto content = random_content(200'000, seed());
      const auto metadata = seeder.seed(content, {.chunk_size = 512, .hash = HashFunction::sha512});
      leecher.join(metadata);  // with size detection on top of it
      leecher.add_peer(leecher.swarm(), seeder);
      REQUIRE(world.run_until([&] { return leecher.status().complete; }, 300s));
      CHECK(leecher.content(leecher.swarm()) == content);
      CHECK(leecher.status().chunks_rejected == 0);
    }
  }

  TEST_CASE("the short last chunk is alone or last in its datagram (8.6 #73 #74)") {
    EndpointOptions options;
    options.base_datagram_size = 8'000;  // room for several
    Serving s(20 * 1'024 + 100, {}, options);
    REQUIRE(s.peer->open());
    s.peer->say({Request{{20, 21}}, Request{{10, 20}}, Request{{0, 3}}});
    const auto heard = s.peer->hear(200ms);
    CHECK(chunks_in(heard).size() == 14);
    bool several = false;
    for (const Heard& datagram : heard) {
      const auto data = datagram.all<Data>();
      several |= data.size() > 1;
      for (std::size_t i = 0; i + 1 < data.size(); ++i) CHECK(data[i].payload.size() == 1'024);
      if (!data.empty()) CHECK(std::holds_alternative<Data>(datagram.messages.back()));
      for (const Data& d : data) CHECK(d.chunks.size() == 1);
    }
    CHECK(several);
  }

  TEST_CASE("REQUESTs are served in the order in which they came (3.7 #152)") {
    Serving s;
    REQUIRE(s.peer->open());
    s.peer->say({Request{{30, 32}}, Request{{3, 5}}, Request{{40, 41}}, Request{{0, 1}}});
    std::vector<ChunkIndex> order;
    for (int i = 0; i < 20 && order.size() < 6; ++i) {
      for (const Heard& heard : s.peer->hear(20ms)) {
        for (const Data& data : heard.all<Data>()) {
          order.push_back(data.chunks.begin);
          s.peer->say({Ack{data.chunks, 1'000}});
        }
      }
    }
    CHECK(order == std::vector<ChunkIndex>{30, 31, 3, 4, 40, 0});
  }

  TEST_CASE("CANCEL takes out what has not been sent; for anything else it is ignored (12.6.7)") {
    EndpointOptions options;
    options.upload_limit = 20'000;
    Serving s(50'000, {}, options);
    REQUIRE(s.peer->open());
    s.peer->say({Cancel{{0, 49}}, Request{{0, 49}}, Cancel{{20, 49}}, Cancel{{20, 49}}});
    std::set<ChunkIndex> got;
    for (int i = 0; i < 100; ++i) {
      for (const ChunkIndex chunk : chunks_in(s.peer->hear(50ms))) {
        got.insert(chunk);
        s.peer->say({Ack{{chunk, chunk + 1}, 1'000}});
      }
    }
    CHECK(got.size() == 20);
    CHECK(*got.rbegin() == 19);
  }

  TEST_CASE("HAVE for what was asked is a CANCEL (3.8 #156)") {
    EndpointOptions options;
    options.upload_limit = 20'000;
    Serving s(50'000, {}, options);
    REQUIRE(s.peer->open());
    s.peer->say({Request{{0, 49}}, Have{{10, 49}}});
    std::set<ChunkIndex> got;
    for (int i = 0; i < 60; ++i) {
      for (const ChunkIndex chunk : chunks_in(s.peer->hear(50ms))) {
        got.insert(chunk);
        s.peer->say({Ack{{chunk, chunk + 1}, 1'000}});
      }
    }
    CHECK(got.size() == 10);
  }

  TEST_CASE("REQUEST twice is served once while it is on its way (8.2 #236)") {
    Serving s;
    REQUIRE(s.peer->open());
    s.peer->say({Request{{7, 8}}, Request{{7, 8}}});
    s.peer->say({Request{{7, 8}}});
    std::size_t times = 0;
    for (const Heard& heard : s.peer->hear(30ms)) times += heard.all<Data>().size();
    CHECK(times == 1);
  }

  TEST_CASE("REQUESTs beyond the end, and for everything, get what there is (8.10)") {
    Serving s(5'000);
    REQUIRE(s.peer->open());
    s.peer->say({Request{{4, 1'000'000}}, Request{{900, 901}}, Request{{0, 0xffff'ffff}}});
    std::set<ChunkIndex> got;
    for (int i = 0; i < 10; ++i) {
      for (const ChunkIndex chunk : chunks_in(s.peer->hear(20ms))) {
        got.insert(chunk);
        s.peer->say({Ack{{chunk, chunk + 1}, 1'000}});
      }
    }
    CHECK(got == std::set<ChunkIndex>{0, 1, 2, 3, 4});
  }

  TEST_CASE("a REQUEST for a content of which there is next to nothing costs next to nothing") {
    World world(seed(), {.delay = 1ms});
    Node& node = world.add_node();
    SwarmMetadata metadata{.chunk_size = 512};
    metadata.id = SwarmId(random_content(32, 1));
    metadata.content_length = std::uint64_t{1} << 30;  // two million chunks
    node.join(metadata);
    Puppet peer(world, node, metadata);
    REQUIRE(peer.open());
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < 1'000; ++i) {
      peer.say({Request{{0, 2'000'000}}});
      world.run_for(1ms);
    }
    CHECK(std::chrono::steady_clock::now() - start < 5s);
  }

  TEST_CASE("ACKs for what was never sent move nothing (12.6.4 #85)") {
    Serving s(500'000);
    REQUIRE(s.peer->open());
    s.peer->hear();
    const ChannelStatus before = s.channel();
    for (int i = 0; i < 200; ++i) s.peer->say({Ack{{100, 480}, 1}, Ack{{0, 50}, -5}});
    s.peer->hear();
    CHECK(s.channel().window == before.window);
    CHECK(s.channel().flight_size == 0);
    CHECK(s.channel().datagram_size == before.datagram_size);
  }

  TEST_CASE("an ACK or HAVE far beyond the end was damaged: nothing of it holds (8.10)") {
    Serving s(500'000);
    REQUIRE(s.peer->open());
    s.peer->say({Request{{0, 489}}});
    s.peer->say({Ack{{4, 536'871'574}, 67'110'974}, Have{{0, 513}}});
    const std::vector<ChunkIndex> got = s.fetch({0, 489});
    CHECK(std::set(got.begin(), got.end()).size() == 489);
  }

  TEST_CASE("what an ACK named that the peer has not got comes with its hashes when asked for") {
    Serving s(500'000);
    REQUIRE(s.peer->open());
    s.peer->say({Ack{{0, 480}, 1'000}});
    const std::vector<Heard> first = s.ask({200, 201});
    REQUIRE(chunks_in(first).contains(200));
    CHECK(bins_of(first.front()).size() > 2);
    CHECK(s.fetch({0, 480}).size() >= 479);
    // But it cannot go on like that (12.6.4, 12.6.6).
    std::size_t again = 0;
    for (int i = 0; i < 5; ++i) {
      s.peer->say({Have{{0, 480}}});
      again += s.fetch({0, 480}).size();
    }
    CHECK(again <= 64 + (480 + again) / 16);
  }

  TEST_CASE("who announces what it got before it acknowledges that has it of us (12.6.6)") {
    Serving s(500'000);
    REQUIRE(s.peer->open());
    std::size_t got = 0;
    for (int i = 0; i < 6; ++i) got += s.fetch({0, 480}, true).size();
    CHECK(got >= 480);
    CHECK(got <= 480 + 2 * (64 + 480 / 16));
  }

  TEST_CASE("ACKs that lie about the delay keep the window within bounds (12.6.4 #86)") {
    Serving s(900'000);
    REQUIRE(s.peer->open());
    s.peer->say({Request{{0, 879}}});
    Rng random(seed());
    std::set<ChunkIndex> got;
    for (int i = 0; i < 400 && got.size() < 879; ++i) {
      for (const ChunkIndex chunk : chunks_in(s.peer->hear(10ms))) {
        got.insert(chunk);
        s.peer->say({Ack{{chunk, chunk + 1}, static_cast<std::int64_t>(random.next_u64())}});
      }
      s.node->endpoint().check_invariants();
    }
    CHECK(s.channel().window > 0);
    CHECK(s.channel().window <= std::size_t{64} << 20);
    CHECK(got.size() > 100);
  }

  TEST_CASE("a message type that the peer does not list is never sent to it (7.10 #223)") {
    Serving s;
    MessageSet few;
    for (const auto type : {MessageType::handshake, MessageType::request, MessageType::ack}) {
      few.set(static_cast<std::size_t>(type));
    }
    HandshakeOptions options = s.peer->options(true);
    options.supported_messages = few;
    s.peer->say_to({}, {Handshake{s.peer->own, options}});
    const auto answers = s.peer->hear();
    REQUIRE(answers.size() == 1);
    CHECK_FALSE(answers[0].has<Have>());
    s.peer->remote = answers[0].all<Handshake>().at(0).source;
    s.peer->say({Request{{0, 3}}});
    for (const Heard& heard : s.peer->hear(40s)) CHECK(heard.messages.empty());  // keep-alives
  }

  TEST_CASE("keep-alives: the channel ID alone, about every 27 s (3.12 #192, 8.14 #195)") {
    Serving s;
    REQUIRE(s.peer->open({Have{{0, s.original.chunk_count()}}}));
    s.peer->hear(1s);
    std::size_t count = 0;
    for (int i = 0; i < 10; ++i) {
      for (const Heard& heard : s.peer->hear(30s)) {
        CHECK(heard.octets.size() == 4);
        CHECK(heard.to == s.peer->own);
        ++count;
      }
      s.peer->say({});
    }
    CHECK(count >= 9);
    CHECK(count <= 12);
    CHECK(s.node->status().channels == 1);
  }

  TEST_CASE("who asks for nothing hears again what there is, and once more with keep-alives") {
    Serving s;
    REQUIRE(s.peer->open());
    s.peer->hear(1s);
    CHECK(s.peer->hear_all<Have>(20s).size() >= 3);
    CHECK_FALSE(s.peer->hear_all<Have>(30s).empty());
    CHECK_FALSE(s.ask({0, 3}).empty());
    s.peer->say({Have{{0, s.original.chunk_count()}}});
    CHECK(s.peer->hear_all<Have>(60s).empty());
  }

  TEST_CASE("dead: silent for three minutes, three datagrams sent, then nothing more (#193 #194)") {
    Serving s;
    REQUIRE(s.peer->open());
    s.peer->hear(1s);
    s.peer->hear(170s);
    CHECK(s.node->status().channels == 1);
    s.peer->hear(15s);
    CHECK(s.node->status().channels == 0);
    CHECK(s.node->endpoint().counters().peers_dead == 1);
    CHECK(s.peer->hear(600s).empty());
  }

  TEST_CASE("the rest of a datagram behind an invalid message is dropped (3 #2 #3, 3.1 #10)") {
    Serving s;
    REQUIRE(s.peer->open());
    auto octets = s.peer->octets(s.peer->remote, {Request{{1, 2}}});
    octets.push_back(std::byte{99});  // unknown
    const auto more = s.peer->octets(s.peer->remote, {Request{{5, 6}}});
    octets.insert(octets.end(), more.begin() + 4, more.end());
    s.peer->say_octets(octets);
    CHECK(chunks_in(s.peer->hear(30ms)) == std::set<ChunkIndex>{1});
    s.peer->say({Request{{2, 3}}, Handshake{ChannelId{}, closing_options()}, Request{{6, 7}}});
    CHECK(chunks_in(s.peer->hear(30ms)).contains(2));
    CHECK(s.node->status().channels == 1);  // the misplaced HANDSHAKE closed nothing
    CHECK(s.node->endpoint().counters().decode_errors == 2);
  }

  TEST_CASE("a peer that goes on sending what cannot be read is dropped (3 #4)") {
    Serving s;
    REQUIRE(s.peer->open());
    s.peer->hear();
    std::vector<std::byte> junk(100, std::byte{0xee});
    ByteWriter out(junk);
    write_channel(out, s.peer->remote);
    for (int i = 0; i < 10; ++i) s.peer->say_octets(junk);
    s.peer->hear();
    CHECK(s.node->status().channels == 1);  // a little damage is the network's
    for (int i = 0; i < 100; ++i) s.peer->say_octets(junk);
    s.peer->hear();
    CHECK(s.node->status().channels == 0);
    CHECK(s.node->endpoint().counters().peers_dropped == 1);
  }

  TEST_CASE("PEX and UNCHOKE out of nowhere do nothing (3.10 #175, 12.6.9 #165)") {
    Serving s;
    REQUIRE(s.peer->open());
    s.peer->hear();
    s.peer->say({Unchoke{}, PexReq{}, PexResV4{0x7f000001, 99}, PexResV6{}, Choke{}, Unchoke{}});
    CHECK(s.peer->hear(1s).empty());
    CHECK_FALSE(s.ask({0, 1}).empty());
  }
}

}  // namespace ppspp::test
