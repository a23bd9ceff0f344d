#include "gateway/place.h"

#include <doctest/doctest.h>

#include "http/target.h"

namespace ppspp::daemon {
namespace {

const std::string kId(64, 'b');

Result<Place> place(const std::string& target) {
  http::Request request;
  request.target = target;
  const auto parsed = http::parse_target(target);
  REQUIRE(parsed);
  request.path = parsed->path;
  request.query = parsed->query;
  return parse_place(request);
}

using Names = std::vector<std::string>;

TEST_CASE("a swarm is named by its ID or by its whole URL, with a name behind it or none") {
  const auto bare = place("/swarm/" + kId);
  REQUIRE(bare);
  CHECK(bare->url.metadata.id.to_hex() == kId);
  CHECK(bare->names.empty());
  CHECK(bare->name().empty());
  const auto named = place("/swarm/" + kId + "/film%20one.mp4");
  REQUIRE(named);
  CHECK(named->name() == "film one.mp4");
  const auto url = place("/swarm/ppspp%3A" + kId +
                         "%3Fcs%3D8192%26peer%3D127.0.0.1%3A6778%26tracker%3Dhttp%3A%2F%2Fa%2Fb/x");
  REQUIRE(url);
  CHECK(url->url.metadata.chunk_size == 8192);
  CHECK(url->url.peers == Names{"127.0.0.1:6778"});
  CHECK(url->url.trackers == Names{"http://a/b"});
  CHECK(url->name() == "x");
}

TEST_CASE("keys of the query are keys of the swarm's URL, and others are not looked at") {
  const auto both =
      place("/swarm/" + kId + "?peer=127.0.0.1:1&_=5&peer=%5B::1%5D:2&len=99&cs=2048&download");
  REQUIRE(both);
  CHECK(both->url.peers == Names{"127.0.0.1:1", "[::1]:2"});
  CHECK(both->url.metadata.content_length == 99);
  CHECK(both->url.metadata.chunk_size == 2048);
  CHECK(both->download);
  const auto more = place("/swarm/ppspp%3A" + kId + "%3Fcs%3D8192?peer=127.0.0.1:1");
  REQUIRE(more);
  CHECK(more->url.metadata.chunk_size == 8192);
  CHECK(more->url.peers.size() == 1);
}

TEST_CASE("a bare ID tells its hash function by its length, unless that is said") {
  const std::string sha1(40, 'c');
  REQUIRE(place("/swarm/" + sha1 + "?peer=127.0.0.1:1"));
  CHECK(place("/swarm/" + sha1 + "?peer=127.0.0.1:1")->url.metadata.hash == HashFunction::sha1);
  CHECK(place("/swarm/" + sha1 + "?mhf=sha1")->url.metadata.hash == HashFunction::sha1);
  CHECK_FALSE(place("/swarm/" + sha1 + "?mhf=sha256"));
}

TEST_CASE("paths lead into bundles") {
  const auto file = place("/swarm/" + kId + "/a/b%2Fc.ts");
  CHECK(file->path() == "a/b/c.ts");
  CHECK(place("/swarm/" + kId + "/")->path().empty());
  CHECK(place("/swarm/" + kId + "/a/")->path() == "a/");
  CHECK(place("/swarm/" + kId + "/a/b/")->path() == "a/b/");
  CHECK(place("/swarm/" + kId + "/a%20b")->with_slash() == "/swarm/" + kId + "/a%20b/");
}

TEST_CASE("what is no swarm is not found, and what is wrong with a URL is said") {
  for (const char* target :
       {"/", "/swarm", "/swarm/", "/favicon.ico", "/swarms/ab", "//swarm/ab"}) {
    CAPTURE(target);
    CHECK(place(target).error().code == Errc::not_found);
  }
  for (const std::string& target :
       {std::string("/swarm/xyz"), "/swarm/" + kId + "?cs=1", "/swarm/" + kId + "?len=x",
        "/swarm/" + kId + "?cs=1024&cs=1024", "/swarm/" + kId + "00"}) {
    CAPTURE(target);
    const auto wrong = place(target);
    REQUIRE_FALSE(wrong);
    CHECK(wrong.error().code == Errc::invalid_argument);
    CHECK(!wrong.error().context.empty());
  }
}

}  // namespace
}  // namespace ppspp::daemon
