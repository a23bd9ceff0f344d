#include "wire/signed_content.h"

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>

#include "ppspp/random_source.h"
#include "support/seed.h"
#include "wire/codec.h"

namespace ppspp {
namespace {

using test::hex;
using test::to_hex;
using test::without_blanks;

constexpr std::uint64_t kSecond = 1'000'000;

std::uint64_t ntp_of(std::uint64_t microseconds) {
  return ntp_timestamp(WallTime{microseconds});
}

std::string signed_content(ChunkRange chunks, std::uint64_t ntp, std::string_view content,
                           ChunkAddressing addressing) {
  std::vector<std::byte> buffer(200);
  ByteWriter out(buffer);
  write_signed_content(out, chunks, ntp, hex(content), test::format_of(addressing));
  REQUIRE(out.ok());
  return to_hex(out.written());
}

TEST_SUITE("wire/signed_content") {
  TEST_CASE(
      "a munro's signature is over specification, time and hash as on the wire (6.1.2.2 #133)") {
    const ChunkRange munro{32, 64};
    const std::uint64_t ntp = 0xd96c'2e85'8000'0000;
    const std::string hash = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    const std::string rest = "d96c2e8580000000" + hash;
    CHECK(signed_content(munro, ntp, hash, ChunkAddressing::chunk32) ==
          without_blanks("00000020 0000003f") + rest);
    CHECK(signed_content(munro, ntp, hash, ChunkAddressing::chunk64) ==
          without_blanks("0000000000000020 000000000000003f") + rest);
    CHECK(signed_content(munro, ntp, hash, ChunkAddressing::bin32) == "0000005f" + rest);
    CHECK(signed_content(munro, ntp, hash, ChunkAddressing::bin64) == "000000000000005f" + rest);
    CHECK(signed_content(munro, ntp, hash, ChunkAddressing::byte64) ==
          without_blanks("0000000000008000 000000000000ffff") + rest);
  }

  TEST_CASE(
      "with Sign All the chunk itself stands in the hash's place, long or empty (6.1.1 #128)") {
    const ChunkRange chunk{7, 8};
    CHECK(signed_content(chunk, 1, "68656c6c6f", ChunkAddressing::chunk32) ==
          without_blanks("00000007 00000007 0000000000000001 68656c6c6f"));
    CHECK(signed_content(chunk, 1, "68656c6c6f", ChunkAddressing::bin32) ==
          without_blanks("0000000e 0000000000000001 68656c6c6f"));
    CHECK(signed_content(chunk, 1, "", ChunkAddressing::chunk32) ==
          without_blanks("00000007 00000007 0000000000000001"));
  }

  TEST_CASE(
      "it begins with the octets of the SIGNED_INTEGRITY message that carries it (8.9 #144)") {
    const auto signature = std::vector<std::byte>(64, std::byte{0xee});
    for (const ChunkAddressing addressing : test::kAddressings) {
      const WireFormat format = test::format_of(addressing);
      const SignedIntegrity message{ChunkRange{64, 128}, 0x0102'0304'0506'0708, signature};
      const std::string on_the_wire = test::encoded(message, format);
      CHECK(on_the_wire.size() == 2 * format.signed_integrity_size());
      CHECK(on_the_wire ==
            "07" + signed_content(message.chunks, message.ntp_timestamp, "", addressing) +
                to_hex(signature));
    }
  }

  TEST_CASE("what does not fit fails the writer, with every size of the buffer") {
    for (std::size_t size = 0; size < 8 + 8 + 32; ++size) {
      const auto buffer = std::make_unique<std::byte[]>(size);  // no octet more than that
      ByteWriter out(std::span(buffer.get(), size));
      write_signed_content(out, ChunkRange{0, 2}, 5, std::vector<std::byte>(32),
                           test::format_of(ChunkAddressing::chunk32));
      CHECK_FALSE(out.ok());
    }
  }

  TEST_CASE("NTP timestamps count seconds since 1900 in UTC, with a binary fraction (RFC 5905)") {
    CHECK(ntp_of(0) == 0x83aa'7e80'0000'0000);  // 1970
    CHECK(ntp_of(kSecond / 2) == 0x83aa'7e80'8000'0000);
    CHECK(ntp_of(kSecond / 4) == 0x83aa'7e80'4000'0000);
    CHECK(ntp_of(1) == 0x83aa'7e80'0000'10c6);  // 4294.97 units
    CHECK(ntp_of(999'999) == 0x83aa'7e80'ffff'ef39);
    CHECK(ntp_of(1'435'708'800 * kSecond) == 0xd93d'ac00'0000'0000);  // 2015-07-01
  }

  TEST_CASE("NTP timestamps begin again in February 2036, and differences go on") {
    const std::uint64_t era = 2'085'978'496 * kSecond;  // 2036-02-07 06:28:16 UTC
    CHECK(ntp_of(era) == 0);
    CHECK(ntp_of(era - kSecond) == 0xffff'ffff'0000'0000);
    CHECK(ntp_difference(ntp_of(era + 3), ntp_of(era - 4)) == Microseconds(7));
    CHECK(ntp_difference(ntp_of(era - 4), ntp_of(era + 3)) == Microseconds(-7));
  }

  TEST_CASE("differences are exact to the microsecond, either way") {
    CHECK(ntp_difference(5, 5) == Microseconds(0));
    CHECK(ntp_difference(ntp_of(kSecond), ntp_of(0)) == std::chrono::seconds(1));
    CHECK(ntp_difference(ntp_of(0), ntp_of(kSecond)) == std::chrono::seconds(-1));
    Rng rng(test::seed());
    for (int i = 0; i < 20'000; ++i) {
      const std::uint64_t earlier = rng.below(4'000'000'000 * kSecond);
      const std::uint64_t apart =
          rng.below(rng.below(2) == 0 ? 10 * kSecond : 2'000'000'000 * kSecond);
      const auto expected = Microseconds(static_cast<std::int64_t>(apart));
      CAPTURE(earlier);
      CAPTURE(apart);
      REQUIRE(ntp_difference(ntp_of(earlier + apart), ntp_of(earlier)) == expected);
      REQUIRE(ntp_difference(ntp_of(earlier), ntp_of(earlier + apart)) == -expected);
    }
  }

  TEST_CASE("whatever a peer claims, a difference is within 68 years") {
    constexpr auto kMost = std::chrono::seconds(std::int64_t{1} << 31);
    Rng rng(test::seed());
    for (int i = 0; i < 20'000; ++i) {
      const Microseconds difference = ntp_difference(rng.next_u64(), rng.next_u64());
      REQUIRE(difference >= -kMost);
      REQUIRE(difference <= kMost);
    }
    CHECK(ntp_difference(std::uint64_t{1} << 63, 0) == -kMost);
    CHECK(ntp_difference((std::uint64_t{1} << 63) - 1, 0) == kMost);
  }
}

}  // namespace
}  // namespace ppspp
