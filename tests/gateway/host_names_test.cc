#include "gateway/host_names.h"

#include <doctest/doctest.h>

#include <vector>

namespace ppspp::daemon {
namespace {

TEST_CASE("addresses and localhost are always names of ours") {
  for (const char* host : {"", "127.0.0.1", "127.0.0.1:8778", "[::1]", "[::1]:8778", "192.0.2.7:80",
                           "localhost", "LocalHost:8778"}) {
    CAPTURE(host);
    CHECK(is_our_name(host, {}));
  }
}

TEST_CASE("other names are ours where they are listed") {
  const std::vector<std::string> names = {"media.example"};
  for (const char* host : {"media.example", "Media.Example:8778"}) {
    CAPTURE(host);
    CHECK(!is_our_name(host, {}));
    CHECK(is_our_name(host, names));
  }
  for (const char* host :
       {"evil.example:8778", "evil-media.example", "media.example.evil.example",
        "localhost.evil.example", "127.0.0.1.evil.example", "[::1", ":80", "[]"}) {
    CAPTURE(host);
    CHECK(!is_our_name(host, names));
  }
  const std::vector<std::string> all = {"*"};
  CHECK(is_our_name("evil.example", all));
}

}  // namespace
}  // namespace ppspp::daemon
