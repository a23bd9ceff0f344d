// Each check of RFC 7574, 3.1.1 and section 7, by itself.
#include "channel/handshake_check.h"

#include <doctest/doctest.h>

#include <array>
#include <ostream>
#include <string>
#include <vector>

#include "ppspp/signature_algorithm.h"
#include "support/hex.h"
#include "wire/datagram.h"

namespace ppspp::test {
namespace {

SwarmMetadata some_swarm() {
  SwarmMetadata metadata;
  metadata.id = SwarmId(std::array<std::byte, 32>{std::byte{7}});
  return metadata;
}

SwarmMetadata old_swarm() {
  SwarmMetadata metadata{.addressing = ChunkAddressing::bin32, .hash = HashFunction::sha1};
  metadata.id = SwarmId(std::array<std::byte, 20>{std::byte{7}});
  return metadata;
}

// A live swarm: of its key only the first octet, the algorithm, is looked at here.
SwarmMetadata live_swarm(SignatureAlgorithm algorithm = SignatureAlgorithm::ed25519,
                         ChunkAddressing addressing = ChunkAddressing::chunk32) {
  SwarmMetadata metadata;
  metadata.integrity = IntegrityMethod::unified_merkle;
  metadata.addressing = addressing;
  metadata.live = true;
  std::vector<std::byte> key(algorithm == SignatureAlgorithm::ed25519 ? 33 : 65, std::byte{7});
  key.front() = static_cast<std::byte>(algorithm);
  metadata.id = SwarmId(key);
  return metadata;
}

template <typename Change>
bool fits(const Change& change, bool from_initiator = true,
          const SwarmMetadata& metadata = some_swarm()) {
  HandshakeOptions options =
      handshake_options(metadata, HandshakeOptions::kKeepsAll, from_initiator, false);
  change(options);
  return check_handshake(options, metadata, from_initiator).has_value();
}

}  // namespace

TEST_SUITE("channel/handshake_check") {
  TEST_CASE("our own handshakes fit, the initiator's and the responder's (#13 #15 #22 #24)") {
    const auto nothing = [](HandshakeOptions&) {};
    CHECK(fits(nothing, true));
    CHECK(fits(nothing, false));
    CHECK(fits(nothing, true, old_swarm()));
  }

  TEST_CASE("what we say (#13 #14 #15 #22 #202 #208 #209 #210 #213 #214 #221 #224)") {
    const SwarmMetadata metadata = some_swarm();
    const auto first = handshake_options(metadata, HandshakeOptions::kKeepsAll, true, false);
    CHECK(first.version == 1);
    CHECK(first.minimum_version == 1);
    CHECK(std::ranges::equal(first.swarm_id.value(), metadata.id.octets()));
    CHECK(first.integrity == 1);
    CHECK(first.hash == 2);
    CHECK_FALSE(first.signature_algorithm);
    CHECK(first.addressing == 2);
    CHECK_FALSE(first.live_discard_window);
    CHECK(first.supported_messages == all_messages());
    CHECK(first.chunk_size == 1'024);
    const auto second = handshake_options(metadata, HandshakeOptions::kKeepsAll, false, false);
    CHECK_FALSE(second.minimum_version);
    CHECK_FALSE(second.swarm_id);  // #23
    CHECK(second.chunk_size == 1'024);
    const auto last = closing_options();
    CHECK(last.version == 1);  // 3.1.1 #32
    CHECK_FALSE(last.minimum_version);
    CHECK_FALSE(last.integrity);
  }

  TEST_CASE("versions by the scheme of RFC 6709, 4.1 (7.2 #208, 7.3 #209)") {
    const auto with = [](std::optional<std::uint8_t> minimum, std::optional<std::uint8_t> maximum,
                         bool from_initiator) {
      return fits(
          [&](HandshakeOptions& options) {
            options.version = maximum;
            options.minimum_version = minimum;
          },
          from_initiator);
    };
    for (const bool from_initiator : {true, false}) {
      CHECK(with(1, 1, from_initiator));
      CHECK(with(1, 200, from_initiator));
      CHECK(with(0, 1, from_initiator));
      CHECK_FALSE(with(2, 3, from_initiator));
      CHECK_FALSE(with(0, 0, from_initiator));
      CHECK_FALSE(with(1, std::nullopt, from_initiator));
    }
    CHECK_FALSE(with(std::nullopt, 1, true));
    CHECK(with(std::nullopt, 1, false));
  }

  TEST_CASE("the swarm: an initiator names it, a responder may (#14 #23, 7.4 #210 - #212)") {
    const auto gone = [](HandshakeOptions& o) { o.swarm_id.reset(); };
    CHECK_FALSE(fits(gone, true));
    CHECK(fits(gone, false));
    const SwarmMetadata other = old_swarm();
    const auto wrong = [&](HandshakeOptions& o) { o.swarm_id = other.id.octets(); };
    CHECK_FALSE(fits(wrong, true));
    CHECK_FALSE(fits(wrong, false));
    const SwarmMetadata same = some_swarm();
    CHECK(fits([&](HandshakeOptions& o) { o.swarm_id = same.id.octets(); }, false));
    CHECK_FALSE(fits([&](HandshakeOptions& o) { o.swarm_id = same.id.octets().first(31); }));
    CHECK_FALSE(fits([](HandshakeOptions& o) { o.swarm_id = std::span<const std::byte>{}; }));
  }

  TEST_CASE(
      "integrity, hash, addressing and chunk size have to be the swarm's (#213 #214 #202 "
      "#224)") {
    for (const bool from_initiator : {true, false}) {
      for (int value = -1; value < 256; ++value) {
        const auto octet =
            value < 0 ? std::nullopt : std::optional(static_cast<std::uint8_t>(value));
        CHECK(fits([&](HandshakeOptions& o) { o.integrity = octet; }, from_initiator) ==
              (value == 1));
        CHECK(fits([&](HandshakeOptions& o) { o.hash = octet; }, from_initiator) == (value == 2));
        CHECK(fits([&](HandshakeOptions& o) { o.addressing = octet; }, from_initiator) ==
              (value == 2));
      }
      for (const std::uint32_t size : {0U, 1'023U, 1'025U, 0xffff'ffffU}) {
        CHECK_FALSE(fits([&](HandshakeOptions& o) { o.chunk_size = size; }, from_initiator));
      }
      CHECK_FALSE(fits([](HandshakeOptions& o) { o.chunk_size.reset(); }, from_initiator));
    }
  }

  TEST_CASE("a Live Discard Window in a static swarm is ignored (ambiguity 9)") {
    CHECK(fits([](HandshakeOptions& o) { o.live_discard_window = 17; }));
  }

  TEST_CASE("supported messages: absent means all, HANDSHAKE always (7.10 #221 #222)") {
    const SwarmMetadata metadata = some_swarm();
    HandshakeOptions options =
        handshake_options(metadata, HandshakeOptions::kKeepsAll, true, false);
    options.supported_messages.reset();
    CHECK(check_handshake(options, metadata, true)->messages == all_messages());
    options.supported_messages = MessageSet{};
    const auto none = check_handshake(options, metadata, true);
    REQUIRE(none);
    CHECK(none->messages.count() == 1);
    CHECK(none->messages.test(static_cast<std::size_t>(MessageType::handshake)));
  }

  TEST_CASE("the draft era: without option 9, only where such peers can be (decision 19)") {
    const auto old = [](HandshakeOptions& o) {
      o.chunk_size.reset();
      o.supported_messages.reset();
    };
    CHECK(fits(old, true, old_swarm()));
    CHECK(fits(old, false, old_swarm()));
    SwarmMetadata wide = old_swarm();
    wide.addressing = ChunkAddressing::bin64;
    CHECK_FALSE(fits(old, true, wide));
    SwarmMetadata modern = old_swarm();
    modern.hash = HashFunction::sha256;
    CHECK_FALSE(fits(old, true, modern));
    const SwarmMetadata metadata = old_swarm();
    const auto ours = handshake_options(metadata, HandshakeOptions::kKeepsAll, true, true);
    CHECK_FALSE(ours.chunk_size);
    CHECK_FALSE(ours.supported_messages);
    CHECK(check_handshake(ours, metadata, true)->draft_era);
    CHECK_FALSE(
        check_handshake(handshake_options(metadata, HandshakeOptions::kKeepsAll, true, false),
                        metadata, true)
            ->draft_era);
  }

  TEST_CASE("a unified tree's peer may leave the hash function out: the default (7.6)") {
    SwarmMetadata metadata = some_swarm();
    metadata.integrity = IntegrityMethod::unified_merkle;
    const auto gone = [](HandshakeOptions& o) { o.hash.reset(); };
    CHECK(fits(gone, true, metadata));
    metadata.hash = HashFunction::sha1;
    CHECK_FALSE(fits(gone, true, metadata));
  }

  TEST_CASE("live: the algorithm is that of the key, absent it is 13 (7.7 #216)") {
    const SwarmMetadata metadata = live_swarm();
    const SwarmMetadata ecdsa = live_swarm(SignatureAlgorithm::ecdsap256sha256);
    for (const bool from_initiator : {true, false}) {
      for (int value = -1; value < 256; ++value) {
        const auto octet =
            value < 0 ? std::nullopt : std::optional(static_cast<std::uint8_t>(value));
        const auto says = [&](HandshakeOptions& o) { o.signature_algorithm = octet; };
        CHECK(fits(says, from_initiator, metadata) == (value == 15));
        CHECK(fits(says, from_initiator, ecdsa) == (value == 13 || value == -1));
      }
    }
  }

  TEST_CASE("live: what we say, with method and window (7.5 #213, 7.6 #214, 7.7 #216, 7.9 #218)") {
    const SwarmMetadata metadata = live_swarm();
    for (const bool initiator : {true, false}) {
      const auto options = handshake_options(metadata, 500, initiator, false);
      CHECK(options.integrity == 3);
      CHECK(options.hash == 2);
      CHECK(options.signature_algorithm == 15);
      CHECK(options.live_discard_window == 500);
      CHECK(check_handshake(options, metadata, initiator)->discard_window == 500);
    }
    SwarmMetadata sign_all = metadata;
    sign_all.integrity = IntegrityMethod::sign_all;
    const auto options = handshake_options(sign_all, 500, true, false);
    CHECK(options.integrity == 2);
    CHECK_FALSE(options.hash);  // decision 31
    CHECK(check_handshake(options, sign_all, true));
    CHECK_FALSE(check_handshake(options, metadata, true));
    CHECK_FALSE(check_handshake(handshake_options(metadata, 500, true, false), sign_all, true));
  }

  TEST_CASE(
      "the window in chunks, octets where chunks are addressed by octets; none: all is kept "
      "(6.2 #147, 7.9 #218)") {
    for (const auto addressing :
         {ChunkAddressing::bin32, ChunkAddressing::byte64, ChunkAddressing::chunk32,
          ChunkAddressing::bin64, ChunkAddressing::chunk64}) {
      const SwarmMetadata metadata = live_swarm(SignatureAlgorithm::ed25519, addressing);
      const std::uint64_t unit = addressing == ChunkAddressing::byte64 ? 1'024 : 1;
      HandshakeOptions options = handshake_options(metadata, 500, true, false);
      CHECK(options.live_discard_window == 500 * unit);
      const auto window_of = [&](std::optional<std::uint64_t> told) {
        options.live_discard_window = told;
        return check_handshake(options, metadata, true)->discard_window;
      };
      CHECK(window_of(70 * unit) == 70);
      CHECK(window_of(71 * unit - 1) == 70);  // whole chunks
      CHECK(window_of(0) == 0);
      CHECK(window_of(std::nullopt) == HandshakeOptions::kKeepsAll);
      CHECK(window_of(HandshakeOptions::kKeepsAll) == HandshakeOptions::kKeepsAll);
      const auto all = handshake_options(metadata, HandshakeOptions::kKeepsAll, true, false);
      CHECK(all.live_discard_window == HandshakeOptions::kKeepsAll);
    }
  }

  TEST_CASE(
      "options 5 and 7 on the wire: addressing before the window, 32 ones for everything (7.7 "
      "#216, 7.9 #218 #219)") {
    const auto octets_of = [](const SwarmMetadata& metadata, std::uint64_t window) {
      std::vector<std::byte> octets(256);
      ByteWriter out(octets);
      write_handshake(out, {ChannelId{1}, handshake_options(metadata, window, false, false)});
      REQUIRE(out.ok());
      return to_hex(std::span(octets).first(out.size()));
    };
    const std::string before =
        "00"
        "00000001"
        "0001"
        "0303"
        "0402";
    const std::string after =
        "0802fffc"
        "0900000400"
        "ff";
    CHECK(octets_of(live_swarm(), 500) == before +
                                              "050f"
                                              "0602"
                                              "07000001f4" +
                                              after);
    CHECK(octets_of(live_swarm(), HandshakeOptions::kKeepsAll) == before +
                                                                      "050f"
                                                                      "0602"
                                                                      "07ffffffff" +
                                                                      after);
    const auto algorithm = SignatureAlgorithm::ecdsap256sha256;
    CHECK(octets_of(live_swarm(algorithm, ChunkAddressing::byte64), 500) ==
          before +
              "050d"
              "0601"
              "07000000000007d000" +
              after);
    CHECK(octets_of(live_swarm(algorithm, ChunkAddressing::chunk64), HandshakeOptions::kKeepsAll) ==
          before +
              "050d"
              "0604"
              "07ffffffffffffffff" +
              after);
  }
}

}  // namespace ppspp::test
