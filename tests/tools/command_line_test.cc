#include "command_line.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "get_options.h"
#include "seed_options.h"

using namespace ppspp;
using namespace ppspp::tools;

namespace {

const std::string kId(64, 'a');
const std::string kUrl = "ppspp:" + kId + "?len=5000&dn=a%2Fmovie.mkv&peer=192.0.2.1:6778";

template <typename Parse>
auto parse_with(Parse parse, std::vector<std::string> arguments) {
  std::vector<const char*> argv = {"program"};
  for (const std::string& argument : arguments) argv.push_back(argument.c_str());
  return parse(static_cast<int>(argv.size()), argv.data());
}

auto get(std::vector<std::string> arguments) {
  return parse_with(parse_get_command, std::move(arguments));
}
auto seed(std::vector<std::string> arguments) {
  return parse_with(parse_seed_command, std::move(arguments));
}

template <typename T>
void check_usage_error(const Parsed<T>& parsed, const std::string& words) {
  REQUIRE(!parsed);
  CHECK(parsed.error().code == kUsage);
  CHECK(parsed.error().message.find('\n') == std::string::npos);
  CAPTURE(parsed.error().message);
  CHECK(parsed.error().message.find(words) != std::string::npos);
}

}  // namespace

TEST_SUITE("tools/command_line") {
  TEST_CASE("rates have suffixes that are powers of 1024") {
    CHECK(*parse_rate("100") == 100);
    CHECK(*parse_rate("64k") == 65'536);
    CHECK(*parse_rate("64K") == 65'536);
    CHECK(*parse_rate("1.5M") == 1'572'864);
    CHECK(*parse_rate("2G") == 2'147'483'648);
    for (const auto* text :
         {"", "0", "-1", "k", "1T", "1kk", "1 k", "nan", "inf", "1e999", "99999999999G"}) {
      CAPTURE(text);
      CHECK(!parse_rate(text));
    }
  }

  TEST_CASE("a time-out is a number of seconds above zero") {
    CHECK(*parse_seconds("0.5") == doctest::Approx(0.5));
    CHECK(!parse_seconds("0"));
    CHECK(!parse_seconds("-3"));
    CHECK(!parse_seconds("3s"));
  }

  TEST_CASE("ppspp-get: a URL alone is enough, and names the output file") {
    const auto command = get({kUrl});
    REQUIRE(command);
    CHECK(command->output == "a_movie.mkv");
    CHECK(command->url.metadata.content_length == 5000);
    CHECK(command->url.peers == std::vector<std::string>{"192.0.2.1:6778"});
    CHECK(!command->to_stdout());
    CHECK(!command->timeout);
    CHECK(command->verbosity == 0);
  }

  TEST_CASE("ppspp-get: a bare swarm ID with options that describe it") {
    const auto command = get({"--peer", "[::1]:1", "--chunk-size=8192", "--addressing", "bin64",
                              "--hash", "sha256", kId});
    REQUIRE(command);
    CHECK(command->url.metadata.chunk_size == 8192);
    CHECK(command->url.metadata.addressing == ChunkAddressing::bin64);
    CHECK(command->output == kId);
  }

  TEST_CASE("ppspp-get: options override the URL") {
    const auto command = get({"--peer", "h:1", "--peer", "g:2", "--chunk-size", "2048", "-o", "-",
                              "--integrity", "none", kUrl + "&cs=4096"});
    REQUIRE(command);
    CHECK(command->url.peers == std::vector<std::string>{"h:1", "g:2"});
    CHECK(command->url.metadata.chunk_size == 2048);
    CHECK(command->to_stdout());
    CHECK(command->allow_unprotected);
    CHECK(!get({kUrl + "&cipm=none"})->allow_unprotected);
  }

  TEST_CASE("ppspp-get: flags, limits, and how much is said") {
    const auto command =
        get({"-vv", "--stay", "--force", "--json", "--timeout=2.5", "--upload-limit", "1k",
             "--download-limit", "2M", "-l", "127.0.0.1:0", "-l", "[::1]:0", kUrl});
    REQUIRE(command);
    CHECK(command->verbosity == 2);
    CHECK((command->stay && command->force && command->json));
    CHECK(*command->timeout == doctest::Approx(2.5));
    CHECK(command->upload_limit == 1'024);
    CHECK(command->download_limit == 2'097'152);
    CHECK(command->listen.size() == 2);
  }

  TEST_CASE("ppspp-get: without a peer there is nobody to ask, and it says so at once") {
    check_usage_error(get({kId}), "--peer HOST:PORT");
    check_usage_error(get({"ppspp:" + kId + "?tracker=http://tracker.example/"}), "--peer");
  }

  TEST_CASE("ppspp-get: a tracker in the URL does no harm while there is a peer") {
    CHECK(get({kUrl + "&tracker=http://tracker.example/"}));
  }

  TEST_CASE("ppspp-get: what is not yet available is refused in one line") {
    const std::string words = "is not yet available";
    check_usage_error(get({"--tracker", "http://t/", kUrl}), "--tracker " + words);
    check_usage_error(get({"--start", "oldest", kUrl}), "--start " + words);
    check_usage_error(get({"--signature", "ed25519", kUrl}), "--signature " + words);
    check_usage_error(get({kUrl + "&live=1"}), words);
  }

  TEST_CASE("ppspp-get: wrong values are named, with what would be right") {
    check_usage_error(get({}), "required");
    check_usage_error(get({"nonsense"}), "nonsense");
    check_usage_error(get({kUrl, "another"}), "another");
    check_usage_error(get({"--chunk-size", "100", kUrl}), "512 to 65000");
    check_usage_error(get({"--addressing", "x", kUrl}), "chunk32");
    check_usage_error(get({"--hash", "md5", kUrl}), "sha256");
    check_usage_error(get({"--hash", "sha1", kUrl}), "");  // an ID of 32 octets is not SHA-1's
    check_usage_error(get({"--integrity", "x", kUrl}), "merkle");
    check_usage_error(get({"--integrity", "sign-all", kUrl}), "");
    check_usage_error(get({"--peer", "nohost", kUrl}), "--peer");
    check_usage_error(get({"--peer", "host:0", kUrl}), "--peer");
    check_usage_error(get({"--listen", "host:1", kUrl}), "--listen");
    check_usage_error(get({"--timeout", "soon", kUrl}), "--timeout");
    check_usage_error(get({"--no-such-option", kUrl}), "--no-such-option");
  }

  TEST_CASE("ppspp-seed: a file alone is enough") {
    const auto command = seed({"movie.mkv"});
    REQUIRE(command);
    CHECK(command->file == "movie.mkv");
    CHECK(command->listen.empty());
    CHECK(!command->swarm.chunk_size);
    CHECK(!command->upload_limit);
  }

  TEST_CASE("ppspp-seed: its options") {
    const auto command = seed({"--listen=0.0.0.0:7000", "--chunk-size", "1200", "--hash", "sha1",
                               "--peer", "a:1", "--peer=b:2", "--advertise", "me.example:7000",
                               "--upload-limit", "3M", "--integrity", "none", "file"});
    REQUIRE(command);
    CHECK(command->listen.at(0) == *TransportAddress::parse("0.0.0.0:7000"));
    CHECK(command->peers == std::vector<std::string>{"a:1", "b:2"});
    CHECK(command->advertise == std::vector<std::string>{"me.example:7000"});
    CHECK(command->swarm.allow_unprotected());
    SwarmMetadata metadata;
    command->swarm.apply_to(metadata);
    CHECK(metadata.chunk_size == 1200);
    CHECK(metadata.hash == HashFunction::sha1);
  }

  TEST_CASE("ppspp-seed: live feeds and trackers are not yet available") {
    const std::string words = "is not yet available";
    check_usage_error(seed({"--live", "x"}), words);
    check_usage_error(seed({"--key", "k", "x"}), words);
    check_usage_error(seed({"--signature", "ed25519", "x"}), words);
    check_usage_error(seed({"--chunks-per-signature", "32", "x"}), words);
    check_usage_error(seed({"--discard-window", "all", "x"}), words);
    check_usage_error(seed({"--tracker", "http://t/", "x"}), words);
    check_usage_error(seed({"-"}), words);
  }

  TEST_CASE("--help and --version print and are no error") {
    for (const auto& parsed : {get({"--help"}), get({"-h"}), get({"--version"})}) {
      REQUIRE(!parsed);
      CHECK(parsed.error().code == kDone);
      CHECK(parsed.error().message.ends_with("\n"));
    }
    CHECK(get({"--help"}).error().message.find("URL|SWARM-ID") != std::string::npos);
    CHECK(get({"--version"}).error().message.starts_with("ppspp-get "));
  }
}
