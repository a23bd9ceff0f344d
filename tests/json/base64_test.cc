#include "json/base64.h"

#include <doctest/doctest.h>

#include <random>

#include "support/seed.h"

namespace ppspp {
namespace {

std::string encoded(std::string_view text) {
  return to_base64({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

TEST_SUITE("json/base64") {
  TEST_CASE("the examples of RFC 4648, section 10") {
    CHECK(encoded("") == "");
    CHECK(encoded("f") == "Zg==");
    CHECK(encoded("fo") == "Zm8=");
    CHECK(encoded("foo") == "Zm9v");
    CHECK(encoded("foob") == "Zm9vYg==");
    CHECK(encoded("fooba") == "Zm9vYmE=");
    CHECK(encoded("foobar") == "Zm9vYmFy");
  }

  TEST_CASE("all octets survive") {
    std::mt19937_64 random(ppspp::test::seed());
    for (std::size_t size = 0; size < 200; ++size) {
      std::vector<std::uint8_t> octets(size);
      for (auto& octet : octets) octet = static_cast<std::uint8_t>(random());
      const auto decoded = from_base64(to_base64(octets));
      REQUIRE(decoded);
      CHECK(*decoded == octets);
    }
  }

  TEST_CASE("what is not written like that is refused") {
    for (const char* text : {"Zg", "Zg=", "Zg===", "Z===", "====", "Zh==", "Zm9=", "Zm 9",
                             "Zm9v=", "Zg==Zg==", "Zm-_", "Zm9vYg==\n"}) {
      CAPTURE(text);
      CHECK_FALSE(from_base64(text));
    }
  }
}

}  // namespace
}  // namespace ppspp
