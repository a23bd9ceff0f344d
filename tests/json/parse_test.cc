#include "json/parse.h"

#include <doctest/doctest.h>

#include <boost/json.hpp>
#include <string>

namespace ppspp {
namespace {

std::string nested(std::size_t depth) {
  return std::string(depth, '[') + std::string(depth, ']');
}

TEST_SUITE("json/parse") {
  TEST_CASE("a document within its bounds is read") {
    const auto value = parse_json(R"({"a":[1,2]})", {.longest = 11});
    REQUIRE(value);
    CHECK(value->at("a").at(1).as_int64() == 2);
  }

  TEST_CASE("one octet too many is refused before it is looked at") {
    const auto value = parse_json(R"({"a":[1,2]})", {.longest = 10});
    REQUIRE(!value);
    CHECK(value.error().context == "it is longer than 10 octets");
  }

  TEST_CASE("depth is bounded") {
    CHECK(parse_json(nested(8), {.longest = 100}));
    CHECK(!parse_json(nested(9), {.longest = 100}));
    CHECK(!parse_json(nested(100'000), {.longest = 1'000'000}));
  }

  TEST_CASE("what is no JSON, or has no valid UTF-8, says so in one line") {
    for (const char* text : {"", "{", "nul", "{} {}", "[1,]", "\"\xff\"", "<html>"}) {
      CAPTURE(text);
      const auto value = parse_json(text, {.longest = 100});
      REQUIRE(!value);
      CHECK(value.error().context.starts_with("not JSON: "));
      CHECK(value.error().context.find('\n') == std::string::npos);
    }
  }
}

}  // namespace
}  // namespace ppspp
