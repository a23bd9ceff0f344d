#include "ctl_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <utility>

#include "control/json.h"
#include "control/names.h"
#include "control_client.h"
#include "ctl_add_options.h"
#include "metadata/text.h"

namespace ppspp::tools {
namespace {

Unexpected wrong(std::string message) {
  return fail(Errc::invalid_argument, std::move(message));
}

Result<void> take_ref(std::string& target, const std::string& text) {
  if (const auto target_path = swarm_target(text); !target_path) {
    return tl::unexpected(target_path.error());
  }
  target = text;
  return {};
}

// The commands, while the line is being read: each sets the action when its name is met.
class Commands {
 public:
  Commands(CommandLine& line, CtlCommand& command) : line_(line), command_(command) {}

  void add_all();
  Result<void> finish();

 private:
  CommandLine& add(const std::string& name, const std::string& purpose,
                   const std::string& positional);
  // The action is `T`, of which the options set members.
  template <typename T>
  T& action(CommandLine& command);

  void add_swarm_commands();
  void add_list(CommandLine& command, control::SwarmQuery& query);
  void add_limit();
  void add_bans();
  void add_streams();
  void add_accounts();
  void refs(CommandLine& command, std::vector<std::string>& target);
  void ref(CommandLine& command, std::string& target, bool required = true);
  void limit(CommandLine& command, const std::string& name, LimitChange& target, bool is_rate,
             const std::string& description);

  // A command, what to check of it when the whole line is read, and how it becomes the action.
  struct Known {
    CLI::App* app;
    std::function<Result<void>()> check;
    std::function<void()> take;
  };

