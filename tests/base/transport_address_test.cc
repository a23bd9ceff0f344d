#include "ppspp/transport_address.h"

#include <doctest/doctest.h>

namespace ppspp {

TEST_SUITE("base/transport_address") {
  TEST_CASE("literals are read and written back") {
    for (const char* text : {"192.0.2.1:6778", "[2001:db8::1]:1", "[::]:65535", "[fe80::1%2]:99"}) {
      CAPTURE(text);
      const auto address = TransportAddress::parse(text);
      REQUIRE(address);
      CHECK(address->to_string() == text);
    }
    CHECK(TransportAddress::parse("192.0.2.1:6778")->is_v4());
    CHECK(*TransportAddress::parse("[::ffff:10.0.0.1]:5") == TransportAddress::v4(0x0a000001, 5));
  }

  TEST_CASE("what is no address with a port is refused with an example of one") {
    for (const char* text : {"", ":", "1.2.3.4", "1.2.3.4:", "1.2.3.4:65536", "1.2.3.4:-1",
                             "1.2.3:4", "::1:80", "[::1]", "[::1]80", "[::1%x]:80", "host:80"}) {
      CAPTURE(text);
      const auto address = TransportAddress::parse(text);
      REQUIRE_FALSE(address);
      CHECK(address.error().context.find("192.0.2.1:6778") != std::string::npos);
    }
  }

  TEST_CASE("internal addresses are told from public ones (RFC 7574, 8.13 #180)") {
    for (const char* text :
         {"10.1.2.3:1", "172.16.0.1:1", "172.31.255.255:1", "192.168.1.1:1", "127.0.0.1:1",
          "169.254.1.1:1", "100.64.0.1:1", "224.0.0.1:1", "0.0.0.0:1", "[::1]:1", "[fc00::1]:1",
          "[fdff::1]:1", "[fe80::1]:1", "[ff02::1]:1", "[2001:db8::1]:1", "[::ffff:10.0.0.1]:1"}) {
      CAPTURE(text);
      CHECK(TransportAddress::parse(text)->is_internal());
    }
    for (const char* text : {"9.255.255.255:1", "11.0.0.0:1", "172.32.0.1:1", "8.8.8.8:1",
                             "100.128.0.1:1", "[2001:4860::1]:1", "[fec0::1]:1"}) {
      CAPTURE(text);
      CHECK_FALSE(TransportAddress::parse(text)->is_internal());
    }
  }
}

}  // namespace ppspp
