// Automatic size detection (RFC 7574, 5.6) among liars: what a peer says about the size of the
// content is its own claim until a chunk of full size and the last chunk have proved it.
#include <doctest/doctest.h>

#include <algorithm>
#include <functional>

#include "channel/handshake_check.h"
#include "endpoint/world.h"
#include "integrity/reference.h"
#include "storage/memory_chunk_store.h"
#include "support/seed.h"
#include "wire/datagram.h"

namespace ppspp::test {
namespace {

constexpr std::size_t kChunk = 1'024;

// Remembers what it was asked to make room for.
class WatchedStore final : public ChunkStore {
 public:
  explicit WatchedStore(std::uint64_t& allocated) : allocated_(allocated) {}
  StoreStatus read(std::uint64_t at, std::span<const std::span<std::byte>> pieces) override {
    return memory_.read(at, pieces);
  }
  StoreStatus write(std::uint64_t at, std::span<const std::span<const std::byte>> p) override {
    return memory_.write(at, p);
  }
  void prefetch(std::uint64_t, std::uint64_t) override {}
  StoreStatus set_content_length(std::uint64_t length) override {
    allocated_ += length;
    return memory_.set_content_length(length);
  }
  std::span<std::byte> tree_memory(std::size_t size) override {
    allocated_ += size;
    return memory_.tree_memory(size);
  }
  bool content_suspect() override { return false; }
  std::span<const std::byte> content() const { return memory_.content(); }

 private:
  MemoryChunkStore memory_;
  std::uint64_t& allocated_;
};

struct Claimed {
  Bin bin;
  Octets hash;
};
struct Answer {
  std::vector<Claimed> hashes;
  Octets payload;
};
struct Lie {
  ChunkRange announced;
  std::function<std::optional<Answer>(ChunkIndex)> answer;
};

Octets octets_of(const Digest& digest) {
  return {digest.octets().begin(), digest.octets().end()};
}
Octets octets_of(std::span<const std::byte> octets) {
  return {octets.begin(), octets.end()};
}

Octets children(const Reference& truth, Bin parent) {
  Octets both = octets_of(truth.node(parent.left()));
  const Octets right = octets_of(truth.node(parent.right()));
  both.insert(both.end(), right.begin(), right.end());
  return both;
}

// The way up from `chunk`, as the true tree, cut off below `dropped`, has it; the root is the peak.
std::vector<Claimed> way_under_root(const Reference& truth, ChunkIndex chunk, int height,
                                    int dropped) {
  std::vector<Claimed> hashes = {{Bin::node(height, 0), octets_of(truth.root())}};
  for (Bin node = Bin::leaf(chunk); node.height() < height; node = node.parent()) {
    const Bin sibling = node.sibling();
    const Bin real = Bin::node(sibling.height() + dropped, sibling.offset());
    hashes.push_back({sibling, octets_of(truth.node(real))});
  }
  return hashes;
}

// Eight chunks claimed as four, with chunks that are too long, or that are the hashes of two.
Lie half_as_many(const Reference& truth, bool real_chunks) {
  return {{0, 4}, [&truth, real_chunks](ChunkIndex chunk) {
            return Answer{
                way_under_root(truth, chunk, 2, 1),
                real_chunks ? octets_of(truth.chunk(chunk)) : children(truth, Bin::node(1, chunk))};
          }};
}

// The last of four "chunks" verifies, being the hashes of two: short, as a last one may be.
Lie short_last_first(const Reference& truth) {
  Lie lie = half_as_many(truth, false);
  lie.announced = {3, 4};
  return lie;
}

Lie one_chunk(const Reference& truth) {
  return {{0, 1}, [&truth](ChunkIndex chunk) {
            return Answer{way_under_root(truth, chunk, 0, 3), children(truth, Bin::node(3, 0))};
          }};
}

// Five chunks as six: the parent of the fifth and of an empty leaf is a peak. `answers_last`: with
// anything, since the sixth does not exist.
Lie one_more(const Reference& truth, bool answers_last) {
  return {{0, 6}, [&truth, answers_last](ChunkIndex chunk) -> std::optional<Answer> {
            Answer answer;
            for (const Bin bin : {Bin{3}, Bin{9}, Bin{5}, Bin{2}, Bin{8}}) {
              answer.hashes.push_back({bin, octets_of(truth.node(bin))});
            }
            if (chunk == 5 && !answers_last) return std::nullopt;
            answer.payload = octets_of(truth.chunk(std::min<ChunkIndex>(chunk, 4)));
            return answer;
          }};
}

Lie endless(const Reference& truth) {
  return {{0, std::uint64_t{1} << 40}, [&truth](ChunkIndex chunk) {
            Answer answer{{{Bin::node(40, 0), octets_of(truth.root())}}, octets_of(truth.chunk(0))};
            for (Bin node = Bin::leaf(chunk); node.height() < 40; node = node.parent()) {
              answer.hashes.push_back({node.sibling(), Octets(32, std::byte{7})});
            }
            return answer;
          }};
}

Lie mute() {
  return {{0, 5}, [](ChunkIndex) { return std::nullopt; }};
}

// Played by hand: answers every handshake, and every REQUEST for a chunk as the lie has it.
class Liar {
 public:
  Liar(World& world, Node& victim, const SwarmMetadata& metadata, Lie lie)
      : world_(world),
        victim_(victim),
        metadata_(metadata),
        format_(wire_format(metadata)),
        lie_(std::move(lie)) {}

