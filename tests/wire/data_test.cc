// Where a DATA message ends (RFC 7574, section 8.6): it has no length of its own.
#include <doctest/doctest.h>

#include "wire/codec.h"

namespace ppspp {
namespace {

using test::error_of;
using test::format_of;
using test::read_all;
using test::Reading;

WireFormat small_chunks(ChunkAddressing addressing = ChunkAddressing::chunk32) {
  auto format = format_of(addressing);
  format.chunk_size = 4;
  return format;
}

const std::string kHead0 = "01 00000000 00000000 0000000000000001";
const std::string kHead1 = "01 00000001 00000001 0000000000000001";

TEST_SUITE("wire/data") {
  TEST_CASE("a chunk takes its size, and another message may follow (#70, #74)") {
    CHECK(read_all(kHead0 + "aaaaaaaa" + kHead1 + "bbbbbbbb", small_chunks()) == Reading{2, {}});
    CHECK(read_all(kHead0 + "aaaaaaaa 0a", small_chunks()) == Reading{2, {}});
  }

  TEST_CASE("a short chunk is what is left of the datagram") {
    const test::HeapOctets octets(test::datagram(kHead0 + "aaaaaaaa" + kHead1 + "bbbb"));
    DatagramReader reader(octets.span(), small_chunks());
    CHECK(std::get<Data>(reader.next().value()).payload.size() == 4);
    CHECK(std::get<Data>(reader.next().value()).payload.size() == 2);
    CHECK_FALSE(reader.next());
    CHECK_FALSE(reader.error());
  }

  TEST_CASE("what stands behind a short chunk cannot be told from it (#73, #74)") {
    const test::HeapOctets octets(test::datagram(kHead0 + "aaaa 0a"));
    DatagramReader reader(octets.span(), small_chunks());
    CHECK(test::to_hex(std::get<Data>(reader.next().value()).payload) == "aaaa0a");
    CHECK_FALSE(reader.next());
  }

  TEST_CASE("a chunk of no octets is a message cut short") {
    CHECK(error_of(kHead0, small_chunks()) == DecodeError::truncated);
    CHECK(read_all(kHead0 + "aaaaaaaa" + kHead1, small_chunks()) ==
          Reading{1, DecodeError::truncated});
  }

  TEST_CASE("a range of several chunks is taken if all of them are there in full") {
    const std::string head = "01 00000002 00000003 0000000000000001";
    const auto data = test::check_layout<Data>(head + "aaaaaaaabbbbbbbb", small_chunks());
    CHECK(data.chunks == ChunkRange{2, 4});
    CHECK(data.payload.size() == 8);
    CHECK(read_all(head + "aaaaaaaabbbbbbbb 0a", small_chunks()) == Reading{2, {}});
    CHECK(error_of(head + "aaaaaaaabbbbbb", small_chunks()) == DecodeError::bad_data);
    CHECK(error_of(head + "aaaa", small_chunks()) == DecodeError::bad_data);
    CHECK(error_of("01 00000000 ffffffff 0000000000000001 aaaa", small_chunks()) ==
          DecodeError::bad_data);
    CHECK(error_of("01 0000000000000000 7fffffffffffffff 0000000000000001 aaaaaaaa",
                   small_chunks(ChunkAddressing::chunk64)) == DecodeError::bad_data);
  }

  TEST_CASE("with bins a chunk is a leaf (4.2, decision 1)") {
    const auto format = small_chunks(ChunkAddressing::bin32);
    CHECK(test::check_layout<Data>("01 00000004 0000000000000001 aaaaaaaa", format).chunks ==
          ChunkRange{2, 3});
    CHECK(error_of("01 00000005 0000000000000001 aaaaaaaabbbbbbbb", format) ==
          DecodeError::bad_chunk_spec);
    CHECK(error_of("01 7fffffff 0000000000000001 aaaaaaaa", format) == DecodeError::bad_chunk_spec);
  }

  TEST_CASE("with byte ranges a short chunk may name its real end") {
    const auto format = small_chunks(ChunkAddressing::byte64);
    const test::HeapOctets octets(
        test::datagram("01 0000000000000008 0000000000000009 0000000000000001 aabb"));
    DatagramReader reader(octets.span(), format);
    const auto data = std::get<Data>(reader.next().value());
    CHECK(data.chunks == ChunkRange{2, 3});
    CHECK(data.payload.size() == 2);
  }

  TEST_CASE("writing fills in everything but timestamp and payload, in the writer's own buffer") {
    std::array<std::byte, 64> buffer = {};
    ByteWriter out(buffer);
    const auto places = write_data(out, 7, 3, small_chunks());
    CHECK(out.size() == 20);
    CHECK(places.timestamp.data() == buffer.data() + 9);
    CHECK(places.timestamp.size() == 8);
    CHECK(places.payload.data() == buffer.data() + 17);
    CHECK(places.payload.size() == 3);
    stamp(places.timestamp, 0x0102030405060708);
    CHECK(test::to_hex(out.written()) ==
          "01000000070000000701020304050607080000"
          "00");
  }

  TEST_CASE("a message that does not fit fails the writer and writes nothing") {
    const std::vector<std::byte> hash(32, std::byte{1});
    const std::vector<std::byte> signature(64, std::byte{1});
    const auto format = small_chunks();
    const Message messages[] = {Have{{0, 1}}, Ack{{0, 1}, 5}, Data{{0, 1}, 5, hash},
                                Integrity{{0, 1}, hash}, SignedIntegrity{{0, 1}, 5, signature}};
    for (const Message& message : messages) {
      std::vector<std::byte> room(test::encoded(message, format).size() / 2 - 1);
      ByteWriter out(room);
      write_message(out, message, format);
      CHECK_FALSE(out.ok());
      CHECK(out.size() == 0);
    }
    std::array<std::byte, 19> room = {};
    ByteWriter out(room);
    CHECK(write_data(out, 7, 3, format).payload.empty());
    CHECK_FALSE(out.ok());
  }
}

}  // namespace
}  // namespace ppspp
