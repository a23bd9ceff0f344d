#include "base/dnskey.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "support/hex.h"

namespace ppspp {
namespace {

using test::hex;
using test::to_hex;

std::vector<std::byte> key_of(unsigned algorithm, std::size_t key_size) {
  std::vector<std::byte> octets(1 + key_size, std::byte{7});
  octets[0] = static_cast<std::byte>(algorithm);
  return octets;
}

// All octets of the modulus but the first are odd.
std::vector<std::byte> rsa_key(std::string_view front, std::size_t modulus_size,
                               unsigned first = 0xc1) {
  std::vector<std::byte> octets = hex(front);
  if (modulus_size > 0) octets.push_back(static_cast<std::byte>(first));
  octets.resize(hex(front).size() + modulus_size, std::byte{0xc1});
  return octets;
}

void check_refused(const std::vector<std::byte>& octets, std::string_view hint) {
  CAPTURE(to_hex(octets));
  const auto key = parse_dnskey(octets);
  REQUIRE_FALSE(key);
  CAPTURE(key.error().context);
  CHECK(key.error().context.find(hint) != std::string::npos);
}

TEST_SUITE("base/dnskey") {
  TEST_CASE(
      "keys of a fixed size are read as they are, and give the size of signatures (8.9 #145)") {
    struct Case {
      unsigned number;
      std::size_t size;
      SignatureAlgorithm algorithm;
      std::size_t signature_size;
    };
    for (const Case& c : {Case{13, 64, SignatureAlgorithm::ecdsap256sha256, 64},
                          Case{14, 96, SignatureAlgorithm::ecdsap384sha384, 96},
                          Case{15, 32, SignatureAlgorithm::ed25519, 64}}) {
      CAPTURE(c.number);
      const auto octets = key_of(c.number, c.size);
      const auto key = parse_dnskey(octets);
      REQUIRE(key);
      CHECK(key->algorithm == c.algorithm);
      CHECK(key->signature_size() == c.signature_size);
      CHECK(key->point.data() == octets.data() + 1);
      CHECK(key->point.size() == c.size);
      for (std::size_t size = 1; size <= c.size + 2; ++size) {
        if (size - 1 != c.size) check_refused(key_of(c.number, size - 1), "octets behind");
      }
    }
  }

  TEST_CASE("an RSA key has its exponent's length in one octet or in three (RFC 3110)") {
    for (const std::string front : {"05 03 010001", "08 03 010001", "08 00 0003 010001"}) {
      CAPTURE(front);
      const auto octets = rsa_key(front, 256);
      const auto key = parse_dnskey(octets);
      REQUIRE(key);
      CHECK(to_hex(key->exponent) == "010001");
      CHECK(key->modulus.size() == 256);
      CHECK(key->modulus.data() + 256 == octets.data() + octets.size());
      CHECK(key->signature_size() == 256);
    }
    CHECK(parse_dnskey(rsa_key("08 01 03", 512))->signature_size() == 512);
    CHECK(parse_dnskey(rsa_key("08 08 8000000000000001", 256)));
  }

  TEST_CASE("RSA keys have 2048 to 4096 bits, counted from the first bit that is set") {
    CHECK(parse_dnskey(rsa_key("08 03 010001", 256, 0x80)));
    check_refused(rsa_key("08 03 010001", 256, 0x7f), "2047 bits, where 2048 to 4096");
    check_refused(rsa_key("08 03 010001", 128), "1024 bits");
    check_refused(rsa_key("08 03 010001", 1), "8 bits");
    CHECK(parse_dnskey(rsa_key("08 03 010001", 257, 0x01)));
    CHECK(parse_dnskey(rsa_key("08 03 010001", 512, 0xff)));
    check_refused(rsa_key("08 03 010001", 513, 0x01), "4097 bits");
  }

  TEST_CASE("an RSA key with zeros in front, an even number, or an exponent of 1 is none") {
    check_refused(rsa_key("08 03 000101", 256), "no RSA key");
    check_refused(rsa_key("08 03 010001", 256, 0x00), "no RSA key");
    check_refused(rsa_key("08 03 010000", 256), "safe");
    check_refused(rsa_key("08 01 01", 256), "safe");
    check_refused(rsa_key("08 01 02", 256), "safe");
    check_refused(rsa_key("08 09 010000000000000001", 256), "safe");
    auto even = rsa_key("08 03 010001", 256);
    even.back() = std::byte{0xc0};
    check_refused(even, "safe");
  }

  TEST_CASE("an RSA key cut short anywhere is none") {
    for (const std::string front : {"08 03 010001", "05 00 0003 010001"}) {
      const auto whole = rsa_key(front, 256);
      for (std::size_t size = 1; size < whole.size(); ++size) {
        const std::vector<std::byte> cut(whole.begin(),
                                         whole.begin() + static_cast<std::ptrdiff_t>(size));
        CAPTURE(size);
        CHECK_FALSE(parse_dnskey(cut));
      }
    }
    check_refused(hex("08 00"), "no RSA key");
    check_refused(hex("08 00 00"), "no RSA key");
    check_refused(hex("08 00 0000"), "no RSA key");
    check_refused(hex("08 00 ffff 01"), "no RSA key");
    check_refused(hex("08 ff 01"), "no RSA key");
  }

  TEST_CASE("other algorithms, and nothing, are no keys") {
    check_refused({}, "none");
    for (unsigned number = 0; number < 256; ++number) {
      const bool known = number == 5 || number == 8 || (number >= 13 && number <= 15);
      if (!known) check_refused(key_of(number, 64), "begin with " + std::to_string(number));
    }
  }
}

}  // namespace
}  // namespace ppspp
