#include <doctest/doctest.h>

#include "ppspp/swarm_url.h"

namespace ppspp {
namespace {

void check_splits(const char* text, const char* host, int port) {
  CAPTURE(text);
  const auto split = HostPort::parse(text);
  REQUIRE(split);
  CHECK(split->host == host);
  CHECK(split->port == port);
}

TEST_SUITE("metadata/host_port") {
  TEST_CASE("names and addresses of both versions are split from their port") {
    check_splits("example.org:6778", "example.org", 6778);
    check_splits("192.0.2.1:1", "192.0.2.1", 1);
    check_splits("[2001:db8::1]:65535", "2001:db8::1", 65535);
    check_splits("[::ffff:192.0.2.1]:6778", "::ffff:192.0.2.1", 6778);
    check_splits("[fe80::1%eth0]:6778", "fe80::1%eth0", 6778);
    check_splits(
        "b\xc3\xbc"
        "cher.example:6778",
        "b\xc3\xbc"
        "cher.example",
        6778);
    check_splits("localhost:0", "localhost", 0);
  }

  TEST_CASE("what has no host or no port is refused, with an example of what is right") {
    for (const char* text :
         {"",           ":",           "host",        "host:",       ":6778",
          "host:65536", "host:-1",     "host:6778 ",  "host:0x10",   "::1:6778",
          "[::1]",      "[::1]6778",   "[host]:6778", "[::1:6778",   "::1]:6778",
          "[]:6778",    "a b:1",       "a/b:1",       "user@host:1", "[1.2.3.4]:1",
          "a\x01:1",    "[fe80::1%]:1"}) {
      CAPTURE(text);
      const auto split = HostPort::parse(text);
      REQUIRE_FALSE(split);
      CHECK(split.error().code == Errc::invalid_argument);
      CHECK(split.error().context.find("such as") != std::string::npos);
    }
  }

  TEST_CASE("a host is no longer than a name of the DNS can be") {
    CHECK(HostPort::parse(std::string(253, 'a') + ":1"));
    CHECK_FALSE(HostPort::parse(std::string(254, 'a') + ":1"));
  }
}

}  // namespace
}  // namespace ppspp
