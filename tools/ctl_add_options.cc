#include "ctl_add_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <ctime>
#include <filesystem>
#include <memory>

#include "ctl_options.h"
#include "hand_over.h"
#include "live_input.h"
#include "metadata/text.h"
#include "ppspp/swarm_url.h"

namespace ppspp::tools {
namespace {

Unexpected wrong(std::string message) {
  return fail(Errc::invalid_argument, std::move(message));
}

// What the command line says of a swarm that is added.
struct Addition {
  std::string input;
  bool live = false;
  SwarmOptions swarm;
  std::string output;
  bool force = false;
  std::optional<std::uint64_t> pace;
  std::string key;
  std::optional<SignatureAlgorithm> signature;
  std::optional<std::uint64_t> chunks_per_signature;
  std::optional<std::uint64_t> discard_window;
  std::vector<CLI::Option*> of_files;
  std::vector<CLI::Option*> of_urls;
  std::vector<CLI::Option*> of_feeds;
  std::vector<CLI::Option*> of_both;  // files and feeds
};

template <typename T>
std::string name_of(const std::optional<T>& value) {
  return value ? std::string(to_string(*value)) : "";
}

Result<void> refuse(const std::vector<CLI::Option*>& options, std::string_view what) {
  const auto used = first_used(options);
  return used ? wrong(fmt::format("{} is for {}: leave it out", *used, what)) : Result<void>();
}

Result<control::AddFile> file_request(const Addition& given) {
  auto path = absolute_path(given.input);
  if (!path) return tl::unexpected(path.error());
  return control::AddFile{*std::move(path), given.swarm.chunk_size, name_of(given.swarm.addressing),
                          name_of(given.swarm.hash), name_of(given.swarm.integrity)};
}

Result<control::AddUrl> url_request(const Addition& given) {
  const auto url = SwarmUrl::parse(given.input);
  if (!url) return tl::unexpected(url.error());
  if (const auto valid = url->metadata.validate(); !valid) return tl::unexpected(valid.error());
  control::AddUrl request{.url = given.input, .force = given.force};
  if (given.output.empty()) return request;
  auto output = absolute_path(given.output);
  if (!output) return tl::unexpected(output.error());
  request.output = *std::move(output);
  return request;
}

Result<control::AddLive> live_request(const Addition& given) {
  if (given.input == "-") {
    return wrong(
        "the daemon cannot read this program's standard input: send the feed to a UDP "
        "port (udp://ADDR:PORT), or use ppspp-seed --live -");
  }
  const auto input = parse_input(given.input);
  if (!input) return tl::unexpected(input.error());
  control::AddLive request{.input = given.input, .pace = given.pace};
  if (given.input.starts_with("file:")) {
    auto path = absolute_path(given.input.substr(5));
    if (!path) return tl::unexpected(path.error());
    request.input = "file:" + *path;
  }
  if (!given.key.empty()) {
    auto key = absolute_path(given.key);
    if (!key) return tl::unexpected(key.error());
    request.key = *std::move(key);
  }
  request.signature = name_of(given.signature);
  request.chunk_size = given.swarm.chunk_size;
  if (given.chunks_per_signature) {
    request.chunks_per_signature = static_cast<std::uint32_t>(
        std::min<std::uint64_t>(*given.chunks_per_signature, kMaxChunksPerSignature + 1));
  }
  request.discard_window = given.discard_window;
  return request;
}

// The one way of adding that the input means, with what belongs to it.
Result<void> choose(const Addition& given, control::AddRequest& request) {
  Result<void> fits;
  request.authority = SwarmId(given.swarm.authority).to_hex();
  if (given.live) {
    fits = refuse(given.of_urls, "URLs that are fetched");
    if (fits) fits = refuse({given.of_files.begin() + 1, given.of_files.end()}, "files");
    if (!fits) return fits;
    return live_request(given).map([&](auto live) { request.live = std::move(live); });
  }
  if (fits = refuse(given.of_feeds, "live feeds, which need --live"); !fits) return fits;
  if (is_swarm_url(given.input)) {
    if (fits = refuse(given.of_files, "files that are hashed here"); !fits) return fits;
    if (fits = refuse(given.of_both, "what is published here"); !fits) return fits;
    return url_request(given).map([&](auto url) { request.url = std::move(url); });
  }
  if (fits = refuse(given.of_urls, "URLs that are fetched"); !fits) return fits;
  return file_request(given).map([&](auto file) { request.file = std::move(file); });
}

void add_limits(CommandLine& line, control::Limits& limits) {
  line.add_rate("--upload-limit", limits.upload, "Bytes per second, with k, M or G");
  line.add_rate("--download-limit", limits.download, "Bytes per second, with k, M or G");
  line.add_rate("--upload-per-peer", limits.upload_per_peer, "The same to each peer");
  line.add_rate("--download-per-peer", limits.download_per_peer, "The same from each peer");
  const auto count = [](std::optional<std::uint32_t>& target, std::uint32_t most) {
    return [&target, most](const std::string& text) -> Result<void> {
      const auto value = parse_count(text);
      if (!value || *value > most) return wrong(fmt::format("'{}' is not 1 to {}", text, most));
      target = static_cast<std::uint32_t>(*value);
      return {};
    };
  };
  line.option("--weight", "N", count(limits.weight, 10'000),
              "Its share where the daemon's limits bind, 1 to 10000", "100");
  line.option("--max-channels", "N", count(limits.max_channels, 1'000'000),
              "At most so many peers");
}

CommandLine::Take take_time(std::optional<std::int64_t>& target) {
  return [&target](const std::string& text) -> Result<void> {
    const auto time = parse_time(text, std::time(nullptr));
    if (!time) return tl::unexpected(time.error());
    target = *time;
    return {};
  };
}

void add_kinds(CommandLine& line, const std::shared_ptr<Addition>& given) {
  const auto count = [](std::optional<std::uint64_t>& target) {
    return [&target](const std::string& text) -> Result<void> {
      const auto value = parse_count(text);
      if (!value) return tl::unexpected(value.error());
      target = *value;
      return {};
    };
  };
  line.add_swarm_options(given->swarm, false);
  for (const char* name : {"--chunk-size", "--addressing", "--hash", "--integrity"}) {
    given->of_files.push_back(line.app().get_option(name));
  }
  given->of_files.back()
      ->description("Integrity protection: merkle or none")
      ->default_str("merkle");
  given->of_both = {line.app().get_option("--authority")};
  given->of_urls = {
      line.app()
          .add_option("-o,--output", given->output, "The file that a URL's content goes to")
          ->type_name("FILE")
          ->default_str("the state directory"),
      line.flag("--force", given->force, "Overwrite a file that is not this download's")};
  line.flag("--live", given->live, "Publish a live feed from udp://ADDR:PORT or file:PATH");
  given->of_feeds = {
      line.app()
          .add_option("--key", given->key, "Private key (PEM) of the feed, readable to the daemon")
          ->type_name("FILE")
          ->default_str("made in the state directory"),
      line.add_signature(given->signature, "The algorithm to sign with", "ecdsap256sha256"),
      line.add_rate("--pace", given->pace, "The speed of a feed that is read from a file"),
      line.option("--chunks-per-signature", "N", count(given->chunks_per_signature),
                  "Chunks that are signed at once, a power of two", "chosen from the input's rate"),
      line.option("--discard-window", "N", count(given->discard_window),
                  "Chunks of the feed that are kept", "chosen from the input's rate")};
}

}  // namespace

bool is_swarm_url(const std::string& text) {
  if (text.starts_with("ppspp:")) return true;
  const bool hex = std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
  });
  std::error_code ignored;
  return hex && text.size() >= 40 && text.size() <= 128 && !std::filesystem::exists(text, ignored);
}

