// The command line of ppspp-ctl.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "command_line.h"
#include "control/control_types.h"
#include "program.h"

namespace ppspp::tools {

// A limit that is changed: nothing in it lifts it.
using LimitChange = std::optional<std::optional<std::uint64_t>>;

// References are numbers, IDs, or the first digits of an ID.
namespace ctl {

struct Add {
  control::AddRequest request;
};
struct Remove {
  std::vector<std::string> refs;
  bool delete_content = false;
};
struct Pause {
  std::vector<std::string> refs;
};
struct Resume {
  std::vector<std::string> refs;
};
struct Set {
  std::string ref;
  control::ChangeRequest change;
};
struct List {
  control::SwarmQuery query;
};
struct Show {
  std::vector<std::string> refs;
};
struct Peers {
  std::string ref;
};
struct AddPeer {
  std::string ref;
  std::vector<std::string> addresses;
};
struct Limit {
  std::string ref;  // empty: the daemon's own limits
  LimitChange upload;
  LimitChange download;
  LimitChange upload_per_peer;
  LimitChange download_per_peer;
  LimitChange weight;  // of a swarm only, as the next
  LimitChange max_channels;
};
struct Ban {
  control::BanRequest request;
};
struct Unban {
  std::vector<std::string> networks;
};
struct Bans {};
struct Watch {
  control::SwarmQuery query;
  double interval = 2;  // seconds
};
struct Log {
  std::uint64_t lines = 100;
  bool follow = false;
};
struct Accounts {
  std::string from;  // 2026-11-01; empty: as far back as there is
  std::string to;
  std::string label;
};
struct Info {};

}  // namespace ctl

struct CtlCommand {
  std::filesystem::path socket;
  double timeout = 15;  // seconds, for each answer
  bool json = false;
  std::variant<ctl::Info, ctl::Add, ctl::Remove, ctl::Pause, ctl::Resume, ctl::Set, ctl::List,
               ctl::Show, ctl::Peers, ctl::AddPeer, ctl::Limit, ctl::Ban, ctl::Unban, ctl::Bans,
               ctl::Watch, ctl::Log, ctl::Accounts>
      action;
};

Parsed<CtlCommand> parse_ctl_command(int argc, const char* const* argv);

// "2026-11-24 20:00[:30]" in local time, "2026-11-24T20:00:30Z", "+90m" (s, m, h, d) from `now` on.
// In seconds since 1970.
Result<std::int64_t> parse_time(std::string_view text, std::int64_t now);
// "90", "90s", "15m", "12h", "7d": seconds.
Result<std::uint64_t> parse_duration(std::string_view text);

}  // namespace ppspp::tools