  TransportAddress address() const { return world_.stranger(); }
  std::size_t handshakes() const { return handshakes_; }
  std::size_t requests() const { return requests_; }
  std::size_t acks() const { return acks_; }
  bool asked_beyond() const { return asked_beyond_; }

  void act() {
    const auto arrived = std::exchange(world_.inbox, {});
    for (const auto& datagram : arrived) {
      DatagramReader reader(datagram.octets, format_);
      while (const auto message = reader.next()) handle(*message);
    }
  }

 private:
  void handle(const Message& message) {
    if (const auto* handshake = std::get_if<Handshake>(&message)) {
      if (handshake->source.value != 0) greet(handshake->source);
    } else if (const auto* request = std::get_if<Request>(&message)) {
      ++requests_;
      asked_beyond_ = asked_beyond_ || request->chunks.end > lie_.announced.end;
      serve(request->chunks.begin);
    } else if (std::holds_alternative<Ack>(message)) {
      ++acks_;
    }
  }

  void greet(ChannelId remote) {
    ++handshakes_;
    remote_ = remote;
    say({Handshake{ChannelId{77},
                   handshake_options(metadata_, HandshakeOptions::kKeepsAll, false, false)},
         Have{lie_.announced}});
  }

  void serve(ChunkIndex chunk) {
    const auto answer = lie_.answer(chunk);
    if (!answer) return;
    std::vector<Message> messages;
    for (const Claimed& claimed : answer->hashes) {
      messages.push_back(Integrity{claimed.bin.chunks(), claimed.hash});
    }
    messages.push_back(Data{{chunk, chunk + 1}, 1, answer->payload});
    say(messages);
  }

  void say(const std::vector<Message>& messages) {
    std::array<std::byte, 8'192> octets;
    ByteWriter out(octets);
    write_channel(out, remote_);
    for (const Message& message : messages) write_message(out, message, format_);
    REQUIRE(out.ok());
    world_.send_as(address(), victim_, std::span(octets).first(out.size()));
  }

