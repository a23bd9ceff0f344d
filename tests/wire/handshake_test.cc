#include "wire/handshake.h"

#include <doctest/doctest.h>

#include "wire/codec.h"

namespace ppspp {
namespace {

using test::error_of;
using test::format_of;
using test::hex;
using test::to_hex;

const WireFormat kFormat = format_of(ChunkAddressing::chunk32);
const std::string kHead = "00 01020304";

HandshakeOptions options_of(std::string_view octets) {
  return test::check_layout<Handshake>(kHead + std::string(octets), kFormat).options;
}

// Options that are written otherwise than they were read.
HandshakeOptions options_read(std::string_view octets) {
  const auto datagram = test::datagram(kHead + std::string(octets));
  const auto first = read_handshake(datagram);
  REQUIRE(first);
  return first->handshake.options;
}

std::optional<DecodeError> options_error(std::string_view octets) {
  return error_of(kHead + std::string(octets), kFormat);
}

std::string written(const Handshake& handshake) {
  return test::encoded(handshake, kFormat);
}

TEST_SUITE("wire/handshake") {
  TEST_CASE("every option has its code and layout (7 #204, #205; 8.4 #47)") {
    const auto options = options_of(
        "0001 0101 02 0004 cafebabe 0303 0402 050d 0602 07 00001000 08 02 d9f0 09 00000400 ff");
    CHECK(options.version == 1);
    CHECK(options.minimum_version == 1);
    CHECK(to_hex(options.swarm_id.value()) == "cafebabe");
    CHECK(options.integrity == 3);
    CHECK(options.hash == 2);
    CHECK(options.signature_algorithm == 13);
    CHECK(options.addressing == 2);
    CHECK(options.live_discard_window == 0x1000);
    CHECK(options.supported_messages);
    CHECK(options.chunk_size == 1024);
  }

  TEST_CASE("each option may stand alone") {
    CHECK(options_of("00 07 ff").version == 7);
    CHECK(options_of("01 02 ff").minimum_version == 2);
    CHECK(options_of("02 0000 ff").swarm_id.value().empty());
    CHECK(options_of("03 ff ff").integrity == 255);
    CHECK(options_of("04 00 ff").hash == 0);
    CHECK(options_of("05 08 ff").signature_algorithm == 8);
    CHECK(options_of("06 04 ff").addressing == 4);
    CHECK(options_of("08 00 ff").supported_messages.value().none());
    CHECK(options_of("09 ffffffff ff").chunk_size == HandshakeOptions::kVariableChunkSize);
  }

  TEST_CASE("a closing HANDSHAKE has channel zero and at most the version (3.1.1 #31, #32)") {
    Handshake closing;
    closing.options.version = 1;
    CHECK(written(closing) == "00000000000001ff");
    CHECK(written(Handshake{}) == "0000000000ff");
    // What others send: nothing, the version, both versions, more.
    for (const char* octets : {"00 00000000 ff", "00 00000000 0001 ff", "00 00000000 0001 0101 ff",
                               "00 00000000 0001 0602 0900000400 ff"}) {
      CHECK(test::check_layout<Handshake>(octets, kFormat).source == ChannelId{0});
    }
  }

  TEST_CASE("options that are unsorted or come twice make the message invalid (7 #205)") {
    for (const char* octets : {"0101 0001 ff", "0001 0001 ff", "0602 0301 ff",
                               "0001 0602 07 00000001 0602 ff", "09 00000400 09 00000400 ff"}) {
      CAPTURE(octets);
      CHECK(options_error(octets) == DecodeError::bad_options);
    }
  }

  TEST_CASE("an option that is not known has no known length: the message is invalid") {
    for (int code = 10; code < 255; ++code) {
      auto octets = hex("00000000 00 01020304 0001 00 01020304 ff");
      octets[11] = static_cast<std::byte>(code);
      CHECK(test::read_all(octets, kFormat).error == DecodeError::bad_options);
    }
  }

  TEST_CASE("options without the end option are cut short (7.1 #206)") {
    CHECK(options_error("") == DecodeError::truncated);
    CHECK(options_error("0001 0602") == DecodeError::truncated);
  }

  TEST_CASE("what follows the end option are messages (7.1 #207)") {
    CHECK(test::read_all(kHead + "0001 ff 0a 0b", kFormat) == test::Reading{3, {}});
  }

  TEST_CASE("the discard window is as wide as the addressing's numbers (7.9 #218)") {
    for (const char* wide : {"01", "03", "04"}) {
      CHECK(options_of("06" + std::string(wide) + "07 0102030405060708 ff").live_discard_window ==
            0x0102030405060708);
    }
    for (const char* narrow : {"00", "02"}) {
      CHECK(options_of("06" + std::string(narrow) + "07 01020304 ff").live_discard_window ==
            0x01020304);
    }
  }

  TEST_CASE("the addressing precedes the discard window (7.9 #219)") {
    CHECK(options_error("0001 07 01020304 ff") == DecodeError::bad_options);
    CHECK(options_error("0001 07 0102030405060708 ff") == DecodeError::bad_options);
    CHECK(options_error("06 05 07 01020304 ff") == DecodeError::bad_options);
  }

  TEST_CASE("all ones mean that nothing is discarded, in either width (7.9 #220)") {
    CHECK(options_of("0602 07 ffffffff ff").live_discard_window == HandshakeOptions::kKeepsAll);
    CHECK(options_of("0604 07 ffffffffffffffff ff").live_discard_window ==
          HandshakeOptions::kKeepsAll);
    CHECK(options_of("0604 07 00000000ffffffff ff").live_discard_window == 0xffffffff);
  }

  TEST_CASE("supported messages: all but ACK and PEX are 08 02 d9 f0 (7.10 #222)") {
    auto messages = all_messages();
    CHECK(messages.count() == 14);
    for (const auto type : {MessageType::ack, MessageType::pex_res_v4, MessageType::pex_req,
                            MessageType::pex_res_v6, MessageType::pex_res_cert}) {
      messages.reset(static_cast<std::size_t>(type));
    }
    Handshake handshake;
    handshake.options.supported_messages = messages;
    CHECK(written(handshake) ==
          "0000000000"
          "0802d9f0"
          "ff");
    CHECK(options_of("08 02 d9f0 ff").supported_messages == messages);

    handshake.options.supported_messages = all_messages();
    CHECK(written(handshake) ==
          "0000000000"
          "0802fffc"
          "ff");
  }

  TEST_CASE("the bitmap is cut after its last one, read with zeros, up to 256 bits (7.10 #222)") {
    CHECK(options_read("08 04 d9f00000 ff").supported_messages ==
          options_of("08 02 d9f0 ff").supported_messages);
    CHECK(options_read("08 01 00 ff").supported_messages.value().none());

    std::string all_ones;
    for (int i = 0; i < 32; ++i) all_ones += "ff";
    CHECK(options_of("08 20" + all_ones + "ff").supported_messages.value().all());
    CHECK(options_of("08 20" + all_ones.substr(2) + "01 ff").supported_messages.value().test(255));
    CHECK(options_error("08 21" + all_ones + "ff ff") == DecodeError::bad_options);
    CHECK(options_error("08 ff" + all_ones) == DecodeError::bad_options);
  }

  TEST_CASE("the swarm ID may be as long as its 16-bit length (7.4 #210)") {
    std::string id;
    for (int i = 0; i < 0xffff; ++i) id += "5d";
    CHECK(options_of("02 ffff" + id + "ff").swarm_id.value().size() == 0xffff);
    CHECK(options_error("02 ffff" + id.substr(2)) == DecodeError::truncated);
  }
}

}  // namespace
}  // namespace ppspp
