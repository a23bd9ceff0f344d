// What the source of a live feed says to a peer that is played by hand, octet by octet where it
// matters (RFC 7574, 3.7, 6.1, 6.2, 7.9, 8.9).
#include <doctest/doctest.h>

#include <algorithm>

#include "crypto/verifying_key.h"
#include "endpoint/puppet.h"
#include "endpoint/signed_feed.h"
#include "storage/ring_chunk_store.h"
#include "support/hex.h"
#include "support/seed.h"
#include "wire/signed_content.h"

namespace ppspp::test {
namespace {

constexpr std::uint64_t kWidth = 4;

SwarmMetadata feed_metadata(IntegrityMethod method = IntegrityMethod::unified_merkle) {
  SwarmMetadata metadata;
  metadata.integrity = method;
  if (method == IntegrityMethod::unified_merkle) metadata.chunks_per_signature = kWidth;
  return live_metadata(metadata);
}

// A source that says what it is told to, and a peer that looks at it.
struct Publishing {
  explicit Publishing(const SwarmMetadata& of = feed_metadata(),
                      const EndpointOptions& options = {}, std::uint64_t window = 1'000)
      : world(seed(), {.delay = 5ms}), metadata(of) {
    world.clocks_agree = true;
    node = &world.add_node(options);
    LiveSourceSettings settings;
    settings.discard_window = window;
    const auto published = node->endpoint().publish(metadata, std::make_unique<RingChunkStore>(),
                                                    test_signer(), settings, world.now(*node));
    REQUIRE_MESSAGE(published, (published ? "" : published.error().context));
    feed = *published;
    peer = std::make_unique<Puppet>(world, *node, metadata);
  }
  void append(std::uint64_t octets) {
    const auto content = feed_octets(fed, static_cast<std::size_t>(octets));
    REQUIRE(node->endpoint().append(feed, content, world.now(*node)));
    fed += octets;
  }
  void append_chunks(std::uint64_t chunks) { append(chunks * metadata.chunk_size); }
  void end() { REQUIRE(node->endpoint().end_feed(feed, world.now(*node))); }
  // The peer opens, says that it is not interested in what is old, and forgets what it heard.
  void open_and_listen() {
    REQUIRE(peer->open());
    peer->hear(100ms);
  }
  std::vector<Heard> ask(ChunkIndex chunk) {
    peer->say({Request{{chunk, chunk + 1}}});
    return peer->hear(20ms);
  }

  World world;
  SwarmMetadata metadata;
  Node* node;
  SwarmHandle feed;
  std::unique_ptr<Puppet> peer;
  std::uint64_t fed = 0;
};

bool names_munro(const Heard& heard, std::uint64_t group) {
  const ChunkRange munro{group * kWidth, (group + 1) * kWidth};
  const auto hashes = heard.all<Integrity>();
  const auto signatures = heard.all<SignedIntegrity>();
  const auto is_it = [&](const auto& message) { return message.chunks == munro; };
  const bool has_signature = std::ranges::any_of(signatures, is_it);
  // Both or none (6.1.2.3 #135).
  CHECK((!has_signature || std::ranges::any_of(hashes, is_it)));
  return has_signature;
}

bool any_names_munro(const std::vector<Heard>& all, std::uint64_t group) {
  return std::ranges::any_of(all, [&](const Heard& heard) { return names_munro(heard, group); });
}

template <typename T>
std::size_t count(const std::vector<Heard>& all) {
  std::size_t number = 0;
  for (const Heard& heard : all) number += heard.all<T>().size();
  return number;
}

std::vector<std::size_t> kinds(const Heard& heard) {
  std::vector<std::size_t> all;
  for (const Message& message : heard.messages) all.push_back(message.index());
  return all;
}
constexpr auto kData = static_cast<std::size_t>(MessageType::data);
constexpr auto kIntegrity = static_cast<std::size_t>(MessageType::integrity);
constexpr auto kSigned = static_cast<std::size_t>(MessageType::signed_integrity);

}  // namespace

TEST_SUITE("endpoint/live_conformance") {
  TEST_CASE("nothing is announced, pushed or proved before it is signed (6.1.2.3 #134)") {
    Publishing f;
    f.open_and_listen();
    f.append_chunks(kWidth - 1);
    f.append(1'023);
    const auto before = f.peer->hear(1s);
    CHECK(count<Have>(before) + count<Data>(before) + count<Integrity>(before) +
              count<SignedIntegrity>(before) ==
          0);
    CHECK(count<Data>(f.ask(0)) == 0);
    f.append(1);
    const auto after = f.peer->hear(100ms);
    CHECK(count<Data>(after) >= 1);
    CHECK(any_names_munro(after, 0));
  }

  TEST_CASE("a munro, octet by octet (6.1.2.2 #133, 6.1.2.3 #135, 8.9 #144 #145)") {
    Publishing f;
    f.append_chunks(2 * kWidth);
    const std::uint64_t ntp = ntp_timestamp(f.world.now(*f.node).wall);
    REQUIRE(f.peer->open());
    const auto heard = f.peer->hear();
    REQUIRE(heard.size() == 1);
    SignedFeed original(f.metadata, kWidth);
    original.sign(1, ntp);
    // Channel; HAVE of what is there; INTEGRITY and SIGNED_INTEGRITY of the rightmost munro.
    const auto& octets = heard[0].octets;
    REQUIRE(octets.size() == 4 + 9 + 41 + 81);
    const auto part = [&](std::size_t begin, std::size_t size) {
      return to_hex(std::span(octets).subspan(begin, size));
    };
    CHECK(part(4, 9) == "030000000000000007");
    CHECK(part(13, 9) == "040000000400000007");
    CHECK(part(22, 32) == to_hex(original.munro_hash(1).hash));
    CHECK(part(54, 9) == "070000000400000007");
    CHECK(load<std::uint64_t>(&octets[63]) == ntp);
    // The signature is over specification, time and hash, as they stand here.
    std::vector<std::byte> plaintext(octets.begin() + 55, octets.begin() + 71);
    plaintext.insert(plaintext.end(), octets.begin() + 22, octets.begin() + 54);
    auto key = VerifyingKey::from_dnskey(f.metadata.id.octets());
    REQUIRE(key);
    CHECK(key->verify(plaintext, std::span(octets).subspan(71, 64)));
  }

  TEST_CASE(
      "a responder's rightmost munro: not in the second datagram, but in the fourth (6.1.2.4 "
      "#138 #140)") {
    Publishing f;
    f.append_chunks(3 * kWidth);
    f.peer->say_first();
    const auto second = f.peer->hear();
    REQUIRE(second.size() == 1);
    CHECK(second[0].has<Have>());
    CHECK_FALSE(second[0].has<Integrity>());
    CHECK_FALSE(second[0].has<SignedIntegrity>());
    REQUIRE(f.peer->take_answer(second));
    const auto fourth = f.peer->hear();
    REQUIRE(!fourth.empty());
    CHECK(names_munro(fourth[0], 2));
  }

  TEST_CASE("an initiator's: not in the first datagram, but in the third (6.1.2.4 #137 #139)") {
    for (const bool knows : {false, true}) {
      CAPTURE(knows);
      Publishing f;
      f.append_chunks(3 * kWidth);
      f.node->endpoint().add_peer(f.feed, f.peer->address(), f.world.now(*f.node));
      f.world.run_for(6ms);
      REQUIRE(f.world.inbox.size() == 1);
      DatagramReader first(f.world.inbox[0].octets, f.peer->format());
      while (const auto message = first.next()) CHECK(std::holds_alternative<Handshake>(*message));
      CHECK_FALSE(first.error());
      // HAVE in the second datagram may show that the munro is known already.
      REQUIRE(f.peer->accept(knows ? std::vector<Message>{Have{{9, 10}}} : std::vector<Message>{}));
      const auto third = f.peer->hear();
      REQUIRE(!third.empty());
      CHECK(names_munro(third[0], 2) == !knows);
    }
  }

  TEST_CASE(
      "the rightmost munro goes again until HAVE or ACK shows a chunk under it, or a later one "
      "(6.1.2.4 #138, decision 27)") {
    const std::vector<std::vector<Message>> kShows = {
        {Have{{8, 9}}}, {Have{{11, 12}}}, {Have{{40, 41}}}, {Ack{{10, 11}, 0}}};
    for (std::size_t how = 0; how < kShows.size(); ++how) {
      CAPTURE(how);
      Publishing f;
      f.append_chunks(3 * kWidth);
      REQUIRE(f.peer->open());
      CHECK(any_names_munro(f.peer->hear(20ms), 2));
      const auto soon = f.ask(0);
      CHECK(count<Data>(soon) == 1);
      CHECK_FALSE(any_names_munro(soon, 2));
      f.peer->say({Have{{0, 8}}});  // older ones are not enough
      f.peer->hear(300ms);
      const auto later = f.ask(8);
      REQUIRE(count<Data>(later) >= 1);
      f.peer->say({Cancel{{8, 9}}});
      f.peer->hear(300ms);
      f.peer->say({Request{{100, 101}}});  // it has none such
      f.peer->say(kShows[how]);
      f.peer->hear(300ms);
      f.peer->say({Request{{1, 2}}});
      const auto known = f.peer->hear(300ms);
      CHECK(count<Data>(known) >= 1);
      CHECK_FALSE(any_names_munro(known, 2));
    }
  }

  TEST_CASE("the rightmost munro is told again with what leaves, after 250 ms (6.1.2.4 #138)") {
    Publishing f;
    f.append_chunks(3 * kWidth);
    f.open_and_listen();
    std::size_t told = 0;
    for (int i = 0; i < 20; ++i) {  // 50 ms each
      f.peer->say({Request{{0, 1}}});
      if (any_names_munro(f.peer->hear(20ms), 2)) ++told;
      f.peer->say({Ack{{0, 1}, 0}});
      f.peer->hear(30ms);
    }
    CHECK(told >= 3);
    CHECK(told <= 4);
  }

  TEST_CASE(
      "a chunk comes behind its munro and the uncles below it, highest first (6.1.2.3 #135 "
      "#136, 5.4 #108)") {
    for (const auto addressing :
         {ChunkAddressing::bin32, ChunkAddressing::byte64, ChunkAddressing::chunk32,
          ChunkAddressing::bin64, ChunkAddressing::chunk64}) {
      CAPTURE(static_cast<int>(addressing));
      SwarmMetadata metadata = feed_metadata();
      metadata.addressing = addressing;
      metadata.chunks_per_signature = 8;
      Publishing f(metadata);
      const std::uint64_t ntp = ntp_timestamp(f.world.now(*f.node).wall);
      f.append_chunks(24);
      SignedFeed original(metadata, 8);
      original.sign(1, ntp);
      f.open_and_listen();
      const auto reply = f.ask(13);
      REQUIRE(reply.size() == 1);
      REQUIRE(kinds(reply[0]) == std::vector<std::size_t>{kIntegrity, kSigned, kIntegrity,
                                                          kIntegrity, kIntegrity, kData});
      const auto hashes = reply[0].all<Integrity>();
      const ChunkRange kOrder[] = {{8, 16}, {8, 12}, {14, 16}, {12, 13}};
      for (std::size_t i = 0; i < 4; ++i) {
        CHECK(hashes[i].chunks == kOrder[i]);
        CHECK(std::ranges::equal(hashes[i].hash, original.hash(bin_of(kOrder[i])).hash));
      }
      const auto signature = reply[0].all<SignedIntegrity>()[0];
      CHECK(signature.chunks == ChunkRange{8, 16});
      CHECK(std::ranges::equal(signature.signature, original.signature(1).signature));
      CHECK(reply[0].all<Data>()[0].chunks == ChunkRange{13, 14});
      CHECK(std::ranges::equal(reply[0].all<Data>()[0].payload, original.data(13).payload));
    }
  }

  TEST_CASE(
      "after an ACK of a chunk under it no munro, and only the uncles that are missing (#135, "
      "#136)") {
    Publishing f;
    f.append_chunks(3 * kWidth);
    f.open_and_listen();
    CHECK(any_names_munro(f.ask(4), 1));
    // Not acknowledged yet: the munro goes again, with another chunk (decision 27).
    CHECK(any_names_munro(f.ask(5), 1));
    f.peer->say({Ack{{4, 6}, 0}});
    f.peer->hear(20ms);
    const auto reply = f.ask(6);
    REQUIRE(reply.size() == 1);
    CHECK(kinds(reply[0]) == std::vector<std::size_t>{kIntegrity, kData});
    CHECK(reply[0].all<Integrity>()[0].chunks == ChunkRange{7, 8});
    // HAVE does as well as ACK.
    f.peer->say({Have{{0, 1}}});
    CHECK_FALSE(any_names_munro(f.ask(3), 0));
  }

  TEST_CASE("one munro in a datagram is enough for all its chunks") {
    Publishing f;
    f.append_chunks(2 * kWidth);
    f.open_and_listen();
    f.peer->say({Request{{0, kWidth}}});
    std::size_t chunks = 0;
    for (const Heard& heard : f.peer->hear(20ms)) {
      if (!heard.has<Data>()) continue;
      CHECK(names_munro(heard, 0));
      CHECK(heard.all<SignedIntegrity>().size() == 1);
      chunks += heard.all<Data>().size();
    }
    CHECK(chunks >= 2);  // as many as a new peer gets before its first ACK
  }

  TEST_CASE(
      "fresh chunks are pushed to who is there, and only announced to who was silent for two "
      "seconds (3.7 #154, decision 33)") {
    Publishing f;
    f.append_chunks(kWidth);
    f.open_and_listen();
    f.append_chunks(kWidth);
    const auto pushed = f.peer->hear(20ms);
    CHECK(count<Data>(pushed) >= 1);
    f.peer->say({Ack{{4, 8}, 0}});
    f.peer->hear(2'100ms);
    f.append_chunks(kWidth);
    const auto told = f.peer->hear(400ms);
    CHECK(count<Data>(told) == 0);
    std::vector<ChunkRange> announced;
    for (const Heard& heard : told) {
      for (const Have& have : heard.all<Have>()) announced.push_back(have.chunks);
    }
    CHECK(std::ranges::any_of(announced, [](ChunkRange r) { return r.contains({8, 12}); }));
    CHECK(any_names_munro(told, 2));
    CHECK(f.node->endpoint().status(f.feed)->live->chunks_pushed == kWidth);
  }

  TEST_CASE(
      "the window is told, and what was forgotten is neither announced nor served (6.2 #147, "
      "7.9 #218)") {
    Publishing f(feed_metadata(), {}, 16);
    f.peer->say_first();
    const auto second = f.peer->hear();
    REQUIRE(second.size() == 1);
    const auto options = second[0].all<Handshake>()[0].options;
    CHECK(options.live_discard_window == 16);
    CHECK(options.signature_algorithm == 15);  // 7.7 #216
    f.append_chunks(40 * kWidth);
    REQUIRE(f.peer->take_answer(second));
    ChunkIndex oldest = kMaxChunks;
    for (const Have& have : f.peer->hear_all<Have>()) {
      oldest = std::min(oldest, have.chunks.begin);
    }
    CHECK(oldest >= 160 - 16 - 2 * kWidth);
    CHECK(oldest < 160 - 16 + kWidth);
    CHECK(count<Data>(f.ask(3)) == 0);
    CHECK(count<Data>(f.ask(159)) == 1);
  }

  TEST_CASE("the mark of the end moves the window as any munro does (6.2 #147, decision 26)") {
    Publishing f(feed_metadata(), {}, 16);
    f.append_chunks(40 * kWidth);
    REQUIRE(f.peer->open());
    f.peer->hear();
    f.end();
    f.node->endpoint().check_invariants();
    // What is still served is still proved.
    const ChunkRange window = f.node->endpoint().status(f.feed)->live->window;
    for (ChunkIndex chunk = window.begin - kWidth; chunk < window.begin + kWidth; ++chunk) {
      for (const Heard& heard : f.ask(chunk)) {
        for (const Data& data : heard.all<Data>()) {
          CHECK(data.chunks.begin >= window.begin);
          CHECK(names_munro(heard, data.chunks.begin / kWidth));
        }
      }
      f.peer->say({Cancel{{chunk, chunk + 1}}});
    }
  }

  TEST_CASE(
      "the end is the signed munro of a subtree that is all empty, told until it is shown to "
      "be known (decision 26)") {
    Publishing f;
    f.append_chunks(kWidth);
    f.append(100);  // half of a group, and a short chunk
    f.open_and_listen();
    const std::uint64_t ntp = ntp_timestamp(f.world.now(*f.node).wall);
    f.end();
    SignedFeed original(f.metadata, kWidth);
    original.sign(2, ntp, 0);
    std::size_t told = 0;
    std::size_t short_chunks = 0;
    for (const Heard& heard : f.peer->hear(60s)) {
      for (const Have& have : heard.all<Have>()) CHECK(have.chunks.end <= 5);  // no empty leaves
      for (const Data& data : heard.all<Data>()) {
        CHECK(data.chunks == ChunkRange{4, 5});
        CHECK(data.payload.size() == 100);
        ++short_chunks;
      }
      if (!names_munro(heard, 2)) continue;
      ++told;
      for (const Integrity& hash : heard.all<Integrity>()) {
        if (hash.chunks != ChunkRange{8, 12}) continue;
        CHECK(std::ranges::all_of(hash.hash, [](std::byte o) { return o == std::byte{0}; }));
      }
      for (const SignedIntegrity& mark : heard.all<SignedIntegrity>()) {
        if (mark.chunks != ChunkRange{8, 12}) continue;
        CHECK(std::ranges::equal(mark.signature, original.signature(2).signature));
      }
    }
    CHECK(short_chunks >= 1);
    CHECK(told >= 6);
    CHECK(told < 30);  // with what leaves anyway, and then no more
    // Who sends it to us knows it.
    Publishing g;
    g.append_chunks(kWidth);
    g.open_and_listen();
    const std::uint64_t end_ntp = ntp_timestamp(g.world.now(*g.node).wall);
    g.end();
    SignedFeed own(g.metadata, kWidth);
    own.sign(1, end_ntp, 0);
    g.peer->hear(20ms);
    CHECK_FALSE(g.node->endpoint().everybody_has_all(g.feed, g.world.now(*g.node)));
    g.peer->say({Have{{0, kWidth}}});
    g.peer->hear(20ms);
    CHECK(g.node->endpoint().everybody_has_all(g.feed, g.world.now(*g.node)));
  }

  TEST_CASE("Sign All: each chunk behind its signature, no hashes (6.1.1 #126 #128, decision 31)") {
    Publishing f(feed_metadata(IntegrityMethod::sign_all));
    const std::uint64_t ntp = ntp_timestamp(f.world.now(*f.node).wall);
    f.append_chunks(3);
    SignedFeed original(f.metadata, 1);
    for (ChunkIndex chunk = 0; chunk < 3; ++chunk) original.sign(chunk, ntp);
    f.open_and_listen();
    f.peer->say({Request{{0, 3}}});
    std::size_t chunks = 0;
    for (const Heard& heard : f.peer->hear(20ms)) {
      const auto signatures = heard.all<SignedIntegrity>();
      const auto data = heard.all<Data>();
      REQUIRE(signatures.size() == data.size());
      for (std::size_t i = 0; i < data.size(); ++i, ++chunks) {
        CHECK(signatures[i].chunks == data[i].chunks);
        const auto own = original.signature(data[i].chunks.begin);
        CHECK(signatures[i].ntp_timestamp == ntp);
        CHECK(std::ranges::equal(signatures[i].signature, own.signature));
      }
    }
    CHECK(chunks == 3);
    // The end: the signature of the chunk behind the last, as of an empty one.
    f.end();
    original.sign(3, ntp_timestamp(f.world.now(*f.node).wall), 0);
    const auto end = f.peer->hear_all<SignedIntegrity>(1s);
    REQUIRE(!end.empty());
    for (const SignedIntegrity& mark : end) {
      if (mark.chunks.begin < 3) continue;  // a chunk that is sent again
      CHECK(mark.chunks == ChunkRange{3, 4});
      CHECK(std::ranges::equal(mark.signature, original.signature(3).signature));
    }
  }

  TEST_CASE("Sign All: a signature that does not fit beside its chunk goes first (6.1.1 #127)") {
    SwarmMetadata metadata = feed_metadata(IntegrityMethod::sign_all);
    metadata.chunk_size = 1'400;
    EndpointOptions narrow;
    narrow.max_datagram_size = narrow.base_datagram_size;
    Publishing f(metadata, narrow);
    f.append_chunks(2);
    f.open_and_listen();
    const auto reply = f.ask(1);
    REQUIRE(reply.size() == 2);
    CHECK(kinds(reply[0]) == std::vector<std::size_t>{kSigned});
    CHECK(reply[0].all<SignedIntegrity>()[0].chunks == ChunkRange{1, 2});
    CHECK(kinds(reply[1]) == std::vector<std::size_t>{kData});
  }

  TEST_CASE("a source that found no room when its rate was known says so, at the end as well") {
    World world(seed());
    Node& node = world.add_node();
    const SwarmMetadata metadata = live_metadata();
    const auto feed = node.endpoint().publish(metadata, std::make_unique<RingChunkStore>(1'024),
                                              test_signer(), {}, world.now(node));
    REQUIRE(feed);
    REQUIRE(node.endpoint().append(*feed, feed_octets(0, 5'000), world.now(node)));
    world.run_for(2s);  // a second of it is measured
    CHECK(node.endpoint().status(*feed)->store_failed);
    CHECK_FALSE(node.endpoint().append(*feed, feed_octets(5'000, 10), world.now(node)));
    CHECK_FALSE(node.endpoint().end_feed(*feed, world.now(node)));
    CHECK_FALSE(node.endpoint().feed_length(*feed));
  }
}

}  // namespace ppspp::test
