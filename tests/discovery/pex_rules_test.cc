#include "discovery/pex_rules.h"

#include <doctest/doctest.h>

namespace ppspp {
namespace {

TransportAddress at(const char* text) {
  const auto address = TransportAddress::parse(text);
  REQUIRE(address);
  return *address;
}

TEST_SUITE("discovery/pex_rules") {
  TEST_CASE("internal addresses are told inside only (8.13 #180, decision 24)") {
    struct Case {
      const char* told;
      const char* to;
      bool may;
    };
    const Case cases[] = {
        {"80.0.0.1:1", "81.0.0.1:1", true},        {"80.0.0.1:1", "80.0.0.1:1", false},  // its own
        {"80.0.0.1:1", "80.0.0.1:2", true},        {"80.0.0.1:1", "10.0.0.1:1", true},
        {"10.0.0.2:1", "10.0.0.1:1", true},        {"10.0.0.2:1", "[fd00::1]:1", true},
        {"10.0.0.2:1", "80.0.0.1:1", false},       {"100.64.0.1:1", "80.0.0.1:1", false},
        {"169.254.0.1:1", "80.0.0.1:1", false},    {"127.0.0.1:1", "80.0.0.1:1", false},
        {"127.0.0.1:1", "10.0.0.1:1", false},      {"127.0.0.1:1", "127.0.0.1:2", true},
        {"[::1]:1", "127.0.0.1:2", true},          {"10.0.0.2:1", "127.0.0.1:2", true},
        {"[2a00::1]:1", "[2a00::2]:1", true},      {"[fd00::1]:1", "[2a00::2]:1", false},
        {"[fe80::1%2]:1", "[2a00::2]:1", false},   {"[fe80::1%2]:1", "[fe80::2%2]:1", true},
        {"[fe80::1%2]:1", "[fe80::2%3]:1", false}, {"[fe80::1%2]:1", "10.0.0.1:1", false},
    };
    for (const Case& c : cases) {
      CAPTURE(c.told);
      CAPTURE(c.to);
      CHECK(may_tell(at(c.told), at(c.to)) == c.may);
    }
  }

  TEST_CASE("what a peer tells is believed where it can mean something") {
    CHECK(as_told(at("80.0.0.1:1"), at("81.0.0.1:1")) == at("80.0.0.1:1"));
    CHECK(as_told(at("10.0.0.1:1"), at("10.0.0.2:1")) == at("10.0.0.1:1"));
    // It would send us to our own network.
    CHECK_FALSE(as_told(at("10.0.0.1:1"), at("81.0.0.1:1")));
    CHECK_FALSE(as_told(at("127.0.0.1:1"), at("10.0.0.1:1")));
    CHECK_FALSE(as_told(at("[::1]:1"), at("[fd00::1]:1")));
    for (const char* bad : {"80.0.0.1:0", "0.0.0.0:1", "0.1.2.3:1", "224.0.0.1:1",
                            "255.255.255.255:1", "[::]:1", "[ff02::1]:1"}) {
      CAPTURE(bad);
      CHECK_FALSE(as_told(at(bad), at("127.0.0.1:1")));
      CHECK_FALSE(as_told(at(bad), at("10.0.0.1:1")));
    }
    // A link-local address is on the link to the teller.
    CHECK(as_told(at("[fe80::1]:1"), at("[fe80::2%7]:1")) == at("[fe80::1%7]:1"));
    CHECK_FALSE(as_told(at("[fe80::1]:1"), at("[fd00::1]:1")));
  }
}

}  // namespace
}  // namespace ppspp
