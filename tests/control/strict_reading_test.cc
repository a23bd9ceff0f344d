#include <doctest/doctest.h>
#include <fmt/format.h>

#include "control/json.h"

namespace ppspp::control {
namespace {

template <typename T>
std::string refusal(const std::string& text) {
  const auto read = from_json<T>(text);
  if (read) return "accepted";
  CHECK(read.error().code == Errc::invalid_argument);
  CHECK(read.error().context.find('\n') == std::string::npos);
  return read.error().context;
}

std::string with_file(const std::string& members) {
  return R"({"file":{"path":"/a"},)" + members + "}";
}

TEST_SUITE("control/strict_reading") {
  TEST_CASE("an unknown member is named") {
    CHECK(refusal<AddRequest>(with_file(R"("lable":"x")")) == "unknown member 'lable'");
    CHECK(refusal<AddRequest>(R"({"file":{"path":"/a","x":1}})") == "file: unknown member 'x'");
    CHECK(refusal<LimitsChange>(R"({"schedule":"night"})") == "unknown member 'schedule'");
  }

  TEST_CASE("what a newer daemon says besides is no mistake") {
    const auto ban = from_json<BanInfo>(
        R"({"network":"192.0.2.1","reason":"","automatic":false,"country":{"name":"x"}})");
    REQUIRE(ban.has_value());
    CHECK(ban->network == "192.0.2.1");
    const auto page = from_json<SwarmPage>(R"({"swarms":[],"total":0,"shown":[1,2]})");
    CHECK(page.has_value());
  }

  TEST_CASE("a wrong type is refused, and the member named") {
    CHECK(refusal<AddRequest>(with_file(R"("label":7)")) == "label: it must be a string");
    CHECK(refusal<AddRequest>(with_file(R"("paused":1)")) == "paused: it must be true or false");
    CHECK(refusal<AddRequest>(with_file(R"("peers":"a:1")")) == "peers: it must be a list");
    CHECK(refusal<AddRequest>(with_file(R"("peers":["a:1",2])")) ==
          "peers[1]: it must be a string");
    CHECK(refusal<AddRequest>(with_file(R"("limits":[])")) == "limits: it must be an object");
    CHECK(refusal<AddRequest>(with_file(R"("name":null)")) == "name: it must be a string");
    CHECK(refusal<AddRequest>("[]") == "it must be a JSON object");
    CHECK(refusal<AddRequest>(with_file(R"("opens_at":1.5)"))
              .starts_with("opens_at: it must be a whole number"));
  }

  TEST_CASE("numbers out of range are refused") {
    const auto weight = [](const std::string& number) {
      return refusal<Limits>(R"({"weight":)" + number + "}");
    };
    CHECK(weight("0") == "weight: 0 is not a number from 1 to 10000");
    CHECK(weight("10001") == "weight: 10001 is not a number from 1 to 10000");
    CHECK(weight("10000") == "accepted");
    CHECK(weight("-1") == "weight: it must be a whole number from 0 to 4294967295");
    CHECK(weight("4294967296") == "weight: it must be a whole number from 0 to 4294967295");
    CHECK(weight("99999999999999999999999") != "accepted");
    CHECK(weight("1e999") != "accepted");
    CHECK(refusal<Limits>(R"({"upload":0})").starts_with("upload: 0 is not a number from 1"));
    CHECK(refusal<BanRequest>(R"({"network":"192.0.2.1","seconds":0})") != "accepted");
  }

  TEST_CASE("what makes no sense is refused with what would be right") {
    CHECK(refusal<AddRequest>("{}") == "file, url, live: one of them has to be there");
    CHECK(refusal<AddRequest>(R"({"file":{"path":"/a"},"url":{"url":"ppspp:00"}})") ==
          "file, url, live: only one of them can be there");
    CHECK(refusal<AddRequest>(R"({"file":{}})") == "file.path: it is missing");
    CHECK(refusal<AddRequest>(R"({"file":{"path":"a.ts"}})") ==
          "file.path: 'a.ts' is not an absolute path");
    CHECK(refusal<AddRequest>(R"({"file":{"path":"/a\u0000b"}})") ==
          "file.path: there are control characters in it");
    CHECK(refusal<AddRequest>(R"({"file":{"path":"/a","hash":"md5"}})") ==
          "file.hash: 'md5' is not sha1, sha224, sha256, sha384 or sha512");
    CHECK(refusal<AddRequest>(with_file(R"("peers":["nowhere"])")).starts_with("peers[0]: "));
    CHECK(refusal<AddRequest>(with_file(R"("peers":["a:0"])")) == "peers[0]: 'a:0' has port 0");
    CHECK(refusal<AddRequest>(with_file(R"("trackers":["udp://a/"])")) ==
          "trackers[0]: 'udp://a/' does not begin with http:// or https://");
    CHECK(refusal<AddRequest>(with_file(R"("authority":"0d00")")).starts_with("authority: "));
    CHECK(refusal<AddRequest>(R"({"url":{"url":"http://example.org"}})").starts_with("url.url: "));
    CHECK(refusal<AddRequest>(R"({"live":{"input":"tcp://a:1"}})") ==
          "live.input: 'tcp://a:1' is not udp://ADDR:PORT or file:/PATH");
    CHECK(refusal<AddRequest>(R"({"live":{"input":"udp://a:1","chunks_per_signature":3}})") ==
          "live.chunks_per_signature: it is not a power of two");
    CHECK(refusal<BanRequest>("{}") == "network: it is missing");
  }

  TEST_CASE("what is no JSON, or no UTF-8, is refused") {
    for (const std::string text :
         {"", "{", "{\"weight\":}", "{\"weight\":1}x", "weight", "{'weight':1}", "{\"weight\":01}",
          "\xef\xbb\xbf{}", "{\"weight\":1,}", "// {}\n{}"}) {
      CAPTURE(text);
      CHECK(refusal<Limits>(text).starts_with("not JSON: "));
    }
    CHECK(refusal<AddRequest>(with_file("\"label\":\"\xff\"")).starts_with("not JSON: "));
    CHECK(refusal<AddRequest>(with_file("\"label\":\"\xc3\"")).starts_with("not JSON: "));
    CHECK(refusal<AddRequest>(with_file("\"label\":\"\\ud800\"")).starts_with("not JSON: "));
  }

  TEST_CASE("an answer lacks nothing") {
    CHECK(refusal<Availability>(R"({"chunks":1,"map":""})") == "buckets: it is missing");
    CHECK(refusal<SwarmPage>(R"({"total":0})") == "swarms: it is missing");
    CHECK(refusal<SwarmPage>(R"({"total":0,"swarms":[{}]})") == "swarms[0].number: it is missing");
    CHECK(refusal<std::vector<BanInfo>>("{}") == "bans: it is missing");
  }

  TEST_CASE("depth and size are bounded") {
    for (const std::size_t depth : {std::size_t{9}, std::size_t{1'000}, std::size_t{400'000}}) {
      CAPTURE(depth);
      const std::string bomb = with_file(R"("peers":)" + std::string(depth, '['));
      CHECK(refusal<AddRequest>(bomb).starts_with("not JSON: "));
    }
    const std::string long_label(kMaxRequestSize, 'x');
    CHECK(refusal<AddRequest>(with_file(fmt::format(R"("label":"{}")", long_label))) ==
          "it is longer than 1048576 octets");
    CHECK(refusal<AddRequest>(with_file(fmt::format(R"("label":"{}")", std::string(1'001, 'x')))) ==
          "label: it is longer than 1000 octets");
    std::string peers = R"("a:1")";
    for (int i = 0; i < 1'000; ++i) peers += R"(,"a:1")";
    CHECK(refusal<AddRequest>(with_file(fmt::format(R"("peers":[{}])", peers))) ==
          "peers: there are more than 1000");
    const std::string page(kMaxReplySize + 1, ' ');
    CHECK(refusal<SwarmPage>(page) == "it is longer than 67108864 octets");
  }
}

}  // namespace
}  // namespace ppspp::control
