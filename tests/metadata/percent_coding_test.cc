#include "metadata/percent_coding.h"

#include <doctest/doctest.h>

#include "ppspp/random_source.h"
#include "support/seed.h"

namespace ppspp {
namespace {

TEST_SUITE("metadata/percent_coding") {
  TEST_CASE("what has a meaning in a query, and what is not ASCII, is encoded") {
    CHECK(percent_encode("a-Z_0.9~") == "a-Z_0.9~");
    CHECK(percent_encode("http://host:80/x,y@z") == "http://host:80/x,y@z");
    CHECK(percent_encode("a&b=c#d%e+f?g h") == "a%26b%3Dc%23d%25e%2Bf%3Fg%20h");
    CHECK(percent_encode("[::1]:1") == "%5B::1%5D:1");
    CHECK(percent_encode("\xc3\xa9\x01") == "%C3%A9%01");
  }

  TEST_CASE("both cases of hex digits are read, and a plus is a plus") {
    CHECK(percent_decode("%c3%A9+%2b%00x").value() == std::string("\xc3\xa9++\0x", 6));
    CHECK(percent_decode("").value().empty());
  }

  TEST_CASE("a '%' without two hex digits is an error") {
    for (const char* text : {"%", "a%", "%4", "%g0", "%0g", "%%41", "%-1"}) {
      CAPTURE(text);
      CHECK_FALSE(percent_decode(text));
    }
  }

  TEST_CASE("any octets survive encoding and decoding, and the encoded form is printable ASCII") {
    Rng rng(test::seed());
    for (int round = 0; round < 500; ++round) {
      std::string text(rng.below(40), '\0');
      for (char& c : text) c = static_cast<char>(rng.below(256));
      const std::string encoded = percent_encode(text);
      for (const char c : encoded) REQUIRE((c > ' ' && c < '\x7f'));
      REQUIRE(percent_decode(encoded).value() == text);
    }
  }
}

}  // namespace
}  // namespace ppspp
