// Random messages of every type, in every addressing: written, read, and cut short anywhere.
#include <doctest/doctest.h>

#include "ppspp/random_source.h"
#include "support/seed.h"
#include "wire/codec.h"

namespace ppspp {
namespace {

class MessageMaker {
 public:
  explicit MessageMaker(Rng& rng) : rng_(rng) {
    for (auto& octet : octets_) octet = static_cast<std::byte>(rng.below(256));
  }

  WireFormat format() {
    constexpr std::size_t kSignatureSizes[] = {64, 96, 128, 256};
    WireFormat format;
    format.addressing = test::kAddressings[rng_.below(5)];
    format.chunk_size = static_cast<std::uint32_t>(16 + rng_.below(2000));
    format.hash_size = digest_size(kHashFunctions[rng_.below(5)]);
    format.signature_size = kSignatureSizes[rng_.below(4)];
    return format;
  }

  Message message(MessageType type, const WireFormat& format) {
    switch (type) {
      case MessageType::handshake:
        return Handshake{{random<std::uint32_t>()}, options()};
      case MessageType::data:
        return Data{chunk(format), random<std::uint64_t>(), octets(format.chunk_size)};
      case MessageType::ack:
        return Ack{range(format), static_cast<std::int64_t>(random<std::uint64_t>())};
      case MessageType::have:
        return Have{range(format)};
      case MessageType::integrity:
        return Integrity{range(format), octets(format.hash_size)};
      case MessageType::pex_res_v4:
        return PexResV4{random<std::uint32_t>(), random<std::uint16_t>()};
      case MessageType::pex_req:
        return PexReq{};
      case MessageType::signed_integrity:
        return SignedIntegrity{range(format), random<std::uint64_t>(),
                               octets(format.signature_size)};
      case MessageType::request:
        return Request{range(format)};
      case MessageType::cancel:
        return Cancel{range(format)};
      case MessageType::choke:
        return Choke{};
      case MessageType::unchoke:
        return Unchoke{};
      case MessageType::pex_res_v6:
        return pex_res_v6();
      case MessageType::pex_res_cert:
        return PexResCert{octets(1 + rng_.below(1200))};
    }
    return Choke{};
  }

 private:
  template <typename T>
  T random() {
    return static_cast<T>(rng_.next_u64());
  }

  std::span<const std::byte> octets(std::size_t size) {
    return std::span(octets_).subspan(rng_.below(octets_.size() - size + 1), size);
  }

  ChunkIndex chunk_index(const WireFormat& format) {
    const std::uint64_t count = max_chunk_count(format.addressing, format.chunk_size);
    return (rng_.next_u64() >> rng_.below(64)) % count;
  }
  ChunkRange chunk(const WireFormat& format) {
    const ChunkIndex index = chunk_index(format);
    return {index, index + 1};
  }
  ChunkRange range(const WireFormat& format) {
    const ChunkIndex a = chunk_index(format);
    const ChunkIndex b = chunk_index(format);
    return nameable_front({std::min(a, b), std::max(a, b) + 1}, format);
  }

  PexResV6 pex_res_v6() {
    PexResV6 message;
    for (auto& octet : message.address) octet = random<std::uint8_t>();
    message.port = random<std::uint16_t>();
    return message;
  }

  // Each option present or not, by the toss of a coin.
  template <typename T>
  void maybe(std::optional<T>& option, T value) {
    if (rng_.below(2) != 0) option = value;
  }
  HandshakeOptions options() {
    HandshakeOptions options;
    maybe(options.version, random<std::uint8_t>());
    maybe(options.minimum_version, random<std::uint8_t>());
    maybe(options.swarm_id, octets(rng_.below(200)));
    maybe(options.integrity, random<std::uint8_t>());
    maybe(options.hash, random<std::uint8_t>());
    maybe(options.signature_algorithm, random<std::uint8_t>());
    maybe(options.addressing, static_cast<std::uint8_t>(rng_.below(5)));
    if (options.addressing) {
      const bool wide = *options.addressing != 0 && *options.addressing != 2;  // bin32, chunk32
      maybe(options.live_discard_window, wide ? random<std::uint64_t>() : rng_.below(0xffffffff));
    }
    maybe(options.supported_messages, MessageSet(random<std::uint64_t>()));
    maybe(options.chunk_size, random<std::uint32_t>());
    return options;
  }