std::function<Result<void>()> add_add_options(CommandLine& line, control::AddRequest& request) {
  const auto given = std::make_shared<Addition>();
  line.app()
      .add_option("INPUT", given->input,
                  "A file or directory, a swarm URL, or with --live udp://ADDR:PORT or file:PATH")
      ->required()
      ->type_name("");
  line.app().add_option("--name", request.name, "What it is called in lists")->type_name("TEXT");
  line.app()
      .add_option("--label", request.label, "A word to find it by, and for bills")
      ->type_name("TEXT");
  line.add_peers(request.peers, "A peer to contact, repeatable");
  line.add_tracker_urls(request.trackers,
                        "A tracker to announce it to, besides those that the daemon tells of all "
                        "swarms; repeatable");
  add_limits(line, request.limits);
  line.flag("--paused", request.paused, "Do not begin before it is resumed");
  line.option("--open-at", "TIME", take_time(request.opens_at),
              "Serve it from then on: '2026-11-24 20:00', 2026-11-24T20:00:00Z, or +90m");
  add_kinds(line, given);
  return [given, &request] { return choose(*given, request); };
}

void add_change_options(CommandLine& line, control::ChangeRequest& change) {
  const auto text = [](std::optional<std::string>& target) {
    return [&target](const std::string& given) -> Result<void> {
      target = given;
      return {};
    };
  };
  line.option("--name", "TEXT", text(change.name), "What it is called in lists");
  line.option("--label", "TEXT", text(change.label), "A word to find it by, and for bills");
  line.option(
      "--open-at", "TIME",
      [&change](const std::string& given) -> Result<void> {
        if (given != "now") return take_time(change.opens_at)(given);
        change.opens_at = 0;
        return {};
      },
      "Serve it from then on: '2026-11-24 20:00', 2026-11-24T20:00:00Z, +90m, or now");
}

Result<std::uint64_t> parse_duration(std::string_view text) {
  constexpr std::pair<char, std::uint64_t> kUnits[] = {
      {'s', 1}, {'m', 60}, {'h', 3'600}, {'d', 86'400}};
  std::string_view digits = text;
  std::uint64_t unit = 1;
  for (const auto& [letter, seconds] : kUnits) {
    if (!text.ends_with(letter)) continue;
    unit = seconds;
    digits.remove_suffix(1);
  }
  const auto count = parse_decimal<std::uint64_t>(digits);
  if (!count || *count == 0 || *count > 1'000'000'000 / unit) {
    return wrong(fmt::format("{} is not a time such as 90s, 15m, 12h or 7d", ppspp::quoted(text)));
  }
  return *count * unit;
}

Result<std::int64_t> parse_time(std::string_view text, std::int64_t now) {
  if (text.starts_with('+')) {
    const auto duration = parse_duration(text.substr(1));
    if (!duration) return tl::unexpected(duration.error());
    return now + static_cast<std::int64_t>(*duration);
  }
  const std::string copy(text);
  for (const char* format : {"%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S",
                             "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M"}) {
    std::tm parsed = {};
    parsed.tm_isdst = -1;  // whatever holds then
    const char* const end = strptime(copy.c_str(), format, &parsed);
    if (end == nullptr || *end != '\0') continue;
    const bool utc = text.ends_with('Z');
    const std::int64_t time = utc ? timegm(&parsed) : mktime(&parsed);
    if (time > 0) return time;
  }
  return wrong(
      fmt::format("{} is not a time such as '2026-11-24 20:00', 2026-11-24T20:00:00Z or +90m",
                  ppspp::quoted(text)));
}

}  // namespace ppspp::tools