  World& world_;
  Node& victim_;
  SwarmMetadata metadata_;
  WireFormat format_;
  Lie lie_;
  ChannelId remote_;
  std::size_t handshakes_ = 0;
  std::size_t requests_ = 0;
  std::size_t acks_ = 0;
  bool asked_beyond_ = false;
};

struct NamedLie {
  const char* name;
  std::size_t chunks;  // of the true content
  std::function<Lie(const Reference&)> make;
};

const std::vector<NamedLie>& lies() {
  static const std::vector<NamedLie> all = {
      {"eight chunks as four", 8, [](const Reference& t) { return half_as_many(t, true); }},
      {"hashes as chunks", 8, [](const Reference& t) { return half_as_many(t, false); }},
      {"hashes as the last chunk", 8, short_last_first},
      {"hashes as the only chunk", 8, one_chunk},
      {"five as six, and nonsense", 5, [](const Reference& t) { return one_more(t, true); }},
      {"five as six, and silence", 5, [](const Reference& t) { return one_more(t, false); }},
      {"2^40 chunks", 8, endless},
      {"silence", 5, [](const Reference&) { return mute(); }},
  };
  return all;
}

// A leecher that knows no length, and a liar whom it is told of first.
struct Scene {
  explicit Scene(const NamedLie& lie, const LinkOptions& link = {})
      : world(seed(), link),
        truth(random_content(lie.chunks * kChunk - 100, seed()), kChunk, HashFunction::sha256),
        metadata(truth.metadata(false)),
        leecher(world.add_node()) {
    metadata.addressing = ChunkAddressing::chunk64;
    auto watched = std::make_unique<WatchedStore>(allocated);
    store = watched.get();
    swarm = leecher.join(metadata, std::move(watched));
    liar = std::make_unique<Liar>(world, leecher, metadata, lie.make(truth));
    leecher.endpoint().add_peer(swarm, liar->address(), world.now(leecher));
  }

  bool run_until(const std::function<bool()>& condition, Microseconds most) {
    return world.run_until(
        [&] {
          liar->act();
          return condition();
        },
        most);
  }
  void add_honest() {
    Node& seeder = world.add_node();
    seeder.seed(truth.content(), metadata);
    leecher.add_peer(swarm, seeder);
  }
  bool arrived() const { return std::ranges::equal(store->content(), truth.content()); }

