#include "wire/message.h"

#include <doctest/doctest.h>

#include "wire/codec.h"

namespace ppspp {
namespace {

using test::check_layout;
using test::format_of;
using test::hex;
using test::to_hex;

const WireFormat kChunk32 = format_of(ChunkAddressing::chunk32);

TEST_SUITE("wire/message") {
  TEST_CASE("the types have the numbers of Table 7 (8.2 #235)") {
    CHECK(type_of(Message(Handshake{})) == MessageType::handshake);
    CHECK(type_of(Message(Data{})) == MessageType::data);
    CHECK(type_of(Message(Ack{})) == MessageType::ack);
    CHECK(type_of(Message(Have{})) == MessageType::have);
    CHECK(type_of(Message(Integrity{})) == MessageType::integrity);
    CHECK(type_of(Message(PexResV4{})) == MessageType::pex_res_v4);
    CHECK(type_of(Message(PexReq{})) == MessageType::pex_req);
    CHECK(type_of(Message(SignedIntegrity{})) == MessageType::signed_integrity);
    CHECK(type_of(Message(Request{})) == MessageType::request);
    CHECK(type_of(Message(Cancel{})) == MessageType::cancel);
    CHECK(type_of(Message(Choke{})) == MessageType::choke);
    CHECK(type_of(Message(Unchoke{})) == MessageType::unchoke);
    CHECK(type_of(Message(PexResV6{})) == MessageType::pex_res_v6);
    CHECK(type_of(Message(PexResCert{})) == MessageType::pex_res_cert);
    CHECK(std::variant_size_v<Message> == kMessageTypes);
    CHECK(static_cast<int>(MessageType::pex_res_cert) == 13);
  }

  TEST_CASE("HAVE is a type and a chunk specification (8.5 #65)") {
    CHECK(check_layout<Have>("03 00000007 00000009", kChunk32).chunks == ChunkRange{7, 10});
    // The example of section 8.2: bin 1 covers chunks 0 and 1.
    CHECK(check_layout<Have>("03 00000001", format_of(ChunkAddressing::bin32)).chunks ==
          ChunkRange{0, 2});
  }

  TEST_CASE("REQUEST and CANCEL likewise (8.10 #167, 8.11 #168)") {
    CHECK(check_layout<Request>("08 00000000 ffffffff", kChunk32).chunks ==
          ChunkRange{0, std::uint64_t{1} << 32});
    CHECK(check_layout<Cancel>("09 00000005 00000005", kChunk32).chunks == ChunkRange{5, 6});
  }

  TEST_CASE("ACK adds a one-way delay sample (8.7 #84)") {
    const auto ack = check_layout<Ack>("02 00000001 00000002 0000000000000064", kChunk32);
    CHECK(ack.chunks == ChunkRange{1, 3});
    CHECK(ack.one_way_delay_us == 100);
  }

  TEST_CASE("a delay sample of clocks that are not in step may be negative or huge (8.7)") {
    const auto delay = [](const char* octets) {
      return check_layout<Ack>(octets, kChunk32).one_way_delay_us;
    };
    CHECK(delay("02 00000001 00000001 fffffffffffffff6") == -10);
    CHECK(delay("02 00000001 00000001 7fffffffffffffff") == INT64_MAX);
    CHECK(delay("02 00000001 00000001 8000000000000000") == INT64_MIN);
  }

  TEST_CASE("DATA is specification, timestamp and chunk (8.6 #72, #76)") {
    const auto data = check_layout<Data>("01 00000009 00000009 0004e94180b7db44 cafe", kChunk32);
    CHECK(data.chunks == ChunkRange{9, 10});
    CHECK(data.timestamp_us == 0x0004e94180b7db44);
    CHECK(to_hex(data.payload) == "cafe");
  }

  TEST_CASE("INTEGRITY has a hash of the swarm's function (8.8 #111)") {
    for (const HashFunction function : kHashFunctions) {
      auto format = kChunk32;
      format.hash_size = digest_size(function);
      std::string hash;
      for (std::size_t i = 0; i < format.hash_size; ++i) hash += "a7";
      const auto integrity = check_layout<Integrity>("04 00000004 00000007" + hash, format);
      CHECK(integrity.chunks == ChunkRange{4, 8});
      CHECK(to_hex(integrity.hash) == hash);
    }
  }

  TEST_CASE("SIGNED_INTEGRITY has an NTP timestamp and a signature (8.9 #144, #145)") {
    for (const std::size_t size : {64u, 96u, 128u, 256u}) {
      auto format = kChunk32;
      format.signature_size = size;
      std::string signature;
      for (std::size_t i = 0; i < size; ++i) signature += "5e";
      const auto message = check_layout<SignedIntegrity>(
          "07 00000010 0000001f ee97a1c180000000" + signature, format);
      CHECK(message.chunks == ChunkRange{16, 32});
      CHECK(message.ntp_timestamp == 0xee97a1c180000000);
      CHECK(to_hex(message.signature) == signature);
    }
  }

  TEST_CASE("CHOKE, UNCHOKE and PEX_REQ are their type alone (8.12 #169, 8.13 #179)") {
    check_layout<Choke>("0a", kChunk32);
    check_layout<Unchoke>("0b", kChunk32);
    check_layout<PexReq>("06", kChunk32);
  }

  TEST_CASE("PEX_RESv4 and PEX_RESv6 carry address and port, big-endian (8.13 #179)") {
    const auto v4 = check_layout<PexResV4>("05 c0000201 1a7a", kChunk32);
    CHECK(v4.address == 0xc0000201);
    CHECK(v4.port == 6778);
    const auto v6 = check_layout<PexResV6>("0c 20010db8000000000000000000000001 1a7a", kChunk32);
    CHECK(v6.address ==
          std::array<std::uint8_t, 16>{0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1});
    CHECK(v6.port == 6778);
  }

  TEST_CASE("PEX_REScert carries a 16-bit size and a certificate (8.13 #181)") {
    CHECK(to_hex(check_layout<PexResCert>("0d 0003 308201", kChunk32).certificate) == "308201");
    std::string certificate;
    for (int i = 0; i < 0xffff; ++i) certificate += "30";
    CHECK(check_layout<PexResCert>("0d ffff" + certificate, kChunk32).certificate.size() == 0xffff);
  }

  TEST_CASE("a format knows the sizes of its messages") {
    const std::size_t spec_sizes[] = {4, 16, 8, 8, 16};
    for (const ChunkAddressing addressing : test::kAddressings) {
      auto format = format_of(addressing);
      format.hash_size = 20;
      CHECK(format.spec_size() == spec_sizes[static_cast<std::size_t>(addressing)]);
      std::array<std::byte, 200> buffer;
      const std::array<std::byte, 20> hash = {};
      const auto size_of = [&](const Message& message) {
        ByteWriter out(buffer);
        write_message(out, message, format);
        return out.size();
      };
      CHECK(format.have_size() == size_of(Have{{2, 4}}));
      CHECK(format.have_size() == size_of(Request{{2, 4}}));
      CHECK(format.ack_size() == size_of(Ack{{2, 4}, 1}));
      CHECK(format.integrity_size() == size_of(Integrity{{2, 4}, hash}));
      CHECK(format.data_header_size() + 20 == size_of(Data{{2, 3}, 1, hash}));
    }
  }
}

// The datagrams of the worked example, with the hash and the content that belong together: the
// example's own swarm ID is of another function and of other content.
TEST_SUITE("wire/example (8.16)") {
  const std::string kRootHash = "c0535e4be2b79ffd93291305436bf889314e4a3faec05ecffcbb7df31ad9e51a";

  TEST_CASE("the first datagram: HANDSHAKE with the swarm's metadata (#51)") {
    const auto octets =
        hex("00000000 00 00000001 0001 0101 02 0020" + kRootHash + "0301 0402 0602 0900000400 ff");
    CHECK(destination(octets)->value == 0);
    const auto first = read_handshake(octets);
    REQUIRE(first);
    CHECK(first->rest.empty());
    CHECK(first->handshake.source.value == 1);
    const auto& options = first->handshake.options;
    CHECK(options.version == 1);
    CHECK(options.minimum_version == 1);
    CHECK(to_hex(options.swarm_id.value()) == kRootHash);
    CHECK(options.integrity == 1);
    CHECK(options.hash == 2);
    CHECK(options.addressing == 2);
    CHECK(options.chunk_size == 1024);
    CHECK_FALSE(options.signature_algorithm);
    CHECK_FALSE(options.live_discard_window);
    CHECK_FALSE(options.supported_messages);

    std::array<std::byte, 100> buffer;
    ByteWriter out(buffer);
    write_channel(out, ChannelId{0});
    write_handshake(out, first->handshake);
    CHECK(to_hex(out.written()) == to_hex(octets));
  }

  TEST_CASE("the second: HANDSHAKE without the ID, and HAVE (#53, 3.1.1 #25, #26)") {
    const auto octets =
        hex("00000001 00 00000008 0001 0301 0402 0602 0900000400 ff 03 00000000 00000000");
    CHECK(destination(octets)->value == 1);
    DatagramReader reader(octets, kChunk32);
    const auto handshake = reader.next();
    REQUIRE(handshake);
    CHECK(std::get<Handshake>(*handshake).source.value == 8);
    CHECK_FALSE(std::get<Handshake>(*handshake).options.swarm_id);
    const auto have = reader.next();
    REQUIRE(have);
    CHECK(std::get<Have>(*have).chunks == ChunkRange{0, 1});
    CHECK_FALSE(reader.next());
    CHECK_FALSE(reader.error());
  }

  TEST_CASE("the third: REQUEST and PEX_REQ (#56)") {
    const auto octets = hex("00000008 08 00000000 00000000 06");
    DatagramReader reader(octets, kChunk32);
    CHECK(std::get<Request>(reader.next().value()).chunks == ChunkRange{0, 1});
    CHECK(std::holds_alternative<PexReq>(reader.next().value()));
    CHECK_FALSE(reader.next());
    CHECK_FALSE(reader.error());
  }

  TEST_CASE("the fourth: DATA with the content, written into the places for it") {
    const auto content = hex("48656c6c6f20776f726c6421");
    std::array<std::byte, 100> buffer;
    ByteWriter out(buffer);
    write_channel(out, ChannelId{1});
    const auto places = write_data(out, 0, content.size(), kChunk32);
    std::copy(content.begin(), content.end(), places.payload.begin());
    stamp(places.timestamp, 0x0004e94180b7db44);
    const auto octets =
        hex("00000001 01 00000000 00000000 0004e94180b7db44 48656c6c6f20776f726c6421");
    CHECK(to_hex(out.written()) == to_hex(octets));

    DatagramReader reader(octets, kChunk32);
    const auto data = std::get<Data>(reader.next().value());
    CHECK(data.chunks == ChunkRange{0, 1});
    CHECK(to_hex(data.payload) == to_hex(content));
    CHECK(data.payload.data() == octets.data() + 21);  // a view, not a copy
  }

  TEST_CASE("the fifth: ACK with 100 us, and HAVE") {
    const auto octets = hex("00000008 02 00000000 00000000 0000000000000064 03 00000000 00000000");
    DatagramReader reader(octets, kChunk32);
    CHECK(std::get<Ack>(reader.next().value()).one_way_delay_us == 100);
    CHECK(std::get<Have>(reader.next().value()).chunks == ChunkRange{0, 1});
    CHECK_FALSE(reader.next());
    CHECK_FALSE(reader.error());
  }

  TEST_CASE("the last: a closing HANDSHAKE with an empty list (3.1.1 #31, #32, 8.4 #49)") {
    const auto first = read_handshake(hex("00000008 00 00000000 ff"));
    REQUIRE(first);
    CHECK(first->handshake.source.value == 0);
    CHECK_FALSE(first->handshake.options.version);
  }
}

}  // namespace
}  // namespace ppspp