  Rng& rng_;
  std::array<std::byte, 4096> octets_;
};

bool same(std::span<const std::byte> a, std::span<const std::byte> b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end());
}

bool same(const HandshakeOptions& a, const HandshakeOptions& b) {
  const bool same_id = a.swarm_id.has_value() == b.swarm_id.has_value() &&
                       (!a.swarm_id || same(*a.swarm_id, *b.swarm_id));
  return same_id && a.version == b.version && a.minimum_version == b.minimum_version &&
         a.integrity == b.integrity && a.hash == b.hash &&
         a.signature_algorithm == b.signature_algorithm && a.addressing == b.addressing &&
         a.live_discard_window == b.live_discard_window &&
         a.supported_messages == b.supported_messages && a.chunk_size == b.chunk_size;
}

struct SameMessage {
  template <typename A, typename B>
  bool operator()(const A&, const B&) const {
    return false;
  }
  bool operator()(const Handshake& a, const Handshake& b) const {
    return a.source == b.source && same(a.options, b.options);
  }
  bool operator()(const Data& a, const Data& b) const {
    return a.chunks == b.chunks && a.timestamp_us == b.timestamp_us && same(a.payload, b.payload);
  }
  bool operator()(const Ack& a, const Ack& b) const {
    return a.chunks == b.chunks && a.one_way_delay_us == b.one_way_delay_us;
  }
  bool operator()(const Integrity& a, const Integrity& b) const {
    return a.chunks == b.chunks && same(a.hash, b.hash);
  }
  bool operator()(const SignedIntegrity& a, const SignedIntegrity& b) const {
    return a.chunks == b.chunks && a.ntp_timestamp == b.ntp_timestamp &&
           same(a.signature, b.signature);
  }
  bool operator()(const Have& a, const Have& b) const { return a.chunks == b.chunks; }
  bool operator()(const Request& a, const Request& b) const { return a.chunks == b.chunks; }
  bool operator()(const Cancel& a, const Cancel& b) const { return a.chunks == b.chunks; }
  bool operator()(const Choke&, const Choke&) const { return true; }
  bool operator()(const Unchoke&, const Unchoke&) const { return true; }
  bool operator()(const PexReq&, const PexReq&) const { return true; }
  bool operator()(const PexResV4& a, const PexResV4& b) const {
    return a.address == b.address && a.port == b.port;
  }
  bool operator()(const PexResV6& a, const PexResV6& b) const {
    return a.address == b.address && a.port == b.port;
  }
  bool operator()(const PexResCert& a, const PexResCert& b) const {
    return same(a.certificate, b.certificate);
  }
};

MessageType type_at(std::size_t index) {
  return static_cast<MessageType>(index);
}

TEST_SUITE("wire/round_trip") {
  TEST_CASE("any message of any type, in any format, is read as it was written") {
    Rng rng(test::seed());
    MessageMaker maker(rng);
    for (int round = 0; round < 4000; ++round) {
      const WireFormat format = maker.format();
      const MessageType type = type_at(rng.below(kMessageTypes));
      CAPTURE(static_cast<int>(type));
      CAPTURE(static_cast<int>(format.addressing));
      const Message message = maker.message(type, format);
      const test::HeapOctets octets(test::datagram(test::encoded(message, format)));
      DatagramReader reader(octets.span(), format);
      const auto again = reader.next();
      REQUIRE(again);
      REQUIRE(std::visit(SameMessage{}, message, *again));
      REQUIRE_FALSE(reader.next());
      REQUIRE_FALSE(reader.error());
    }
  }

  TEST_CASE("many messages share a datagram (3 #1, 8.6 #70)") {
    Rng rng(test::seed());
    MessageMaker maker(rng);
    for (int round = 0; round < 100; ++round) {
      const WireFormat format = maker.format();
      std::vector<Message> messages;
      for (auto count = 1 + rng.below(10); count > 0; --count) {
        // A HANDSHAKE, if there is one, is the first.
        const auto first_type = messages.empty() ? 0u : 1u;
        messages.push_back(
            maker.message(type_at(first_type + rng.below(kMessageTypes - first_type)), format));
      }
      std::string octets;
      for (const Message& message : messages) octets += test::encoded(message, format);
      const test::HeapOctets datagram(test::datagram(octets));
      DatagramReader reader(datagram.span(), format);
      for (const Message& message : messages) {
        const auto again = reader.next();
        REQUIRE(again);
        REQUIRE(std::visit(SameMessage{}, message, *again));
      }
      REQUIRE(reader.empty());
      REQUIRE_FALSE(reader.error());
    }
  }

  TEST_CASE("a message cut short anywhere is an error, and nothing is read past the end") {
    Rng rng(test::seed());
    MessageMaker maker(rng);
    for (std::size_t index = 0; index < kMessageTypes; ++index) {
      for (const ChunkAddressing addressing : test::kAddressings) {
        CAPTURE(index);
        CAPTURE(static_cast<int>(addressing));
        auto format = maker.format();
        format.addressing = addressing;
        const Message message = maker.message(type_at(index), format);
        const auto whole = test::datagram(test::encoded(message, format));
        // The payload of DATA has no length: cut within it, it is a short chunk.
        const std::size_t fixed =
            type_at(index) == MessageType::data ? 4 + format.data_header_size() + 1 : whole.size();
        for (std::size_t size = 5; size < whole.size(); ++size) {
          CAPTURE(size);
          const auto reading = test::read_all(std::span(whole).first(size), format);
          const auto expected = size < fixed ? test::Reading{0, DecodeError::truncated}
                                             : test::Reading{1, std::nullopt};
          REQUIRE(reading == expected);
        }
        REQUIRE(test::read_all(whole, format) == test::Reading{1, std::nullopt});
      }
    }
  }

  TEST_CASE("noise ends in messages or one error, and what decodes can be written") {
    Rng rng(test::seed());
    MessageMaker maker(rng);
    for (int round = 0; round < 5000; ++round) {
      const WireFormat format = maker.format();
      std::vector<std::byte> noise(4 + rng.below(120));
      for (auto& octet : noise) octet = static_cast<std::byte>(rng.below(256));
      if (noise.size() > 4) noise[4] = static_cast<std::byte>(rng.below(kMessageTypes));
      const test::HeapOctets octets(noise);
      DatagramReader reader(octets.span(), format);
      while (const auto message = reader.next()) test::encoded(*message, format);
      REQUIRE(reader.empty());
    }
  }
}

}  // namespace
}  // namespace ppspp
