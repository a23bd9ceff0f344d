#include "base/bytes.h"

#include <doctest/doctest.h>

#include <array>

#include "support/hex.h"

namespace ppspp {
using test::hex;

TEST_SUITE("base/bytes") {
  TEST_CASE("fields are big-endian") {
    const auto octets = hex("01 0203 04050607 08090a0b0c0d0e0f");
    ByteReader in(octets);
    CHECK(in.read<std::uint8_t>() == 0x01);
    CHECK(in.read<std::uint16_t>() == 0x0203);
    CHECK(in.read<std::uint32_t>() == 0x04050607);
    CHECK(in.read<std::uint64_t>() == 0x08090a0b0c0d0e0f);
    CHECK(in.ok());
    CHECK(in.at_end());

    std::array<std::byte, 15> buffer;
    ByteWriter out(buffer);
    out.write<std::uint8_t>(0x01);
    out.write<std::uint16_t>(0x0203);
    out.write<std::uint32_t>(0x04050607);
    out.write<std::uint64_t>(0x08090a0b0c0d0e0f);
    REQUIRE(out.ok());
    CHECK(test::to_hex(out.written()) == test::to_hex(octets));
  }

  TEST_CASE("a read past the end fails for good and yields zeros") {
    const auto octets = hex("0102 03");
    ByteReader in(octets);
    CHECK(in.read<std::uint16_t>() == 0x0102);
    CHECK(in.read<std::uint16_t>() == 0);
    CHECK_FALSE(in.ok());
    CHECK(in.read<std::uint8_t>() == 0);
    CHECK(in.take(1).empty());
    CHECK_FALSE(in.ok());
  }

  TEST_CASE("a write that does not fit writes nothing, and rewinding makes the writer usable") {
    std::array<std::byte, 4> buffer = {};
    ByteWriter out(buffer);
    out.write<std::uint16_t>(0xabcd);
    CHECK_FALSE(out.fits(3));
    out.write<std::uint32_t>(1);
    CHECK_FALSE(out.ok());
    CHECK(out.size() == 2);
    CHECK(buffer[2] == std::byte{0});
    out.rewind(0);
    out.write<std::uint32_t>(7);
    CHECK(out.ok());
    CHECK(out.space() == 0);
  }
}

}  // namespace ppspp
