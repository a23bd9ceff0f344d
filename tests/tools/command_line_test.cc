#include "command_line.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "get_options.h"
#include "seed_options.h"

using namespace ppspp;
using namespace ppspp::tools;

namespace {

const std::string kId(64, 'a');
const std::string kLiveId = "0f" + std::string(64, 'c');  // ED25519
const std::string kLiveUrl = "ppspp:" + kLiveId + "?live=1&peer=192.0.2.1:6778";
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

  TEST_CASE("ppspp-get: the ID alone is enough where the local network is looked at") {
    const auto command = get({kId});
    REQUIRE(command);
    CHECK_FALSE(command->no_local_discovery);
    CHECK(command->url.peers.empty());
  }

  TEST_CASE("ppspp-get: where nobody can be found there is nobody to ask, and it says so at once") {
    check_usage_error(get({"--no-local-discovery", kId}), "--peer HOST:PORT");
    check_usage_error(get({"--no-local-discovery", kId}), "--tracker URL");
    CHECK(get({"--no-local-discovery", "ppspp:" + kId + "?tracker=http://tracker.example/"}));
  }

  TEST_CASE("ppspp-get: with a tracker a bare swarm ID is enough") {
    CHECK(get({"ppspp:" + kId + "?tracker=http://tracker.example/"})->url.trackers ==
          std::vector<std::string>{"http://tracker.example/"});
    const auto command = get({"--tracker", "http://T:80", "--tracker=https://u/x", kId});
    REQUIRE(command);
    CHECK(command->url.trackers == std::vector<std::string>{"http://t/", "https://u/x"});
    const auto replaced =
        get({"--tracker", "http://t", "ppspp:" + kId + "?tracker=http://tracker.example/"});
    CHECK(replaced->url.trackers == std::vector<std::string>{"http://t/"});
    check_usage_error(get({"--tracker", "tracker.example", kId}),
                      "begins with neither https:// nor http://");
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

  TEST_CASE("ppspp-seed, ppspp-get: how many threads move content") {
    CHECK(seed({"f"})->threads == 0);
    CHECK(seed({"--threads", "1", "f"})->threads == 1);
    CHECK(get({"--threads=64", kUrl})->threads == 64);
    for (const char* wrong : {"65", "-1", "two", "", "1.5", "4294967297"}) {
      CAPTURE(wrong);
      check_usage_error(get({"--threads", wrong, kUrl}), "from 1 to 64");
      check_usage_error(seed({"--threads", wrong, "f"}), "--threads");
    }
    check_usage_error(seed({"--threads", "2", "--daemon", "f"}), "--threads is not for --daemon");
    check_usage_error(get({"--threads", "2", "--daemon", kUrl}), "--threads is not for --daemon");
  }

  TEST_CASE("ppspp-seed: trackers are announced to") {
    const auto command = seed({"--tracker", "http://t", "--tracker-ca", "ca.pem", "x"});
    REQUIRE(command);
    CHECK(command->trackers == std::vector<std::string>{"http://t/"});
    CHECK(command->tracker_ca == "ca.pem");
    check_usage_error(seed({"--tracker", "t", "x"}), "is not the URL of a tracker");
  }

  TEST_CASE("ppspp-seed, ppspp-get: who certifies peers is a key, or a file with it") {
    const auto has_key = [](const std::vector<std::byte>& authority) {
      return SwarmId(authority).to_hex() == kLiveId;
    };
    CHECK(has_key(seed({"--authority", kLiveId, "f"})->swarm.authority));
    CHECK(has_key(get({"--authority", kLiveId, kId})->url.metadata.authority));
    const auto path =
        std::filesystem::temp_directory_path() / ("ppspp-authority-" + std::to_string(::getpid()));
    std::ofstream(path) << kLiveId << "\n";
    CHECK(has_key(seed({"--authority", path, "f"})->swarm.authority));
    CHECK(has_key(get({"--authority", path, kUrl})->url.metadata.authority));
    std::ofstream(path) << "nothing of the kind";
    check_usage_error(seed({"--authority", path, "f"}), "ppspp-tracker --print-ca");
    std::filesystem::remove(path);
    check_usage_error(seed({"--authority", path, "f"}), "neither a key in hex nor a file");
    check_usage_error(seed({"--authority", kId, "f"}), "has no public key");
    const auto handed = seed({"--daemon", "--authority", kLiveId, "--tracker", "http://t", "/f"});
    REQUIRE(handed);
    CHECK(handed->request.authority == kLiveId);
    CHECK(handed->request.trackers == std::vector<std::string>{"http://t/"});
  }

  TEST_CASE("ppspp-get: a live URL, and how it is followed") {
    const auto plain = get({kLiveUrl});
    REQUIRE(plain);
    CHECK(plain->url.metadata.live);
    CHECK(plain->url.metadata.integrity == IntegrityMethod::unified_merkle);
    CHECK(plain->live.tune_in == TuneIn::live);
    CHECK(plain->live.buffer == Microseconds(1'500'000));
    CHECK(plain->live.discard_window == 0);
    CHECK(plain->output == kLiveId + ".ts");

    const auto command =
        get({"-o", "-", "--start", "oldest", "--buffer=0.25", "--discard-window", "4096",
             "--signature", "ed25519", "--integrity", "sign-all", kLiveUrl});
    REQUIRE(command);
    CHECK(command->live.tune_in == TuneIn::oldest);
    CHECK(command->live.buffer == Microseconds(250'000));
    CHECK(command->live.discard_window == 4'096);
    CHECK(command->url.metadata.integrity == IntegrityMethod::sign_all);
    CHECK(command->to_stdout());
    CHECK(get({kLiveUrl + "&dn=show.ts"})->output == "show.ts");
    // The longest key still makes a name that a file can have.
    CHECK(get({"ppspp:08" + std::string("03010001") + std::string(512, 'b') + "?live=1&peer=h:1"})
              ->output.size() < 255);
  }

  TEST_CASE("ppspp-get: URLs of live feeds are read as they are written") {
    for (const auto* keys :
         {"", "&cps=32", "&cipm=sign-all", "&cs=4096&cam=chunk64&mhf=sha512", "&dn=a%20show.ts"}) {
      CAPTURE(keys);
      const auto command = get({kLiveUrl + keys});
      REQUIRE(command);
      const auto again = SwarmUrl::parse(command->url.to_string());
      REQUIRE(again);
      CHECK(again->metadata == command->url.metadata);
      CHECK(again->display_name == command->url.display_name);
      CHECK(again->metadata.live);
    }
    CHECK(get({kLiveUrl + "&cps=32"})->url.metadata.chunks_per_signature == 32);
  }

  TEST_CASE("ppspp-get: what cannot be with a live feed, or only with one, is named") {
    check_usage_error(get({"--signature", "rsasha256", kLiveUrl}), "ed25519");
    check_usage_error(get({"--signature", "dsa", kLiveUrl}), "ecdsap256sha256");
    check_usage_error(get({"--start", "later", kLiveUrl}), "live or oldest");
    check_usage_error(get({"--buffer", "0", kLiveUrl}), "--buffer");
    check_usage_error(get({"--buffer", "4000", kLiveUrl}), "--buffer");
    check_usage_error(get({"--discard-window", "all", kLiveUrl}), "--discard-window");
    check_usage_error(get({"--discard-window", "0", kLiveUrl}), "--discard-window");
    check_usage_error(get({"--integrity", "merkle", kLiveUrl}), "unified-merkle");
    check_usage_error(get({kLiveUrl + "&len=1000"}), "");
    check_usage_error(get({kUrl + "&live=1"}), "");  // a hash is no key
    check_usage_error(get({"--start", "oldest", kUrl}), "--start is for live feeds");
    check_usage_error(get({"--buffer", "1", kUrl}), "--buffer is for live feeds");
    check_usage_error(get({"--discard-window", "9", kUrl}), "--discard-window is for live feeds");
    check_usage_error(get({"--signature", "ed25519", kUrl}), "--signature is for live feeds");
  }

  TEST_CASE("ppspp-get: a bare key is taken for a file's ID, and the hint says what to write") {
    check_usage_error(get({"--peer", "h:1", kLiveId}), "?live=1");
    check_usage_error(get({"ppspp:" + kLiveId + "?peer=h:1"}), "?live=1");
  }

  TEST_CASE("ppspp-seed: a live feed from standard input, and its defaults") {
    const auto command = seed({"--live", "-"});
    REQUIRE(command);
    REQUIRE(command->live);
    const LiveCommand& live = *command->live;
    CHECK(live.input.kind == InputName::Kind::standard_input);
    CHECK(live.key.empty());
    CHECK(!live.signature);
    CHECK(!live.chunks_per_signature);
    CHECK(live.discard_window == 0);
    CHECK(live.record.empty());
    CHECK(!live.pace);
  }

  TEST_CASE("ppspp-seed: the options of a live feed") {
    const auto command =
        seed({"--live", "--key", "k.pem", "--signature", "ed25519", "--chunks-per-signature=64",
              "--discard-window", "5000", "--pace", "500k", "file:film.ts"});
    REQUIRE(command);
    const LiveCommand& live = *command->live;
    CHECK(live.input.path == "film.ts");
    CHECK(live.key == "k.pem");
    CHECK(live.signature == SignatureAlgorithm::ed25519);
    CHECK(live.chunks_per_signature == 64);
    CHECK(live.discard_window == 5'000);
    CHECK(live.pace == 512'000);

    const auto recorded = seed({"--live", "--record", "film.ts", "--discard-window", "all",
                                "--force", "udp://[::1]:5000"});
    REQUIRE(recorded);
    CHECK(recorded->live->record == "film.ts");
    CHECK(recorded->live->force);
    CHECK(recorded->live->input.address == *TransportAddress::parse("[::1]:5000"));
    CHECK(seed({"--live", "--integrity", "sign-all", "-"}));
  }

  TEST_CASE("ppspp-seed: options of a live feed that contradict each other") {
    const auto live = [](std::vector<std::string> options) {
      options.insert(options.begin(), "--live");
      options.emplace_back("-");
      return seed(options);
    };
    check_usage_error(live({"--discard-window", "all"}), "--record FILE");
    check_usage_error(live({"--discard-window", "100", "--record", "f"}), "--discard-window");
    check_usage_error(live({"--discard-window", "0"}), "--discard-window");
    check_usage_error(live({"--discard-window", "some"}), "or all");
    check_usage_error(live({"--force"}), "--record");
    check_usage_error(live({"--record", "-"}), "--record");
    check_usage_error(live({"--key", ""}), "--key");
    check_usage_error(live({"--integrity", "merkle"}), "sign-all");
    check_usage_error(live({"--integrity", "none"}), "sign-all");
    check_usage_error(live({"--integrity", "sign-all", "--chunks-per-signature", "8"}),
                      "--chunks-per-signature");
    check_usage_error(live({"--integrity", "sign-all", "--hash", "sha1"}), "--hash");
    check_usage_error(live({"--signature", "dsa"}), "ed25519");
    for (const auto* count : {"0", "1", "3", "33", "-2", "x", "8589934592"}) {
      CAPTURE(count);
      check_usage_error(live({"--chunks-per-signature", count}), "power of two");
    }
    check_usage_error(seed({"--live", "--pace", "1M", "udp://127.0.0.1:5"}), "--pace");
    check_usage_error(seed({"--live", "udp://localhost:5"}), "numeric address");
    check_usage_error(seed({"--live"}), "required");
  }

  TEST_CASE("ppspp-seed: without --live, a file is meant") {
    check_usage_error(seed({"-"}), "--live");
    check_usage_error(seed({"udp://239.1.2.3:5000"}), "--live");
    check_usage_error(seed({"--key", "k", "x"}), "--key is for live feeds");
    check_usage_error(seed({"--signature", "ed25519", "x"}), "--signature is for");
    check_usage_error(seed({"--chunks-per-signature", "32", "x"}), "--chunks-per-signature is for");
    check_usage_error(seed({"--discard-window", "all", "x"}), "--discard-window is for");
    check_usage_error(seed({"--record", "f", "x"}), "--record is for");
    check_usage_error(seed({"--force", "x"}), "--force is for");
    check_usage_error(seed({"--pace", "1M", "x"}), "--pace is for");
    check_usage_error(seed({"--integrity", "unified-merkle", "x"}), "--live");
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
