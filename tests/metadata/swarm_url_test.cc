#include "ppspp/swarm_url.h"

#include <doctest/doctest.h>

#include "ppspp/random_source.h"
#include "support/hex.h"
#include "support/seed.h"

namespace ppspp {
namespace {

const std::string kId = "c0535e4be2b79ffd93291305436bf889314e4a3faec05ecffcbb7df31ad9e51a";
const std::string kUrl = "ppspp:" + kId;

SwarmUrl parsed(const std::string& text) {
  CAPTURE(text);
  auto url = SwarmUrl::parse(text);
  if (!url) FAIL("refused: ", url.error().context);
  return *std::move(url);
}

// One line that says `hint`.
void check_refused(const std::string& text, std::string_view hint) {
  CAPTURE(text);
  const auto url = SwarmUrl::parse(text);
  REQUIRE_FALSE(url);
  CAPTURE(url.error().context);
  CHECK(url.error().code == Errc::invalid_argument);
  CHECK(url.error().context.find(hint) != std::string::npos);
  CHECK(url.error().context.find('\n') == std::string::npos);
}

TEST_SUITE("metadata/swarm_url") {
  TEST_CASE("a URL of the ID alone stands for the defaults, and they are not written") {
    const auto url = parsed(kUrl);
    SwarmMetadata expected;
    expected.id = SwarmId::from_hex(kId).value();
    CHECK(url.metadata == expected);
    CHECK(url.metadata.validate());
    CHECK(url.to_string() == kUrl);
  }

  TEST_CASE("every key is read, and written in the order of the manual") {
    const std::string text = kUrl +
                             "?cs=8192&cam=bin64&cipm=none&mhf=sha1&len=123456789"
                             "&dn=my%20film.mkv&peer=example.org:6778&peer=%5B::1%5D:1"
                             "&tracker=http://tracker.example/x%3Fa%3Db";
    const auto url = parsed(text);
    CHECK(url.metadata.chunk_size == 8192);
    CHECK(url.metadata.addressing == ChunkAddressing::bin64);
    CHECK(url.metadata.integrity == IntegrityMethod::none);
    CHECK(url.metadata.hash == HashFunction::sha1);
    CHECK_FALSE(url.metadata.live);
    CHECK(url.metadata.content_length == 123'456'789);
    CHECK(url.display_name == "my film.mkv");
    CHECK(url.peers == std::vector<std::string>{"example.org:6778", "[::1]:1"});
    CHECK(url.trackers == std::vector<std::string>{"http://tracker.example/x?a=b"});
    CHECK(url.to_string() == text);
  }

  TEST_CASE("a live swarm's default is the Unified Merkle Tree") {
    const std::string key = "0d" + std::string(128, '7');
    const auto url = parsed("ppspp:" + key + "?live=1&cps=16");
    CHECK(url.metadata.live);
    CHECK(url.metadata.integrity == IntegrityMethod::unified_merkle);
    CHECK(url.metadata.chunks_per_signature == 16);
    CHECK(url.metadata.validate());
    CHECK(url.to_string() == "ppspp:" + key + "?live=1&cps=16");

    const auto sign_all = parsed("ppspp:" + key + "?cipm=sign-all&live=1");
    CHECK(sign_all.metadata.integrity == IntegrityMethod::sign_all);
    CHECK(sign_all.to_string() == "ppspp:" + key + "?cipm=sign-all&live=1");
  }

  TEST_CASE("the certification authority is a public key like a live swarm's ID (12.2.2 #186)") {
    const std::string key = "0f" + std::string(64, 'a');  // ED25519
    const auto url = parsed(kUrl + "?ca=" + key);
    CHECK(SwarmId(url.metadata.authority).to_hex() == key);
    CHECK(url.metadata.validate());
    CHECK(url.to_string() == kUrl + "?ca=" + key);
    CHECK(parsed(kUrl).metadata.authority.empty());

    const auto no_key = parsed(kUrl + "?ca=0faa").metadata.validate();
    REQUIRE_FALSE(no_key);
    CHECK(no_key.error().context.find("'ca'") != std::string::npos);
    check_refused(kUrl + "?ca=0g", "in hex digits");
    check_refused(kUrl + "?ca=", "in hex digits");
  }

  TEST_CASE("the length is always written") {
    auto url = parsed(kUrl);
    url.metadata.content_length = 1;
    CHECK(url.to_string() == kUrl + "?len=1");
  }

  TEST_CASE("a display name may be any UTF-8") {
    for (const std::string name : {"a&b=c#d?e%20+", "\xe6\x98\xa0\xe7\x94\xbb \xf0\x9f\x8e\xac.mkv",
                                   "../x/y", ".", "=", "\n\x01"}) {
      auto url = parsed(kUrl);
      url.display_name = name;
      CHECK(parsed(url.to_string()).display_name == name);
    }
    check_refused(kUrl + "?dn=%FF", "dn=");
    check_refused(kUrl + "?dn=", "a name");
  }

  TEST_CASE("a display name makes a file name that stays where it is put") {
    auto url = parsed(kUrl);
    CHECK(url.file_name() == kId);
    const auto file_name_of = [&](const char* name) {
      url.display_name = name;
      return url.file_name();
    };
    CHECK(file_name_of("film.mkv") == "film.mkv");
    CHECK(file_name_of("../../etc/passwd") == "_._.._etc_passwd");
    CHECK(file_name_of("/etc/passwd") == "_etc_passwd");
    CHECK(file_name_of("..") == "_.");
    CHECK(file_name_of(".bashrc") == "_bashrc");
    CHECK(file_name_of("a\nb") == "a_b");
    url.display_name = std::string(199, 'a') + "\xc3\xa9";
    CHECK(url.file_name() == std::string(199, 'a'));
  }

  TEST_CASE("percent-encoding is understood in keys and values, raw brackets as well") {
    CHECK(parsed(kUrl + "?%63%73=%38192").metadata.chunk_size == 8192);
    CHECK(parsed(kUrl + "?peer=[::1]:1").peers.front() == "[::1]:1");
    CHECK(parsed(kUrl + "?dn=a+b").display_name == "a+b");
    CHECK(parsed(kUrl + "?dn=\xc3\xa9").display_name == "\xc3\xa9");
    check_refused(kUrl + "?dn=100%", "'%25'");
    check_refused(kUrl + "?d%zz=1", "'%25'");
  }

  TEST_CASE("unknown keys and empty places are ignored") {
    CHECK(parsed(kUrl + "?x=1&&cs=2048&y&x=2&").to_string() == kUrl + "?cs=2048");
    CHECK(parsed(kUrl + "?").to_string() == kUrl);
    CHECK(parsed(kUrl + "?CS=7").to_string() == kUrl);
  }

  TEST_CASE("a key that may stand once is refused the second time, by name") {
    for (const char* pair : {"cs=1024", "cam=bin32", "cipm=merkle", "mhf=sha1", "live=1", "len=5",
                             "cps=2", "ca=0f", "dn=x"}) {
      const std::string name(pair, std::string_view(pair).find('='));
      check_refused(kUrl + "?" + pair + "&" + pair, "'" + name + "' stands more than once");
    }
  }

  TEST_CASE("a bad value is refused with the name of its key and what is right") {
    check_refused(kUrl + "?cs=0", "cs='0' in the swarm URL: it must be a chunk size from 512");
    check_refused(kUrl + "?cs=511", "512");
    check_refused(kUrl + "?cs=65001", "65000");
    check_refused(kUrl + "?cs=4294967295", "65000");
    check_refused(kUrl + "?cs=1k", "cs='1k'");
    check_refused(kUrl + "?cs", "cs=''");
    check_refused(kUrl + "?cam=chunk16", "chunk32");
    check_refused(kUrl + "?cipm=3", "unified-merkle");
    check_refused(kUrl + "?mhf=md5", "sha256");
    check_refused(kUrl + "?live=0", "leave it out");
    check_refused(kUrl + "?live=yes", "1 for a live swarm");
    check_refused(kUrl + "?len=0", "at least 1");
    check_refused(kUrl + "?len=-5", "len='-5'");
    check_refused(kUrl + "?len=18446744073709551616", "len=");
    check_refused(kUrl + "?cps=1", "power of two");
    check_refused(kUrl + "?cps=12", "power of two");
    check_refused(kUrl + "?peer=example.org", "host:port");
    check_refused(kUrl + "?peer=::1:6778", "[::1]:6778");
    check_refused(kUrl + "?peer=example.org:0", "host:port");
    check_refused(kUrl + "?tracker=tracker.example", "http://");
    check_refused(kUrl + "?tracker=http://", "http://");
    check_refused(kUrl + "?tracker=", "http://");
    check_refused(kUrl + "?cs=%0A%1B",
                  "cs='?"
                  "?'");
  }

  TEST_CASE("the ID is hex digits in pairs, in either case; the scheme in any case") {
    CHECK(parsed("PPSPP:C0535E4B").to_string() == "ppspp:c0535e4b");
    check_refused("ppspp:", "missing");
    check_refused("ppspp:?cs=1024", "missing");
    check_refused("ppspp:c05", "two for each octet");
    check_refused("ppspp://c0535e4b", "hex digits only");
    check_refused("ppspp:" + std::string(2050, 'a'), "2048 is the most");
  }

  TEST_CASE("a bare ID is accepted, with the hash function that its length tells") {
    CHECK(parsed(kId).metadata == parsed(kUrl).metadata);
    for (const HashFunction function : kHashFunctions) {
      const auto url = parsed(std::string(2 * digest_size(function), 'A'));
      CHECK(url.metadata.hash == function);
      CHECK(url.metadata.validate());
    }
    CHECK(parsed(std::string(42, 'a')).metadata.hash == HashFunction::sha256);
    CHECK(parsed("ppspp:" + std::string(40, 'a')).metadata.hash == HashFunction::sha256);
  }

  TEST_CASE("what is neither a URL nor an ID is refused with an example") {
    for (const std::string& text :
         {std::string(), std::string("film.mkv"), std::string("http://example.org"),
          std::string(38, 'a'), std::string(41, 'a'), std::string(130, 'a'), kId + "?cs=1024",
          std::string("ppspp"), std::string("magnet:?xt=1")}) {
      check_refused(text, "neither a swarm URL");
    }
  }

  TEST_CASE("blanks, control characters and fragments are refused, not guessed at") {
    check_refused(kUrl + "?dn=a b", "'%20'");
    check_refused(kUrl + "?dn=a#b", "'%23'");
    check_refused(kUrl + "?dn=a\nb", "'%0A'");
    check_refused(kUrl + "?dn=" + std::string(70'000, 'x'), "65536");
  }

  TEST_CASE("any URL survives being written and read") {
    Rng rng(test::seed());
    const auto text_of = [&](std::size_t size) {
      std::string text;
      while (text.size() < size) text += static_cast<char>(1 + rng.below(0x7f));
      return text;
    };
    for (int round = 0; round < 300; ++round) {
      SwarmUrl url;
      std::vector<std::byte> id(1 + rng.below(100));
      for (auto& octet : id) octet = static_cast<std::byte>(rng.below(256));
      url.metadata.id = SwarmId(id);
      url.metadata.chunk_size = static_cast<std::uint32_t>(512 + rng.below(65'000 - 511));
      url.metadata.addressing = static_cast<ChunkAddressing>(rng.below(5));
      url.metadata.integrity = static_cast<IntegrityMethod>(rng.below(4));
      url.metadata.hash = static_cast<HashFunction>(rng.below(5));
      url.metadata.live = rng.below(2) != 0;
      if (rng.below(2) != 0) url.metadata.content_length = rng.next_u64() | 1;
      if (rng.below(2) != 0) url.metadata.chunks_per_signature = 2u << rng.below(31);
      url.display_name = text_of(rng.below(20));
      for (auto i = rng.below(3); i > 0; --i) url.peers.push_back("[2001:db8::1]:6778");
      for (auto i = rng.below(3); i > 0; --i) url.trackers.push_back("https://" + text_of(9));
      const std::string text = url.to_string();
      CAPTURE(text);
      const auto again = parsed(text);
      REQUIRE(again.metadata == url.metadata);
      REQUIRE(again.display_name == url.display_name);
      REQUIRE(again.peers == url.peers);
      REQUIRE(again.trackers == url.trackers);
      REQUIRE(again.to_string() == text);
    }
  }
}

}  // namespace
}  // namespace ppspp