  World world;
  Reference truth;
  SwarmMetadata metadata;
  Node& leecher;
  std::uint64_t allocated = 0;
  WatchedStore* store = nullptr;
  SwarmHandle swarm;
  std::unique_ptr<Liar> liar;
};

}  // namespace

TEST_SUITE("endpoint/size detection") {
  TEST_CASE("of a liar alone nothing is believed, stored or allocated (5.6.2, 12.6.5)") {
    for (const NamedLie& lie : lies()) {
      CAPTURE(lie.name);
      Scene s(lie);
      CHECK(!s.run_until([&] { return s.leecher.complete(s.swarm); }, 120s));
      CHECK(s.allocated == 0);
      CHECK(!s.leecher.status().store_failed);
      CHECK(!s.leecher.status().content_length);
      CHECK(s.leecher.status().verified_bytes == 0);
      CHECK(s.leecher.endpoint().chunk_count(s.swarm) == 0);
      CHECK(!s.liar->asked_beyond());
      CHECK(s.liar->requests() > 0);
      CHECK(s.liar->requests() < 500);                          // it is not asked all the time
      if (s.liar->acks() > 0) CHECK(s.liar->handshakes() > 1);  // dropped: it must start again
    }
  }

  TEST_CASE("an honest peer behind a liar is heard within seconds") {
    for (const NamedLie& lie : lies()) {
      CAPTURE(lie.name);
      Scene s(lie);
      REQUIRE(s.run_until([&] { return s.liar->requests() > 0; }, 5s));
      s.add_honest();
      CHECK(s.run_until([&] { return s.leecher.complete(s.swarm); }, 15s));
      CHECK(s.arrived());
      CHECK(s.leecher.status().content_length == s.truth.content().size());
    }
  }

  TEST_CASE("... on a path that loses datagrams as well") {
    for (const NamedLie& lie : lies()) {
      CAPTURE(lie.name);
      Scene s(lie, {.delay = 20ms, .loss = 0.2});
      s.add_honest();
      CHECK(s.run_until([&] { return s.leecher.complete(s.swarm); }, 120s));
      CHECK(s.arrived());
    }
  }

  TEST_CASE("the size is found on a path that loses every fifth datagram") {
    for (const std::size_t size : {1UL, 1'024UL, 1'025UL, 5'120UL, 65'536UL, 300'001UL}) {
      CAPTURE(size);
      World world(seed(), {.delay = 20ms, .loss = 0.2});
      const auto content = random_content(size, seed());
      Node& seeder = world.add_node();
      Node& leecher = world.add_node();
      const SwarmHandle swarm = leecher.join(seeder.seed(content));
      leecher.add_peer(swarm, seeder);
      CHECK(world.run_until([&] { return leecher.complete(swarm); }, 60s));
      CHECK(leecher.content(swarm) == content);
    }
  }

  TEST_CASE("... and behind a corrupting path") {
    // With the second, chunks that relied on each other for their hashes were once sent for ever.
    for (const std::uint64_t s : {seed(), std::uint64_t{1'795'331'209'309'877'436}}) {
      CAPTURE(s);
      World world(s, {.delay = 10ms, .corruption = 0.1});
      const auto content = random_content(300'001, s);
      Node& seeder = world.add_node();
      Node& leecher = world.add_node();
      const SwarmHandle swarm = leecher.join(seeder.seed(content));
      leecher.add_peer(swarm, seeder);
      CHECK(world.run_until([&] { return leecher.complete(swarm); }, 120s));
      CHECK(leecher.content(swarm) == content);
    }
  }

  TEST_CASE("the size is found for every chunk size, also above a sender's first window") {
    for (const std::uint32_t chunk_size : {512U, 1'400U, 8'192U, 65'000U}) {
      for (const std::size_t size :
           {std::size_t{chunk_size} * 4, std::size_t{chunk_size} * 5 + 1}) {
        CAPTURE(chunk_size);
        CAPTURE(size);
        World world(seed());
        const auto content = random_content(size, seed());
        Node& seeder = world.add_node();
        Node& leecher = world.add_node();
        const SwarmHandle swarm = leecher.join(seeder.seed(content, {.chunk_size = chunk_size}));
        leecher.add_peer(swarm, seeder);
        CHECK(world.run_until([&] { return leecher.complete(swarm); }, 5s));
        CHECK(leecher.content(swarm) == content);
      }
    }
  }

  TEST_CASE("peaks and uncles may fill datagrams of their own before the chunk (5.3 #98)") {
    for (const HashFunction hash : {HashFunction::sha1, HashFunction::sha512}) {
      World world(seed(), {.delay = 10ms, .loss = 0.1});
      const auto content = random_content(512 * 8'191, seed());
      Node& seeder = world.add_node();
      Node& leecher = world.add_node();
      const SwarmHandle swarm =
          leecher.join(seeder.seed(content, {.chunk_size = 512, .hash = hash}));
      leecher.add_peer(swarm, seeder);
      CHECK(world.run_until([&] { return leecher.complete(swarm); }, 120s));
      CHECK(leecher.content(swarm) == content);
    }
  }

  TEST_CASE("a peer that lacks the last chunk makes way for one that has it") {
    World world(seed());
    const auto content = random_content(50 * kChunk + 1, seed());
    Node& partial = world.add_node();
    Node& seeder = world.add_node();
    Node& leecher = world.add_node();
    const SwarmMetadata unknown = seeder.seed(content);
    SwarmMetadata known = unknown;
    known.content_length = content.size();
    partial.seed_part(content, known, {{0, 30}});
    const SwarmHandle swarm = leecher.join(unknown);
    leecher.add_peer(swarm, partial);
    world.run_for(1s);
    CHECK(!leecher.status().content_length);
    leecher.add_peer(swarm, seeder);
    CHECK(world.run_until([&] { return leecher.complete(swarm); }, 10s));
    CHECK(leecher.content(swarm) == content);
  }

  TEST_CASE("peers that have only a part with the last chunk suffice") {
    for (const std::vector<ChunkRange>& parts :
         {std::vector<ChunkRange>{{3, 4}, {50, 51}}, std::vector<ChunkRange>{{50, 51}}}) {
      for (const std::size_t size : {51 * kChunk, 50 * kChunk + 64}) {
        CAPTURE(size);
        World world(seed());
        const auto content = random_content(size, seed());
        Node& partial = world.add_node();
        Node& leecher = world.add_node();
        SwarmMetadata metadata{.content_length = size};
        metadata = partial.seed_part(content, metadata, parts);
        metadata.content_length.reset();
        const SwarmHandle swarm = leecher.join(metadata);
        leecher.add_peer(swarm, partial);
        world.run_for(5s);
        // A short last chunk alone proves nothing.
        const bool provable = parts.size() == 2 || size % kChunk == 0;
        CHECK(leecher.status().content_length.has_value() == provable);
      }
    }
  }
}

}  // namespace ppspp::test