  CommandLine& line_;
  CtlCommand& command_;
  std::vector<std::unique_ptr<CommandLine>> lines_;
  std::vector<Known> known_;
};

CommandLine& Commands::add(const std::string& name, const std::string& purpose,
                           const std::string& positional) {
  auto made = std::make_unique<CommandLine>(line_, name, purpose, positional);
  made->app().fallthrough()->group("Commands");
  return *lines_.emplace_back(std::move(made));
}

template <typename T>
T& Commands::action(CommandLine& command) {
  auto made = std::make_shared<T>();
  known_.push_back({&command.app(), nullptr, [this, made] { command_.action = std::move(*made); }});
  return *made;
}

void Commands::refs(CommandLine& command, std::vector<std::string>& target) {
  command.app()
      .add_option_function<std::vector<std::string>>(
          "SWARM",
          [&target](const std::vector<std::string>& texts) {
            for (const std::string& text : texts) {
              const auto taken = take_ref(target.emplace_back(), text);
              if (!taken) throw CLI::ValidationError(taken.error().context);
            }
          },
          "A swarm: its number, its ID, or the first digits of its ID")
      ->required()
      ->type_name("");
}

void Commands::ref(CommandLine& command, std::string& target, bool required) {
  command.app()
      .add_option_function<std::string>(
          "SWARM",
          [&target](const std::string& text) {
            const auto taken = take_ref(target, text);
            if (!taken) throw CLI::ValidationError(taken.error().context);
          },
          "A swarm: its number, its ID, or the first digits of its ID")
      ->required(required)
      ->type_name("");
}

void Commands::add_list(CommandLine& command, control::SwarmQuery& query) {
  command.option(
      "--kind", "KIND",
      [&query](const std::string& text) -> Result<void> {
        query.kind = control::parse_swarm_kind(text);
        if (query.kind) return {};
        return wrong(fmt::format("'{}' is not {}", text, control::swarm_kind_names()));
      },
      "Only swarms of this kind: " + control::swarm_kind_names());
  command.option(
      "--state", "STATE",
      [&query](const std::string& text) -> Result<void> {
        query.state = control::parse_swarm_state(text);
        if (query.state) return {};
        return wrong(fmt::format("'{}' is not {}", text, control::swarm_state_names()));
      },
      "Only swarms in this state: " + control::swarm_state_names());
  command.app()
      .add_option("--label", query.label, "Only swarms with this label")
      ->type_name("TEXT");
  command.app()
      .add_option("--text", query.text, "Only swarms with this in their name, path or ID")
      ->type_name("TEXT");
}

void Commands::add_swarm_commands() {
  CommandLine& remove = add("remove", "Forget swarms; their content stays", "SWARM...");
  auto& to_remove = action<ctl::Remove>(remove);
  refs(remove, to_remove.refs);
  remove.flag("--delete-content", to_remove.delete_content,
              "Delete their files as well, where the daemon made them");
  CommandLine& pause = add("pause", "Stop serving and fetching swarms", "SWARM...");
  refs(pause, action<ctl::Pause>(pause).refs);
  CommandLine& resume = add("resume", "Go on with paused or failed swarms", "SWARM...");
  refs(resume, action<ctl::Resume>(resume).refs);

  CommandLine& list = add("list", "List the swarms", "");
  add_list(list, action<ctl::List>(list).query);
  CommandLine& show = add("show", "Show all about swarms", "SWARM...");
  refs(show, action<ctl::Show>(show).refs);
  CommandLine& peers = add("peers", "Show the peers of a swarm, and what of it is here", "SWARM");
  ref(peers, action<ctl::Peers>(peers).ref);
  CommandLine& add_peer = add("add-peer", "Have a swarm contact peers", "SWARM HOST:PORT...");
  auto& peer = action<ctl::AddPeer>(add_peer);
  ref(add_peer, peer.ref);
  add_peer.app()
      .add_option("HOST:PORT", peer.addresses, "Where the peer is reached")
      ->required()
      ->type_name("");
}

void Commands::limit(CommandLine& command, const std::string& name, LimitChange& target,
                     bool is_rate, const std::string& description) {
  command.option(
      name, is_rate ? "RATE|none" : "N|none",
      [&target, is_rate](const std::string& text) -> Result<void> {
        target.emplace();
        if (text == "none") return {};
        const auto value = is_rate ? parse_rate(text) : parse_count(text);
        if (!value) return wrong(value.error().context + ", or none");
        target->emplace(*value);
        return {};
      },
      description);
}

void Commands::add_limit() {
  CommandLine& command =
      add("limit", "Show or change limits, of a swarm or of all of the daemon", "[SWARM]");
  auto& limits = action<ctl::Limit>(command);
  ref(command, limits.ref, false);
  limit(command, "--upload", limits.upload, true, "Bytes per second, with k, M or G");
  limit(command, "--download", limits.download, true, "Bytes per second, with k, M or G");
  limit(command, "--upload-per-peer", limits.upload_per_peer, true, "The same to each peer");
  limit(command, "--download-per-peer", limits.download_per_peer, true, "The same from each peer");
  limit(command, "--weight", limits.weight, false,
        "Of a swarm: its share where the daemon's limits bind, 1 to 10000; none is 100");
  limit(command, "--max-channels", limits.max_channels, false, "Of a swarm: at most so many peers");
  known_.back().check = [&limits]() -> Result<void> {
    if (!limits.ref.empty() || !(limits.weight || limits.max_channels)) return {};
    return wrong("--weight and --max-channels are for a swarm: name it as well");
  };
}

void Commands::add_bans() {
  CommandLine& ban = add("ban", "Refuse an address or a network", "NETWORK");
  auto& request = action<ctl::Ban>(ban).request;
  ban.app()
      .add_option("NETWORK", request.network,
                  "192.0.2.1, 2001:db8::1, or a network such as 192.0.2.0/24")
      ->required()
      ->type_name("");
  ban.app().add_option("--reason", request.reason, "Why, for later readers")->type_name("TEXT");
  ban.option(
      "--for", "TIME",
      [&request](const std::string& text) -> Result<void> {
        const auto duration = parse_duration(text);
        if (!duration) return tl::unexpected(duration.error());
        request.seconds = *duration;
        return {};
      },
      "How long, such as 90s, 15m, 12h or 7d", "for good");
  CommandLine& unban = add("unban", "Accept addresses or networks again", "NETWORK...");
  unban.app()
      .add_option("NETWORK", action<ctl::Unban>(unban).networks, "As it was banned")
      ->required()
      ->type_name("");
  action<ctl::Bans>(add("bans", "List who is banned", ""));
}

void Commands::add_streams() {
  CommandLine& watch = add("watch", "Watch the swarms in a live table; q ends it", "");
  auto& to_watch = action<ctl::Watch>(watch);
  add_list(watch, to_watch.query);
  watch.option(
      "--interval", "SECONDS",
      [&to_watch](const std::string& text) -> Result<void> {
        const auto seconds = parse_seconds(text);
        if (!seconds || *seconds < 0.1) return wrong(fmt::format("'{}' is not 0.1 or more", text));
        to_watch.interval = *seconds;
        return {};
      },
      "How often the rates are refreshed", "2");
  CommandLine& log = add("log", "Show the daemon's log", "");
  auto& to_show = action<ctl::Log>(log);
  log.option(
      "--lines", "N",
      [&to_show](const std::string& text) -> Result<void> {
        const auto count = parse_count(text);
        if (!count) return tl::unexpected(count.error());
        to_show.lines = *count;
        return {};
      },
      "The last so many lines", "100");
  log.flag("-f,--follow", to_show.follow, "Go on with what comes");
}

void Commands::add_accounts() {
  CommandLine& accounts = add("accounts", "What each swarm carried, day by day (UTC)", "");
  auto& wanted = action<ctl::Accounts>(accounts);
  const auto day = [&accounts](const std::string& name, std::string& target,
                               const std::string& description) {
    accounts.option(
        name, "DAY",
        [&target](const std::string& text) -> Result<void> {
          std::tm parsed = {};
          const char* const end = strptime(text.c_str(), "%Y-%m-%d", &parsed);
          if (text.size() != 10 || end == nullptr || *end != '\0') {
            return wrong(fmt::format("'{}' is not a day such as 2026-11-21", text));
          }
          target = text;
          return {};
        },
        description);
  };
  day("--from", wanted.from, "The first day, such as 2026-11-01");
  day("--to", wanted.to, "The last day");
  accounts.app()
      .add_option("--label", wanted.label, "Only swarms with this label")
      ->type_name("TEXT");
  action<ctl::Info>(add("info", "Show what daemon this is and what it does", ""));
}

void Commands::add_all() {
  CommandLine& to_add = add("add", "Seed a file, a directory or a live feed, or fetch a URL",
                            "FILE|DIRECTORY|URL|--live INPUT");
  auto& addition = action<ctl::Add>(to_add);
  known_.back().check = add_add_options(to_add, addition.request);
  add_swarm_commands();
  CommandLine& set = add("set", "Change a swarm's name, label or opening", "SWARM");
  auto& change = action<ctl::Set>(set);
  ref(set, change.ref);
  add_change_options(set, change.change);
  add_limit();
  add_bans();
  add_streams();
  add_accounts();
}

Result<void> Commands::finish() {
  for (const Known& known : known_) {
    if (!known.app->parsed()) continue;
    if (known.check) {
      if (auto right = known.check(); !right) return right;
    }
    known.take();
  }
  return {};
}

}  // namespace

Parsed<CtlCommand> parse_ctl_command(int argc, const char* const* argv) {
  CtlCommand command;
  std::string socket = default_control_socket();
  CommandLine line("ppspp-ctl", "Steers ppsppd, the daemon that seeds, fetches and relays swarms",
                   "COMMAND");
  line.app()
      .add_option("--socket", socket, "The daemon's control socket, also from PPSPP_SOCKET")
      ->type_name("PATH")
      ->default_str("/run/ppspp/control.sock");
  line.option(
      "--timeout", "SECONDS",
      [&command](const std::string& text) -> Result<void> {
        const auto seconds = parse_seconds(text);
        if (!seconds) return tl::unexpected(seconds.error());
        command.timeout = *seconds;
        return {};
      },
      "How long an answer of the daemon may take", "15");
  line.flag("--json", command.json, "Print the daemon's JSON, one object on a line");
  Commands commands(line, command);
  commands.add_all();
  line.app().require_subcommand(1);
  line.app().footer("ppspp-ctl COMMAND --help shows the options of a command.");
  if (auto exit = line.parse(argc, argv)) {
    if (exit->message.starts_with("A subcommand is required")) {
      exit->message = "give a command, such as list (try ppspp-ctl --help)";
    }
    return tl::unexpected(*std::move(exit));
  }
  if (const auto done = commands.finish(); !done) {
    return tl::unexpected(EarlyExit{kUsage, done.error().context});
  }
  command.socket = socket;
  return command;
}

}  // namespace ppspp::tools
