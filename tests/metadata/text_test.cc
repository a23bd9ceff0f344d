#include "metadata/text.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <limits>

namespace ppspp {
namespace {

TEST_SUITE("metadata/text") {
  TEST_CASE("a decimal number is digits, all of them, and fits its type") {
    CHECK(parse_decimal<std::uint16_t>("65535") == 65535);
    CHECK(parse_decimal<std::uint64_t>("18446744073709551615") ==
          std::numeric_limits<std::uint64_t>::max());
    for (const char* text : {"", "65536", "-1", "+1", " 1", "1 ", "1x", "0x10", "1.0"}) {
      CAPTURE(text);
      CHECK_FALSE(parse_decimal<std::uint16_t>(text));
    }
  }

  TEST_CASE("UTF-8 is told from what is none (RFC 3629)") {
    for (const char* text : {"", "plain", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x8e\xac",
                             "\xed\x9f\xbf", "\xee\x80\x80", "\xf4\x8f\xbf\xbf"}) {
      CAPTURE(text);
      CHECK(is_utf8(text));
    }
    for (const char* text :
         {"\x80", "\xc3", "\xc3(", "\xc0\xaf", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80",
          "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80", "\xe2\x82", "a\xff"}) {
      CAPTURE(text);
      CHECK_FALSE(is_utf8(text));
    }
  }

  TEST_CASE("text is cut between characters") {
    CHECK(utf8_front("abc", 5) == "abc");
    CHECK(utf8_front("abc", 2) == "ab");
    CHECK(utf8_front("a\xe2\x82\xac", 3) == "a");
    CHECK(utf8_front("a\xe2\x82\xac", 4) == "a\xe2\x82\xac");
    CHECK(utf8_front("\x80\x80\x80\x80\x80\x80", 5).size() == 5);  // no UTF-8: cut all the same
  }

  TEST_CASE("what an error quotes is one short line that cannot steer a terminal") {
    CHECK(quoted("a b") == "'a b'");
    CHECK(quoted("caf\xc3\xa9") == "'caf\xc3\xa9'");
    CHECK(quoted("a\n\x1b[2J\x7f") == "'a??[2J?'");
    CHECK(quoted("\xff\x41") == "'?A'");
    CHECK(quoted(std::string(500, 'x')).size() < 100);
  }
}

}  // namespace
}  // namespace ppspp
