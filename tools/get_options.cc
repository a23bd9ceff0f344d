#include "get_options.h"

#include <utility>

namespace ppspp::tools {
namespace {

constexpr const char* kNoPeer =
    "there is no peer to ask, and trackers are not yet available: name one with --peer HOST:PORT";

EarlyExit usage(std::string message) {
  return {kUsage, std::move(message)};
}

// What the URL and the options make together; an EarlyExit where they cannot be used.
std::optional<EarlyExit> describe_swarm(GetCommand& command, const std::string& text,
                                        const SwarmOptions& options,
                                        std::vector<std::string> peers) {
  auto url = SwarmUrl::parse(text);
  if (!url) return usage(url.error().context);
  if (url->metadata.live) return usage("joining a live swarm is not yet available");
  options.apply_to(url->metadata);
  if (const auto valid = url->metadata.validate(); !valid) return usage(valid.error().context);
  if (!peers.empty()) url->peers = std::move(peers);
  if (url->peers.empty()) return usage(kNoPeer);
  command.url = *std::move(url);
  command.allow_unprotected = options.allow_unprotected();
  if (command.output.empty()) command.output = command.url.file_name();
  return std::nullopt;
}

void add_options(CommandLine& line, GetCommand& command, SwarmOptions& swarm,
                 std::vector<std::string>& peers) {
  line.app()
      .add_option("-o,--output", command.output,
                  "The file to write; - is standard output, in order, as it is verified")
      ->type_name("FILE")
      ->default_str("the URL's dn, else the swarm ID");
  line.add_listen(command.listen, "[::]:0");
  line.add_peers(peers, "A peer to ask in place of the URL's, repeatable");
  line.not_yet("--tracker", "URL", "A tracker to ask for peers, repeatable");
  line.add_swarm_options(swarm, true);
  line.not_yet("--signature", "A", "Signature algorithm of the live swarm");
  line.add_rate("--upload-limit", command.upload_limit, "Bytes per second, with k, M or G");
  line.add_rate("--download-limit", command.download_limit, "Bytes per second, with k, M or G");
  line.option(
      "--timeout", "SECONDS",
      [&command](const std::string& text) -> Result<void> {
        const auto seconds = parse_seconds(text);
        if (!seconds) return tl::unexpected(seconds.error());
        command.timeout = *seconds;
        return {};
      },
      "Give up when not complete by then");
  line.flag("--stay", command.stay, "Go on seeding when complete");
  line.flag("--force", command.force, "Overwrite a file that is not this download's");
  line.flag("--json", command.json,
            "When it ends, print one JSON object (on standard error with -o -)");
  line.not_yet("--start", "live|oldest", "Where to tune in to a live swarm", "live");
  line.add_verbose(command.verbosity);
}

}  // namespace

Parsed<GetCommand> parse_get_command(int argc, const char* const* argv) {
  GetCommand command;
  SwarmOptions swarm;
  std::vector<std::string> peers;
  std::string url;
  CommandLine line("ppspp-get", "Downloads the content of a swarm and verifies it (RFC 7574)",
                   "URL|SWARM-ID");
  line.app()
      .add_option("URL", url, "A swarm URL, or a bare swarm ID in hex")
      ->required()
      ->type_name("");
  add_options(line, command, swarm, peers);
  if (auto exit = line.parse(argc, argv)) return tl::unexpected(*std::move(exit));
  if (auto exit = describe_swarm(command, url, swarm, std::move(peers))) {
    return tl::unexpected(*std::move(exit));
  }
  return command;
}

}  // namespace ppspp::tools
