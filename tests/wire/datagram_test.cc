#include "wire/datagram.h"

#include <doctest/doctest.h>

#include "wire/codec.h"

namespace ppspp {
namespace {

using test::error_of;
using test::format_of;
using test::hex;
using test::read_all;
using test::Reading;

const WireFormat kFormat = format_of(ChunkAddressing::chunk32);
const std::string kHave = "03 00000000 00000001";
const std::string kClosing = "00 00000000 0001 ff";

TEST_SUITE("wire/datagram") {
  TEST_CASE("a datagram is for the channel of its first four octets (8.3 #189)") {
    CHECK(destination(hex("0102030405"))->value == 0x01020304);
    CHECK(destination(hex("ffffffff"))->value == 0xffffffff);
    for (const char* octets : {"", "01", "010203"}) {
      CHECK_FALSE(destination(test::HeapOctets(hex(octets)).span()));
      CHECK(read_all(hex(octets), kFormat) == Reading{0, DecodeError::truncated});
    }
  }

  TEST_CASE("the channel ID alone is a keep-alive (8.14 #195)") {
    const auto octets = hex("01020304");
    DatagramReader reader(octets, kFormat);
    CHECK(reader.empty());
    CHECK_FALSE(reader.next());
    CHECK_FALSE(reader.error());

    std::array<std::byte, 4> buffer;
    ByteWriter out(buffer);
    write_channel(out, ChannelId{0x01020304});
    CHECK(test::to_hex(out.written()) == "01020304");
  }

  TEST_CASE("messages come in the order in which they stand (3 #1, #2)") {
    const test::HeapOctets octets(test::datagram(kHave + "0a 06" + kHave + "0b"));
    DatagramReader reader(octets.span(), kFormat);
    for (const MessageType type : {MessageType::have, MessageType::choke, MessageType::pex_req,
                                   MessageType::have, MessageType::unchoke}) {
      CHECK_FALSE(reader.empty());
      CHECK(type_of(reader.next().value()) == type);
    }
    CHECK(reader.empty());
    CHECK_FALSE(reader.next());
    CHECK_FALSE(reader.error());
  }

  TEST_CASE("the messages before an invalid one count, those after it do not (3 #3)") {
    CHECK(read_all(kHave + "0a 0e" + kHave, kFormat) == Reading{2, DecodeError::unknown_message});
    CHECK(read_all(kHave + "03 00000002 00000001" + kHave, kFormat) ==
          Reading{1, DecodeError::bad_chunk_spec});
    CHECK(read_all(kHave + "03 0000", kFormat) == Reading{1, DecodeError::truncated});
  }

  TEST_CASE("after an error the reader yields nothing more") {
    const test::HeapOctets octets(test::datagram("0e" + kHave));
    DatagramReader reader(octets.span(), kFormat);
    for (int i = 0; i < 3; ++i) {
      CHECK_FALSE(reader.next());
      CHECK(reader.error() == DecodeError::unknown_message);
      CHECK(reader.empty());
    }
  }

  TEST_CASE("types that Table 7 does not have are errors (8.2 #235)") {
    for (int type = 14; type < 256; ++type) {
      CAPTURE(type);
      std::vector<std::byte> octets(100);
      octets[4] = static_cast<std::byte>(type);
      CHECK(read_all(octets, kFormat) == Reading{0, DecodeError::unknown_message});
    }
  }

  TEST_CASE("signatures in a swarm without keys, and hashes in one without, have no layout") {
    auto format = kFormat;
    format.signature_size = 0;
    const std::string zeros(400, '0');
    CHECK(error_of("07 00000000 00000000" + zeros, format) == DecodeError::unknown_message);
    CHECK(read_all(kHave + "07", format) == Reading{1, DecodeError::unknown_message});
    format.hash_size = 0;
    CHECK(error_of("04 00000000 00000000" + zeros, format) == DecodeError::unknown_message);
  }

  TEST_CASE("a HANDSHAKE is the first message of its datagram, or an error (3.1 #10)") {
    CHECK(read_all(kClosing + kHave, kFormat) == Reading{2, {}});
    CHECK(read_all(kHave + kClosing + kHave, kFormat) ==
          Reading{1, DecodeError::misplaced_handshake});
    CHECK(read_all(kClosing + kClosing, kFormat) == Reading{1, DecodeError::misplaced_handshake});
  }

  TEST_CASE("a HANDSHAKE is read without knowing the format, and tells it for what follows") {
    const auto octets = hex("00000000 00 00000005 0001 0600 ff 03 00000001 0a");
    const auto first = read_handshake(octets);
    REQUIRE(first);
    CHECK(first->handshake.source.value == 5);
    CHECK(first->handshake.options.addressing == 0);
    CHECK(test::to_hex(first->rest) == "03000000010a");

    auto reader = read_rest(first->rest, format_of(ChunkAddressing::bin32));
    CHECK_FALSE(reader.empty());
    CHECK(std::get<Have>(reader.next().value()).chunks == ChunkRange{0, 2});
    CHECK(std::holds_alternative<Choke>(reader.next().value()));
    CHECK_FALSE(reader.next());
    CHECK_FALSE(reader.error());
  }

  TEST_CASE("another HANDSHAKE in the rest is misplaced, also at its front (3.1 #10)") {
    const auto octets = test::datagram(kClosing + kClosing);
    const auto first = read_handshake(octets);
    REQUIRE(first);
    auto reader = read_rest(first->rest, kFormat);
    CHECK_FALSE(reader.next());
    CHECK(reader.error() == DecodeError::misplaced_handshake);
  }

  TEST_CASE("what does not begin with a whole HANDSHAKE is no first datagram (3.1.1 #11)") {
    for (const std::string& messages :
         {std::string(), kHave, std::string("00"), std::string("00 00000005"),
          std::string("00 00000005 0001"), std::string("00 00000005 0a00 ff"), kHave + kClosing}) {
      CAPTURE(messages);
      const test::HeapOctets octets(test::datagram(messages));
      CHECK_FALSE(read_handshake(octets.span()));
    }
    CHECK_FALSE(read_handshake(test::HeapOctets(hex("0000")).span()));
  }

  TEST_CASE("every error has a name of its own") {
    std::vector<std::string_view> names;
    for (std::size_t i = 0; i < kDecodeErrors; ++i) {
      names.push_back(to_string(static_cast<DecodeError>(i)));
      CHECK(names.back() != "unknown error");
    }
    std::sort(names.begin(), names.end());
    CHECK(std::adjacent_find(names.begin(), names.end()) == names.end());
  }
}

}  // namespace
}  // namespace ppspp
