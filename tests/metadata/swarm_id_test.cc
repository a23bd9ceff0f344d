#include <doctest/doctest.h>

#include <set>
#include <unordered_set>

#include "ppspp/swarm_metadata.h"
#include "support/hex.h"

namespace ppspp {
namespace {

using test::hex;

TEST_SUITE("metadata/swarm_id") {
  TEST_CASE("hex digits of both cases are read, lower case is written") {
    const auto id = SwarmId::from_hex("47A013e6").value();
    CHECK(id == SwarmId(hex("47a013e6")));
    CHECK(id.to_hex() == "47a013e6");
    CHECK(id.size() == 4);
    CHECK_FALSE(id.empty());
  }

  TEST_CASE("what is no ID is refused with a line that says why") {
    for (const char* text : {"", "4", "47a", "4g", "47 a", "0x47", "47a0\n1"}) {
      CAPTURE(text);
      const auto id = SwarmId::from_hex(text);
      REQUIRE_FALSE(id);
      CHECK(id.error().code == Errc::invalid_argument);
      CHECK(id.error().context.find('\n') == std::string::npos);
      CHECK(id.error().context.find("swarm ID") != std::string::npos);
    }
  }

  TEST_CASE("the size has a bound") {
    CHECK(SwarmId::from_hex(std::string(2 * SwarmId::kMaxSize, 'a')));
    CHECK_FALSE(SwarmId::from_hex(std::string(2 * SwarmId::kMaxSize + 2, 'a')));
  }

  TEST_CASE("IDs can be keys of ordered and unordered tables") {
    const SwarmId a(hex("01")), b(hex("0100")), c(hex("02"));
    CHECK(std::set<SwarmId>{c, b, a, a}.size() == 3);
    CHECK(std::unordered_set<SwarmId>{c, b, a, a}.size() == 3);
    CHECK(a < b);
    CHECK(b < c);
    CHECK(SwarmId().empty());
  }
}

}  // namespace
}  // namespace ppspp
