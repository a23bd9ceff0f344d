#include "wire/chunk_spec.h"

#include <doctest/doctest.h>

#include "wire/codec.h"

namespace ppspp {
namespace {

using test::check_layout;
using test::error_of;
using test::format_of;

constexpr std::uint64_t k2To31 = std::uint64_t{1} << 31;
constexpr std::uint64_t k2To63 = std::uint64_t{1} << 63;

ChunkRange have(std::string_view spec, const WireFormat& format) {
  return check_layout<Have>("03" + std::string(spec), format).chunks;
}

// Decodes a range that is written otherwise than it was read.
ChunkRange have_read(std::string_view spec, const WireFormat& format) {
  const test::HeapOctets octets(test::datagram("03" + std::string(spec)));
  DatagramReader reader(octets.span(), format);
  const auto message = reader.next();
  REQUIRE(message);
  return std::get<Have>(*message).chunks;
}

void check_bad(std::string_view spec, const WireFormat& format) {
  CAPTURE(spec);
  for (const char* type : {"03", "08", "09"}) {
    CHECK(error_of(type + std::string(spec), format) == DecodeError::bad_chunk_spec);
  }
  CHECK(error_of("02" + std::string(spec) + "0000000000000000", format) ==
        DecodeError::bad_chunk_spec);
}

TEST_SUITE("wire/chunk_spec") {
  TEST_CASE("32-bit chunk ranges include their end (4.1 #197, 4.1.1 #198)") {
    const auto format = format_of(ChunkAddressing::chunk32);
    CHECK(have("00000000 00000000", format) == ChunkRange{0, 1});
    CHECK(have("00000001 80000000", format) == ChunkRange{1, k2To31 + 1});
    CHECK(have("ffffffff ffffffff", format) == ChunkRange{0xffffffff, 0x100000000});
    check_bad("00000001 00000000", format);
    check_bad("ffffffff fffffffe", format);
  }

  TEST_CASE("64-bit chunk ranges end below 2^63 (4.1.1 #198)") {
    const auto format = format_of(ChunkAddressing::chunk64);
    CHECK(have("0000000000000001 0000000100000000", format) == ChunkRange{1, 0x100000001});
    CHECK(have("0000000000000000 7fffffffffffffff", format) == ChunkRange{0, k2To63});
    CHECK(have("7fffffffffffffff 7fffffffffffffff", format) == ChunkRange{k2To63 - 1, k2To63});
    check_bad("0000000000000000 8000000000000000", format);
    check_bad("8000000000000000 8000000000000000", format);
    check_bad("0000000000000000 ffffffffffffffff", format);
    check_bad("0000000000000002 0000000000000001", format);
  }

  TEST_CASE("bins are numbered as in figure 2 (4.2 #201)") {
    struct {
      int bin;
      ChunkRange chunks;
    } const figure[] = {{0, {0, 1}}, {1, {0, 2}}, {2, {1, 2}},  {3, {0, 4}},  {5, {2, 4}},
                        {7, {0, 8}}, {9, {4, 6}}, {11, {4, 8}}, {13, {6, 8}}, {14, {7, 8}}};
    for (const auto& [bin, chunks] : figure) {
      const char digit = "0123456789abcdef"[bin];
      CHECK(have("0000000" + std::string(1, digit), format_of(ChunkAddressing::bin32)) == chunks);
      CHECK(have("000000000000000" + std::string(1, digit), format_of(ChunkAddressing::bin64)) ==
            chunks);
    }
  }

  TEST_CASE("the bin of all ones is empty, 0x7FFF... is everything (4.2 #201)") {
    const auto narrow = format_of(ChunkAddressing::bin32);
    CHECK(have("ffffffff", narrow) == ChunkRange{});
    CHECK(have("7fffffff", narrow) == ChunkRange{0, k2To31});
    CHECK(have("fffffffe", narrow) == ChunkRange{k2To31 - 1, k2To31});
    CHECK(have("bfffffff", narrow) == ChunkRange{k2To31 / 2, k2To31});

    const auto wide = format_of(ChunkAddressing::bin64);
    CHECK(have("ffffffffffffffff", wide) == ChunkRange{});
    CHECK(have("7fffffffffffffff", wide) == ChunkRange{0, k2To63});
    CHECK(have("fffffffffffffffe", wide) == ChunkRange{k2To63 - 1, k2To63});
    CHECK(have("000000007fffffff", wide) == ChunkRange{0, k2To31});
  }

  TEST_CASE("the empty interval is no mistake in HAVE, REQUEST, CANCEL and ACK") {
    const auto format = format_of(ChunkAddressing::bin32);
    CHECK(check_layout<Request>("08 ffffffff", format).chunks.empty());
    CHECK(check_layout<Cancel>("09 ffffffff", format).chunks.empty());
    CHECK(check_layout<Ack>("02 ffffffff 0000000000000000", format).chunks.empty());
  }

  TEST_CASE("but has no chunk to send, no hash and no signature") {
    auto format = format_of(ChunkAddressing::bin32);
    format.hash_size = 2;
    format.signature_size = 2;
    CHECK(error_of("01 ffffffff 0000000000000000 aa", format) == DecodeError::bad_chunk_spec);
    CHECK(error_of("04 ffffffff aaaa", format) == DecodeError::bad_chunk_spec);
    CHECK(error_of("07 ffffffff 0000000000000000 aaaa", format) == DecodeError::bad_chunk_spec);
  }

  TEST_CASE("byte ranges begin on a chunk's border and may end within a chunk (4.1.2 #199)") {
    auto format = format_of(ChunkAddressing::byte64);
    CHECK(have("0000000000000000 00000000000003ff", format) == ChunkRange{0, 1});
    CHECK(have("0000000000000400 0000000000000fff", format) == ChunkRange{1, 4});
    CHECK(have_read("0000000000000400 0000000000000400", format) == ChunkRange{1, 2});
    CHECK(have_read("0000000000000000 0000000000000401", format) == ChunkRange{0, 2});
    check_bad("0000000000000001 00000000000003ff", format);
    check_bad("00000000000003ff 00000000000003ff", format);
    check_bad("0000000000000400 00000000000003ff", format);

    format.chunk_size = 1000;
    CHECK(have("00000000000003e8 00000000000007cf", format) == ChunkRange{1, 2});
    check_bad("0000000000000400 00000000000007cf", format);
  }

  TEST_CASE("byte ranges at the end of all numbers") {
    auto format = format_of(ChunkAddressing::byte64);
    CHECK(have("fffffffffffffc00 ffffffffffffffff", format) ==
          ChunkRange{(std::uint64_t{1} << 54) - 1, std::uint64_t{1} << 54});
    CHECK(have("0000000000000000 ffffffffffffffff", format).end == std::uint64_t{1} << 54);

    format.chunk_size = 1000;  // the last whole chunk ends at 2^64 - 617
    CHECK(have("0000000000000000 fffffffffffffd97", format).end == ~std::uint64_t{0} / 1000);
    check_bad("0000000000000000 ffffffffffffffff", format);

    format.chunk_size = 1;
    CHECK(have("0000000000000000 7fffffffffffffff", format) == ChunkRange{0, k2To63});
    check_bad("0000000000000000 8000000000000000", format);
  }

  TEST_CASE("a node of the tree may reach beyond the end of the content (5.4 #107)") {
    auto format = format_of(ChunkAddressing::byte64);
    format.hash_size = 1;
    CHECK(check_layout<Integrity>("04 0000000000001000 0000000000001fff aa", format).chunks ==
          ChunkRange{4, 8});
    format.addressing = ChunkAddressing::bin64;
    CHECK(check_layout<Integrity>("04 000000000000000b aa", format).chunks == ChunkRange{4, 8});
  }
}

}  // namespace
}  // namespace ppspp
