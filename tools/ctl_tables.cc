#include "ctl_tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "json/base64.h"
#include "table.h"
#include "terminal.h"

namespace ppspp::tools {
namespace {

using Align = Table::Align;

std::string size(std::uint64_t octets) {
  return format_size(static_cast<double>(octets));
}

double part_of(const control::SwarmInfo& swarm) {
  if (!swarm.length || *swarm.length == 0) return 0;
  return static_cast<double>(std::min(swarm.verified, *swarm.length)) /
         static_cast<double>(*swarm.length);
}

bool is_live(const control::SwarmInfo& swarm) {
  return swarm.kind == control::SwarmKind::feed || swarm.kind == control::SwarmKind::live;
}

std::string name_of(const control::SwarmInfo& swarm) {
  const std::string& name = !swarm.name.empty()   ? swarm.name
                            : !swarm.path.empty() ? swarm.path
                                                  : swarm.id;
  return printable(name);
}

std::string state_of(const control::SwarmInfo& swarm) {
  const std::string state(to_string(swarm.state));
  return swarm.sleeping && swarm.state == control::SwarmState::seeding ? "sleeping" : state;
}

// Names on the left, values below each other on the right.
class Details {
 public:
  void add(std::string_view name, std::string_view value) {
    if (!value.empty()) lines_.push_back(fmt::format("{:<17} {}", name, printable(value)));
  }
  template <typename T>
  void add_count(std::string_view name, const T& value) {
    add(name, fmt::format("{}", value));
  }
  void add_limit(std::string_view name, const std::optional<std::uint64_t>& rate) {
    add(name, rate ? format_rate(*rate) : "none");
  }
  void add_time(std::string_view name, const std::optional<std::int64_t>& time) {
    if (time) add(name, format_time(*time));
  }
  Lines lines() { return std::move(lines_); }

