#include <doctest/doctest.h>

#include "http/target.h"

namespace ppspp::http {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

TEST_CASE("a target is decoded once, and its query kept in order") {
  const auto target = parse_target("/swarm/a%20b%2Fc?peer=1.2.3.4%3A5&x&peer=&=v&&a+b=c%26d=e");
  REQUIRE(target);
  CHECK(target->path == "/swarm/a b/c");
  CHECK(target->query ==
        Pairs{{"peer", "1.2.3.4:5"}, {"x", ""}, {"peer", ""}, {"", "v"}, {"a+b", "c&d=e"}});
}

TEST_CASE("a target may be written with the host, which is not looked at") {
  CHECK(parse_target("http://example.org")->path == "/");
  CHECK(parse_target("HTTP://example.org:80/a?b=c")->path == "/a");
  CHECK_FALSE(parse_target("http:///a"));
  CHECK_FALSE(parse_target("https://example.org/a"));
}

TEST_CASE("what leads out of the tree, or is no target, is refused") {
  for (const char* bad : {"",
                          "a",
                          "*",
                          "/..",
                          "/../a",
                          "/a/..",
                          "/a/./b",
                          "/%2e%2E/a",
                          "/a%2F..%2Fb",
                          "/a%00b",
                          "/a%0d%0ab",
                          "/%",
                          "/%1",
                          "/%zz",
                          "/a b",
                          "/a#b",
                          "/a\tb",
                          "//\x7f",
                          "example.org:80",
                          "/a?b=%0a",
                          "/a\\..\\b",
                          "/?%"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_target(bad));
  }
  for (const char* good : {"/", "//", "/...", "/a..b", "/.hidden", "/%C3%BC", "/a?", "/?/../"}) {
    CAPTURE(good);
    CHECK(parse_target(good));
  }
}

TEST_CASE("a query has a bounded number of keys") {
  std::string text = "/?a";
  for (int i = 1; i < 256; ++i) text += "&a";
  CHECK(parse_target(text));
  CHECK_FALSE(parse_target(text + "&a"));
}

TEST_CASE("segments are split before they are decoded") {
  using Segments = std::vector<std::string>;
  CHECK(path_segments("/") == Segments{""});
  CHECK(path_segments("/a/b%2Fc/?d/e") == Segments{"a", "b/c", ""});
  CHECK(path_segments("/swarm/ppspp%3Aab%3Fpeer%3D1.2.3.4%3A5/film%20one.mp4") ==
        Segments{"swarm", "ppspp:ab?peer=1.2.3.4:5", "film one.mp4"});
  CHECK_FALSE(path_segments("/a/%2E%2E/b"));
  CHECK_FALSE(path_segments("/a/x%2F..%2Fy"));
}

}  // namespace
}  // namespace ppspp::http
