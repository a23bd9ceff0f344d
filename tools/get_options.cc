#include "get_options.h"

#include <fmt/format.h>

#include <cmath>
#include <utility>

#include "hand_over.h"

namespace ppspp::tools {
namespace {

constexpr const char* kNoPeer =
    "there is no peer to ask: name one with --peer HOST:PORT, or a tracker with --tracker URL, "
    "or look on the local network by leaving out --no-local-discovery";
constexpr double kMaxBuffer = 3'600;  // seconds

EarlyExit usage(std::string message) {
  return {kUsage, std::move(message)};
}

// What the command line says besides the command itself.
struct Given {
  std::string url;
  SwarmOptions swarm;
  std::vector<std::string> peers;
  std::vector<std::string> trackers;
  std::optional<SignatureAlgorithm> signature;
  std::vector<CLI::Option*> live_only;
};

// A live feed's ID is a key, whose first octet is the algorithm's number (RFC 4034, 2.1).
std::optional<EarlyExit> check_signature(const SwarmMetadata& metadata,
                                         std::optional<SignatureAlgorithm> wanted) {
  const auto number = static_cast<SignatureAlgorithm>(metadata.id.octets().front());
  if (!wanted || *wanted == number) return std::nullopt;
  return usage(
      fmt::format("--signature {}: the feed's key is for {}, as its ID says; leave the "
                  "option out",
                  to_string(*wanted), to_string(number)));
}

std::optional<EarlyExit> check_live(const SwarmMetadata& metadata, const Given& given) {
  if (metadata.live) return check_signature(metadata, given.signature);
  const auto option = first_used(given.live_only);
  if (!option) return std::nullopt;
  return usage(
      fmt::format("{} is for live feeds, and the URL has no live=1: leave it out, or "
                  "check the URL",
                  *option));
}

EarlyExit invalid(const SwarmMetadata& metadata, const Error& error) {
  if (metadata.live || signature_size(metadata.id) == 0) return usage(error.context);
  return usage(
      fmt::format("the ID is no hash of a file but the public key of a live feed: write "
                  "'ppspp:{}?live=1'",
                  metadata.id.to_hex()));
}

std::string output_name(const SwarmUrl& url) {
  const bool needs_suffix = url.metadata.live && url.display_name.empty();
  return url.file_name() + (needs_suffix ? ".ts" : "");
}

// What the URL and the options make together; an EarlyExit where they cannot be used.
std::optional<EarlyExit> describe_swarm(GetCommand& command, Given given) {
  auto url = SwarmUrl::parse(given.url);
  if (!url) return usage(url.error().context);
  given.swarm.apply_to(url->metadata);
  if (const auto valid = url->metadata.validate(); !valid) {
    return invalid(url->metadata, valid.error());
  }
  if (auto wrong = check_live(url->metadata, given)) return wrong;
  if (!given.peers.empty()) url->peers = std::move(given.peers);
  if (!given.trackers.empty()) url->trackers = std::move(given.trackers);
  if (url->peers.empty() && url->trackers.empty() && command.no_local_discovery) {
    return usage(kNoPeer);
  }
  command.url = *std::move(url);
  command.allow_unprotected = given.swarm.allow_unprotected();
  if (command.output.empty()) command.output = output_name(command.url);
  return std::nullopt;
}

Result<void> take_start(LiveSettings& live, const std::string& text) {
  if (text != "live" && text != "oldest") {
    return fail(Errc::invalid_argument, fmt::format("'{}' is not live or oldest", text));
  }
  live.tune_in = text == "live" ? TuneIn::live : TuneIn::oldest;
  return {};
}

Result<void> take_buffer(LiveSettings& live, const std::string& text) {
  const auto seconds = parse_seconds(text);
  if (!seconds) return tl::unexpected(seconds.error());
  if (*seconds > kMaxBuffer) {
    return fail(Errc::invalid_argument, fmt::format("{} is more than an hour", text));
  }
  live.buffer = Microseconds(std::llround(*seconds * 1e6));
  return {};
}

Result<void> take_window(LiveSettings& live, const std::string& text) {
  const auto chunks = parse_count(text);
  if (!chunks) return tl::unexpected(chunks.error());
  live.discard_window = *chunks;
  return {};
}

void add_live_options(CommandLine& line, GetCommand& command, Given& given) {
  LiveSettings& live = command.live;
  given.live_only = {
      line.option(
          "--start", "live|oldest",
          [&live](const std::string& text) { return take_start(live, text); },
          "Where to tune in to a live feed", "live"),
      line.option(
          "--buffer", "SECONDS",
          [&live](const std::string& text) { return take_buffer(live, text); },
          "How far behind a live feed is played, and so how long a missing chunk is waited for",
          "1.5"),
      line.option(
          "--discard-window", "N",
          [&live](const std::string& text) { return take_window(live, text); },
          "Chunks of a live feed that are kept for others", "32 MiB of them"),
      line.add_signature(given.signature, "The algorithm that a live feed is signed with",
                         "as the ID says"),
  };
}

void add_output_options(CommandLine& line, GetCommand& command) {
  line.option(
      "--timeout", "SECONDS",
      [&command](const std::string& text) -> Result<void> {
        const auto seconds = parse_seconds(text);
        if (!seconds) return tl::unexpected(seconds.error());
        command.timeout = *seconds;
        return {};
      },
      "Give up when not complete by then, or when nothing of a live feed has come");
  line.flag("--stay", command.stay, "Go on seeding when complete");
  line.flag("--force", command.force, "Overwrite a file that is not this download's");
  line.flag("--json", command.json,
            "When it ends, print one JSON object (on standard error with -o -)");
}

void add_options(CommandLine& line, GetCommand& command, Given& given) {
  line.app()
      .add_option("-o,--output", command.output,
                  "The file to write; - is standard output, in order, as it is verified")
      ->type_name("FILE")
      ->default_str("the URL's dn, else the swarm ID");
  line.add_listen(command.listen, "[::]:0");
  line.add_peers(given.peers, "A peer to ask in place of the URL's, repeatable");
  line.add_trackers(given.trackers, command.tracker_ca,
                    "A tracker to ask for peers, in place of the URL's, repeatable");
  line.add_local_discovery(command.no_local_discovery, command.local_means);
  line.add_pex(command.no_pex);
  line.add_swarm_options(given.swarm, true);
  line.add_rate("--upload-limit", command.upload_limit, "Bytes per second, with k, M or G");
  line.add_rate("--download-limit", command.download_limit, "Bytes per second, with k, M or G");
  add_output_options(line, command);
  add_live_options(line, command, given);
  line.add_threads(command.threads);
  line.add_verbose(command.verbosity);
}

// What --daemon[=SOCKET] and the other options make together.
std::optional<EarlyExit> hand_to_daemon(GetCommand& command, CommandLine& line) {
  std::vector<CLI::Option*> refused;
  for (const char* name :
       {"--listen", "--tracker-ca", "--local-discovery", "--no-local-discovery", "--no-pex",
        "--threads", "--json", "--start", "--buffer", "--discard-window"}) {
    refused.push_back(line.app().get_option(name));
  }
  if (const auto option = first_used(refused)) {
    return usage(fmt::format("{} is not for --daemon: leave out one of them", *option));
  }
  if (command.url.metadata.live) {
    return usage(
        "a live feed is never complete: have the daemon relay it with ppspp-ctl add, or leave out "
        "--daemon");
  }
  if (command.to_stdout()) {
    return usage("the daemon cannot write to this program's standard output: leave out --daemon");
  }
  const auto output = absolute_path(command.output);
  if (!output) return EarlyExit{exit_code_of(output.error()), output.error().context};
  command.request.url = control::AddUrl{command.url.to_string(), *output, command.force};
  command.request.limits.upload = command.upload_limit;
  command.request.limits.download = command.download_limit;
  return std::nullopt;
}

}  // namespace

Parsed<GetCommand> parse_get_command(int argc, const char* const* argv) {
  GetCommand command;
  Given given;
  CommandLine line("ppspp-get", "Downloads the content of a swarm and verifies it (RFC 7574)",
                   "URL|SWARM-ID");
  line.app()
      .add_option("URL", given.url, "A swarm URL, or a bare swarm ID in hex")
      ->required()
      ->type_name("");
  add_options(line, command, given);
  std::string daemon;
  line.add_daemon(daemon,
                  "Have ppsppd, the daemon, download and seed it; wait until it is complete");
  if (auto exit = line.parse(argc, argv)) return tl::unexpected(*std::move(exit));
  if (auto exit = describe_swarm(command, std::move(given))) {
    return tl::unexpected(*std::move(exit));
  }
  command.daemon = daemon_socket(daemon);
  if (!command.daemon) return command;
  if (auto exit = hand_to_daemon(command, line)) return tl::unexpected(*std::move(exit));
  return command;
}

}  // namespace ppspp::tools