 private:
  Lines lines_;
};

void add_limits(Details& details, const control::Limits& limits, bool all) {
  const auto rate = [&](std::string_view name, const std::optional<std::uint64_t>& limit) {
    if (all || limit) details.add_limit(name, limit);
  };
  rate("upload limit", limits.upload);
  rate("download limit", limits.download);
  rate("upload per peer", limits.upload_per_peer);
  rate("download per peer", limits.download_per_peer);
  if (all || limits.weight) details.add_count("weight", limits.weight.value_or(100));
  if (limits.max_channels) details.add_count("most channels", *limits.max_channels);
  if (all && !limits.max_channels) details.add("most channels", "none");
}

std::string flags_of(const control::PeerInfo& peer) {
  std::string flags = peer.inbound ? "in" : "out";
  if (peer.choked) flags += ",choked";
  if (peer.state != "established") flags += "," + printable(peer.state);
  return flags;
}

std::string has(const control::PeerInfo& peer, bool utf8) {
  constexpr std::size_t kCells = 8;
  const double part = peer.complete ? 1 : std::clamp(peer.available, 0.0, 1.0);
  std::string bar;
  for (std::size_t cell = 0; cell < kCells; ++cell) {
    const double filled = part * kCells - static_cast<double>(cell);
    const double octet = std::floor(std::clamp(filled, 0.0, 1.0) * 255);
    const std::uint8_t level[] = {static_cast<std::uint8_t>(octet)};
    bar += format_map(level, 1, utf8);
  }
  return fmt::format("{} {:>4}", bar, format_part(part));
}

}  // namespace

Lines swarm_table(const std::vector<control::SwarmInfo>& swarms, std::size_t width) {
  Table table({{"No", Align::right},
               {"Name", Align::left, true},
               {"State"},
               {"Done", Align::right},
               {"Size", Align::right},
               {"Up", Align::right},
               {"Down", Align::right},
               {"Peers", Align::right},
               {"Sent", Align::right},
               {"Label", Align::left, true},
               {"ID", Align::left}});
  for (const control::SwarmInfo& swarm : swarms) {
    table.add({std::to_string(swarm.number), name_of(swarm), state_of(swarm),
               is_live(swarm) || !swarm.length ? "-" : format_part(part_of(swarm)),
               swarm.length ? size(*swarm.length) : "-", format_rate(swarm.upload_rate),
               format_rate(swarm.download_rate), std::to_string(swarm.channels),
               size(swarm.uploaded), printable(swarm.label), printable(swarm.id.substr(0, 10))});
  }
  return table.lines(width);
}

std::string swarm_line(const control::SwarmInfo& swarm) {
  const std::string why = swarm.error.empty() ? "" : fmt::format(" ({})", printable(swarm.error));
  return fmt::format("{} {}: {}{}", swarm.number, name_of(swarm), state_of(swarm), why);
}

Lines swarm_details(const control::SwarmInfo& swarm) {
  Details details;
  details.add_count("number", swarm.number);
  details.add("name", swarm.name);
  details.add("label", swarm.label);
  details.add("kind", to_string(swarm.kind));
  details.add("state", state_of(swarm));
  details.add(swarm.state == control::SwarmState::failed ? "error" : "warning", swarm.error);
  details.add("path", swarm.path);
  details.add("ID", swarm.id);
  details.add("URL", swarm.url);
  if (swarm.length)
    details.add("length", fmt::format("{} ({} octets)", size(*swarm.length), *swarm.length));
  const std::string part =
      swarm.length && !is_live(swarm) ? fmt::format(", {}", format_part(part_of(swarm))) : "";
  details.add(swarm.state == control::SwarmState::hashing ? "hashed" : "verified",
              size(swarm.verified) + part);
  details.add("uploaded",
              fmt::format("{}, now {}", size(swarm.uploaded), format_rate(swarm.upload_rate)));
  details.add("downloaded",
              fmt::format("{}, now {}", size(swarm.downloaded), format_rate(swarm.download_rate)));
  details.add_count("chunks rejected", swarm.chunks_rejected);
  details.add_count("peers", swarm.channels);
  details.add_count("readers", swarm.readers);
  add_limits(details, swarm.limits, false);
  details.add_time("added", swarm.added_at);
  details.add_time("completed", swarm.completed_at);
  details.add_time("opens", swarm.opens_at);
  for (const control::TrackerInfo& tracker :
       swarm.trackers.value_or(std::vector<control::TrackerInfo>())) {
    const std::string_view known = tracker.announced ? "announced" : "not announced";
    const std::string why = tracker.error.empty() ? "" : fmt::format(": {}", tracker.error);
    details.add("tracker", fmt::format("{} {}, {}{}", tracker.url, tracker.state, known, why));
  }
  return details.lines();
}

Lines peer_table(const std::vector<control::PeerInfo>& peers, std::size_t width, bool utf8) {
  Table table({{"Address", Align::left, true},
               {"Has"},
               {"Up", Align::right},
               {"Down", Align::right},
               {"Sent", Align::right},
               {"Received", Align::right},
               {"Window", Align::right},
               {"Delay", Align::right},
               {"RTT", Align::right},
               {"Asked", Align::right},
               {"Asks", Align::right},
               {"Bad", Align::right},
               {"State"}});
  for (const control::PeerInfo& peer : peers) {
    table.add({printable(peer.address), has(peer, utf8), format_rate(peer.upload_rate),
               format_rate(peer.download_rate), size(peer.uploaded), size(peer.downloaded),
               size(peer.window), fmt::format("{:.0f} ms", peer.queueing_delay_ms),
               fmt::format("{:.0f} ms", peer.rtt_ms), std::to_string(peer.requested_chunks),
               std::to_string(peer.queued_chunks), std::to_string(peer.chunks_rejected),
               flags_of(peer)});
  }
  return table.lines(width);
}

std::string availability_line(const control::SwarmInfo& swarm,
                              const control::Availability& availability, std::size_t width,
                              bool utf8) {
  const std::string about =
      swarm.length ? fmt::format(" {} of {}", format_part(part_of(swarm)), size(*swarm.length))
                   : "";
  const auto map = from_base64(availability.map);
  const std::size_t cells = std::clamp<std::size_t>((width == 0 ? 80 : width) / 2, 10, 100);
  return fmt::format("{}  |{}|{}", clip(swarm_line(swarm), 60),
                     format_map(map.value_or(std::vector<std::uint8_t>()), cells, utf8), about);
}

Lines limits_list(const control::Limits& limits) {
  Details details;
  add_limits(details, limits, true);
  return details.lines();
}

Lines limits_list(const control::GlobalLimits& limits) {
  Details details;
  details.add_limit("upload limit", limits.upload);
  details.add_limit("download limit", limits.download);
  details.add_limit("upload per peer", limits.upload_per_peer);
  details.add_limit("download per peer", limits.download_per_peer);
  if (!limits.schedule.empty()) {
    details.add("schedule", limits.schedule);
    details.add_limit("upload now", limits.upload_now);
    details.add_limit("download now", limits.download_now);
  }
  return details.lines();
}

Lines ban_table(const std::vector<control::BanInfo>& bans, std::size_t width) {
  Table table({{"Network"}, {"Until"}, {"By"}, {"Reason", Align::left, true}});
  for (const control::BanInfo& ban : bans) {
    table.add({printable(ban.network), ban.until ? format_time(*ban.until) : "for good",
               ban.automatic ? "ppsppd" : "hand", printable(ban.reason)});
  }
  return table.lines(width);
}

Lines account_table(const std::vector<control::AccountEntry>& accounts, std::size_t width) {
  Table table({{"Day"},
               {"No", Align::right},
               {"Sent", Align::right},
               {"Received", Align::right},
               {"Label", Align::left, true},
               {"Name", Align::left, true}});
  double sent = 0;
  double received = 0;
  for (const control::AccountEntry& entry : accounts) {
    sent += static_cast<double>(entry.uploaded);
    received += static_cast<double>(entry.downloaded);
    table.add({printable(entry.day), std::to_string(entry.number), size(entry.uploaded),
               size(entry.downloaded), printable(entry.label), printable(entry.name)});
  }
  table.add({"all", "", format_size(sent), format_size(received), "", ""});
  return table.lines(width);
}

Lines daemon_details(const control::DaemonInfo& info) {
  Details details;
  details.add("version", info.version);
  details.add_time("running since", info.started_at);
  for (const std::string& address : info.listen) details.add("UDP", address);
  details.add("gateway", info.gateway.empty() ? "off" : info.gateway);
  details.add("state directory", info.state_directory);
  details.add_count("swarms", info.swarms);
  details.add_count("channels", info.channels);
  details.add("uploaded",
              fmt::format("{}, now {}", size(info.uploaded), format_rate(info.upload_rate)));
  details.add("downloaded",
              fmt::format("{}, now {}", size(info.downloaded), format_rate(info.download_rate)));
  return details.lines();
}

std::string log_line(const control::LogEntry& entry) {
  return fmt::format("{}  {:<7}  {}", format_time(entry.at), printable(entry.level),
                     printable(entry.message));
}

std::string event_line(const control::Event& event) {
  if (event.type == "log") return log_line({event.at, event.level, event.message});
  std::string line = fmt::format("{}  {}", format_time(event.at), printable(event.type));
  if (event.swarm) line += "  " + swarm_line(*event.swarm);
  if (!event.message.empty()) line += "  " + printable(event.message);
  return line;
}

}  // namespace ppspp::tools
