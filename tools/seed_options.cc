#include "seed_options.h"

#include <fmt/format.h>

#include <bit>
#include <limits>

#include "hand_over.h"
#include "ppspp/swarm_types.h"

namespace ppspp::tools {
namespace {

constexpr std::uint64_t kKeepAll = LiveSourceSettings::kKeepAll;

Unexpected wrong(std::string message) {
  return fail(Errc::invalid_argument, std::move(message));
}

Result<void> take_chunks_per_signature(LiveCommand& live, const std::string& text) {
  const auto count = parse_count(text);
  if (!count || *count < 2 || !std::has_single_bit(*count) ||
      *count > std::numeric_limits<std::uint32_t>::max()) {
    return wrong(fmt::format("'{}' is not a power of two, at least 2", text));
  }
  live.chunks_per_signature = static_cast<std::uint32_t>(*count);
  return {};
}

Result<void> take_window(LiveCommand& live, const std::string& text) {
  const auto count = parse_count(text);
  if (text != "all" && !count)
    return wrong(fmt::format("'{}' is not a number of chunks, or all", text));
  live.discard_window = count ? *count : kKeepAll;
  return {};
}

// What the options of a live feed say together.
Result<void> check_live(const LiveCommand& live, const SwarmOptions& swarm) {
  const bool keep_all = live.discard_window == kKeepAll;
  if (keep_all && live.record.empty()) {
    return wrong("--discard-window all keeps the whole feed in a file: name it with --record FILE");
  }
  if (!live.record.empty() && live.discard_window != 0 && !keep_all) {
    return wrong("--record keeps all chunks: leave out --discard-window");
  }
  if (live.force && live.record.empty()) {
    return wrong("--force is for the file of --record: leave it out");
  }
  const auto integrity = swarm.integrity.value_or(IntegrityMethod::unified_merkle);
  if (integrity == IntegrityMethod::merkle || integrity == IntegrityMethod::none) {
    return wrong(
        fmt::format("--integrity {} is not for a live feed: give unified-merkle or "
                    "sign-all",
                    to_string(integrity)));
  }
  if (integrity == IntegrityMethod::sign_all && live.chunks_per_signature) {
    return wrong("--integrity sign-all signs every chunk: leave out --chunks-per-signature");
  }
  if (integrity == IntegrityMethod::sign_all && swarm.hash) {
    return wrong("--integrity sign-all has no hash tree: leave out --hash");
  }
  if (live.pace && live.input.kind == InputName::Kind::udp) {
    return wrong("--pace is for files: a UDP feed comes at its own speed, leave it out");
  }
  return {};
}

Result<void> check_static(const std::string& file, const SwarmOptions& swarm,
                          const std::vector<CLI::Option*>& live_only) {
  if (file == "-") return wrong("standard input can only be a live feed: give --live as well");
  if (file.starts_with("udp://")) {
    return wrong(fmt::format("{} can only be a live feed: give --live as well", file));
  }
  if (const auto option = first_used(live_only)) {
    return wrong(
        fmt::format("{} is for live feeds: give --live as well, or leave it out", *option));
  }
  const auto integrity = swarm.integrity.value_or(IntegrityMethod::merkle);
  if (integrity != IntegrityMethod::merkle && integrity != IntegrityMethod::none) {
    return wrong(fmt::format("--integrity {} is for live feeds: give --live as well, or merkle",
                             to_string(integrity)));
  }
  return {};
}

CLI::Option* add_path(CommandLine& line, const std::string& names, std::filesystem::path& target,
                      const std::string& description, const std::string& default_value = "") {
  return line.option(
      names, "FILE",
      [&target](const std::string& text) -> Result<void> {
        if (text.empty() || text == "-") return wrong("give the name of a file");
        target = text;
        return {};
      },
      description, default_value);
}

std::vector<CLI::Option*> add_live_options(CommandLine& line, LiveCommand& live) {
  return {
      add_path(line, "--key", live.key, "Private key (PEM) of the feed; made where there is none",
               "a fresh key"),
      line.add_signature(live.signature, "The algorithm to sign with", "ecdsap256sha256"),
      line.option(
          "--chunks-per-signature", "N",
          [&live](const std::string& text) { return take_chunks_per_signature(live, text); },
          "Chunks that are signed at once, a power of two", "chosen from the input's rate"),
      line.option(
          "--discard-window", "N",
          [&live](const std::string& text) { return take_window(live, text); },
          "Chunks of the feed that are kept; all needs --record", "chosen from the input's rate"),
      add_path(line, "--record", live.record,
               "Keep the whole feed in this file, and seed it when the feed has ended"),
      line.flag("--force", live.force, "Overwrite the file of --record"),
      line.add_rate("--pace", live.pace, "The speed of a feed that is read from a file"),
  };
}

// What the daemon is asked to publish.
Result<control::AddLive> live_request(const SeedCommand& command, const std::string& input) {
  const LiveCommand& live = *command.live;
  if (live.input.kind == InputName::Kind::standard_input) {
    return wrong(
        "the daemon cannot read this program's standard input: leave out --daemon, or send the "
        "feed "
        "to a UDP port (udp://ADDR:PORT)");
  }
  control::AddLive request{.input = input, .pace = live.pace};
  if (live.input.kind == InputName::Kind::file) {
    const auto path = absolute_path(live.input.path);
    if (!path) return tl::unexpected(path.error());
    request.input = "file:" + *path;
  }
  if (!live.key.empty()) {
    const auto key = absolute_path(live.key);
    if (!key) return tl::unexpected(key.error());
    request.key = *key;
  }
  if (live.signature) request.signature = to_string(*live.signature);
  request.chunk_size = command.swarm.chunk_size;
  request.chunks_per_signature = live.chunks_per_signature;
  if (live.discard_window != 0) request.discard_window = live.discard_window;
  return request;
}

Result<control::AddFile> file_request(const SwarmOptions& swarm, const std::string& file) {
  const auto path = absolute_path(file);
  if (!path) return tl::unexpected(path.error());
  const auto name = [](const auto& value) { return value ? std::string(to_string(*value)) : ""; };
  return control::AddFile{*path, swarm.chunk_size, name(swarm.addressing), name(swarm.hash),
                          name(swarm.integrity)};
}

// What --daemon[=SOCKET] and the other options make together.
Result<void> hand_to_daemon(SeedCommand& command, const std::string& file,
                            const std::vector<CLI::Option*>& not_for_daemon) {
  if (const auto option = first_used(not_for_daemon)) {
    return wrong(fmt::format("{} is not for --daemon: leave out one of them", *option));
  }
  control::AddRequest& request = command.request;
  request.peers = command.peers;
  request.trackers = command.trackers;
  request.authority = SwarmId(command.swarm.authority).to_hex();
  request.limits.upload = command.upload_limit;
  if (command.live) {
    return live_request(command, file).map([&](auto live) { request.live = std::move(live); });
  }
  return file_request(command.swarm, file).map([&](auto added) {
    request.file = std::move(added);
  });
}

// What the daemon decides, or cannot be told.
std::vector<CLI::Option*> not_for_daemon(CommandLine& line, bool is_live) {
  std::vector<CLI::Option*> options;
  for (const char* name : {"--listen", "--tracker-ca", "--local-discovery", "--no-local-discovery",
                           "--no-pex", "--threads", "--record", "--force"}) {
    options.push_back(line.app().get_option(name));
  }
  for (const char* name : {"--addressing", "--hash", "--integrity"}) {
    if (is_live) options.push_back(line.app().get_option(name));
  }
  return options;
}

}  // namespace

Parsed<SeedCommand> parse_seed_command(int argc, const char* const* argv) {
  SeedCommand command;
  LiveCommand live;
  std::string file;
  bool is_live = false;
  CommandLine line("ppspp-seed", "Seeds a file, or publishes a live feed (RFC 7574)",
                   "FILE|--live INPUT");
  line.app()
      .add_option("FILE", file,
                  "The file to seed; with --live, the input: - is standard input, udp://ADDR:PORT, "
                  "or file:PATH")
      ->required()
      ->type_name("");
  line.add_listen(command.listen, "[::]:6778");
  line.add_swarm_options(command.swarm, false);
  line.add_peers(command.peers, "A peer to contact, repeatable");
  line.add_trackers(command.trackers, command.tracker_ca,
                    "A tracker to announce to, which the printed URL names; repeatable");
  line.add_local_discovery(command.no_local_discovery, command.local_means);
  line.add_pex(command.no_pex);
  line.add_rate("--upload-limit", command.upload_limit, "Bytes per second, with k, M or G");
  line.flag("--live", is_live, "Publish a live feed");
  const auto live_only = add_live_options(line, live);
  line.add_peers(command.advertise, "Put this peer into the printed URL, repeatable",
                 "--advertise");
  std::string daemon;
  line.add_daemon(daemon, "Hand the work to ppsppd, the daemon, and leave");
  line.add_threads(command.threads);
  line.add_verbose(command.verbosity);
  if (auto exit = line.parse(argc, argv)) return tl::unexpected(*std::move(exit));

  Result<void> checked = check_static(file, command.swarm, live_only);
  if (is_live) {
    const auto input = parse_input(file);
    if (!input) return tl::unexpected(EarlyExit{kUsage, input.error().context});
    live.input = *input;
    checked = check_live(live, command.swarm);
    command.live = live;
  }
  if (!checked) return tl::unexpected(EarlyExit{kUsage, checked.error().context});
  command.file = file;
  command.daemon = daemon_socket(daemon);
  if (!command.daemon) return command;
  const auto handed = hand_to_daemon(command, file, not_for_daemon(line, is_live));
  if (!handed) return tl::unexpected(EarlyExit{kUsage, handed.error().context});
  return command;
}

}  // namespace ppspp::tools
