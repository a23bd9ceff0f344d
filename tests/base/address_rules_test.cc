#include "ppspp/address_rules.h"

#include <doctest/doctest.h>

#include "ppspp/duration_histogram.h"
#include "ppspp/random_source.h"
#include "support/seed.h"

namespace ppspp::test {
namespace {

Network network(std::string_view text) {
  const auto parsed = Network::parse(text);
  REQUIRE_MESSAGE(parsed, text);
  return *parsed;
}

TransportAddress address(std::string_view text) {
  return *TransportAddress::parse(text);
}

}  // namespace

TEST_SUITE("base/address_rules") {
  TEST_CASE("networks are read and written back in one form") {
    for (const char* text : {"192.0.2.1", "192.0.2.0/24", "0.0.0.0/0", "2001:db8::/32", "::/0",
                             "2001:db8::1", "fe80::/10"}) {
      CAPTURE(text);
      CHECK(network(text).to_string() == text);
    }
    CHECK(network("192.0.2.77/24").to_string() == "192.0.2.0/24");
    CHECK(network("192.0.2.77/32").to_string() == "192.0.2.77");
    CHECK(network("2001:DB8:0:0::1/128").to_string() == "2001:db8::1");
    CHECK(network("::ffff:192.0.2.1") == network("192.0.2.1"));
    CHECK(network("::ffff:192.0.2.0/120") == network("192.0.2.0/24"));
  }

  TEST_CASE("what is no network is refused with an example of one") {
    for (const char* text : {"", "/", "192.0.2.0/", "192.0.2.0/33", "192.0.2/24", "192.0.2.0/-1",
                             "192.0.2.0/2 ", "2001:db8::/129", "host", "host/8", "[::1]",
                             "fe80::1%2", "192.0.2.1:80", "::ffff:0:0/95", "1.2.3.4/24/8", "0/0"}) {
      CAPTURE(text);
      const auto parsed = Network::parse(text);
      REQUIRE_FALSE(parsed);
      CHECK(parsed.error().context.find("192.0.2.0/24") != std::string::npos);
    }
  }

  TEST_CASE("a network holds the addresses that begin with its bits, of its own version") {
    CHECK(network("192.0.2.0/24").contains(address("192.0.2.255:1")));
    CHECK_FALSE(network("192.0.2.0/24").contains(address("192.0.3.0:1")));
    CHECK(network("192.0.2.0/24").contains(address("[::ffff:192.0.2.9]:1")));
    CHECK(network("0.0.0.0/0").contains(address("255.255.255.255:1")));
    CHECK_FALSE(network("0.0.0.0/0").contains(address("[2001:db8::1]:1")));
    CHECK_FALSE(network("::/0").contains(address("192.0.2.1:1")));
    CHECK(network("::/0").contains(address("[2001:db8::1]:1")));
    CHECK(network("2001:db8:8000::/33").contains(address("[2001:db8:ffff::]:1")));
    CHECK_FALSE(network("2001:db8:8000::/33").contains(address("[2001:db8:7fff::]:1")));
    CHECK(network("10.0.0.0/8").contains(network("10.1.0.0/16")));
    CHECK_FALSE(network("10.1.0.0/16").contains(network("10.0.0.0/8")));
    CHECK_FALSE(network("::/0").contains(network("10.0.0.0/8")));
  }

  TEST_CASE("property: an address is in its network of every length, and so is what is written") {
    Rng random(seed());
    for (int i = 0; i < 2'000; ++i) {
      std::array<std::uint8_t, 16> bytes;
      for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random.next_u64());
      const bool v4 = random.below(2) == 0;
      const TransportAddress any =
          v4 ? TransportAddress::v4(static_cast<std::uint32_t>(random.next_u64()), 1)
             : TransportAddress::v6(bytes, 1);
      const unsigned bits = static_cast<unsigned>(random.below(v4 ? 33 : 129));
      const Network around = Network::of(any, bits);
      CHECK(around.contains(any));
      CHECK(around.bits() == bits);
      CHECK(network(around.to_string()) == around);
      CHECK(around.contains(Network::of(any)));
    }
  }

  TEST_CASE("what is denied is denied; an empty list of the allowed allows everybody else") {
    AddressRules rules;
    CHECK(rules.allows(address("192.0.2.1:1")));
    rules.deny = {network("192.0.2.0/28"), network("2001:db8::/32")};
    CHECK_FALSE(rules.allows(address("192.0.2.1:1")));
    CHECK_FALSE(rules.allows(address("[2001:db8::5]:1")));
    CHECK(rules.allows(address("192.0.2.99:1")));
    rules.allow = {network("192.0.2.0/24")};
    CHECK(rules.allows(address("192.0.2.99:1")));
    CHECK(rules.allows(address("[::ffff:192.0.2.99]:1")));
    CHECK_FALSE(rules.allows(address("192.0.2.1:1")));
    CHECK_FALSE(rules.allows(address("198.51.100.1:1")));
    CHECK_FALSE(rules.allows(address("[2001:4860::1]:1")));
  }

  TEST_CASE("durations are counted in the interval that they end") {
    DurationHistogram histogram;
    for (const std::int64_t us : {-5, 0, 100, 101, 2'500'000, 2'500'001}) {
      histogram.add(Microseconds(us));
    }
    CHECK(histogram.counts.front() == 3);
    CHECK(histogram.counts[1] == 1);
    CHECK(histogram.counts[DurationHistogram::kBounds.size() - 1] == 1);
    CHECK(histogram.counts.back() == 1);
    CHECK(histogram.samples == 6);
    CHECK(histogram.sum == Microseconds(5'000'197));
  }
}

}  // namespace ppspp::test
