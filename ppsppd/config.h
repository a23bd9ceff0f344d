// The daemon's configuration: plain values with their defaults, read from a TOML file.
//
// A file is taken as a whole or not at all: every mistake in it is found, and each is said with its
// line and what would be right. Rates are octets per second, sizes octets; absent means no limit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "base/log.h"
#include "config_error.h"
#include "ppspp/local_means.h"
#include "ppspp/transport_address.h"

namespace ppspp::daemon {

using Rate = std::optional<std::uint64_t>;

// Limits for some hours of some days, in local time. From `from` up to `to`, in minutes after
// midnight; `to` before `from` means the next day's.
struct ScheduleEntry {
  std::string name;
  std::uint8_t days =
      0x7f;  // bit 0 is Monday; of an entry that runs over midnight, where it begins
  unsigned from_minute = 0;
  unsigned to_minute = 24 * 60;
  std::optional<Rate> upload;  // absent: as in the rest of the time
  std::optional<Rate> download;
  friend bool operator==(const ScheduleEntry&, const ScheduleEntry&) = default;
};

struct Config {
  std::filesystem::path path;  // the file that it is from; empty: there is none

  struct Node {
    std::vector<TransportAddress> listen;  // UDP; one of each IP version, or [::] alone for both
    std::size_t max_channels = 2'000;
    std::size_t max_channels_per_swarm = 200;
    std::size_t max_half_open = 4'096;
    std::size_t max_swarms = 20'000;
    std::uint64_t max_queued_chunks_per_peer = 65'536;
    unsigned threads = 0;  // as in NodeOptions
    friend bool operator==(const Node&, const Node&) = default;
  } node;

  struct Limits {
    Rate upload;
    Rate download;
    Rate upload_per_peer;
    Rate download_per_peer;
    std::optional<std::uint64_t> disk = std::uint64_t{10} << 30;  // of downloads without an output
    std::optional<std::uint64_t> memory = std::uint64_t{512}
                                          << 20;  // of the windows of live swarms
    friend bool operator==(const Limits&, const Limits&) = default;
  } limits;

  std::vector<ScheduleEntry> schedule;  // the first that fits the time holds

  struct Access {
    std::vector<std::string> allow;  // networks, as Network::parse() takes them; empty: everybody
    std::vector<std::string> deny;
    friend bool operator==(const Access&, const Access&) = default;
  } access;

  struct Discovery {
    bool local = true;  // on the networks that this host is on
    LocalMeans local_by = LocalMeans::any;
    bool pex = true;               // peers are asked for others, and told of others
    bool pex_on_internet = false;  // also without certificates
    friend bool operator==(const Discovery&, const Discovery&) = default;
  } discovery;

  struct Tracker {
    std::vector<std::string> urls;  // of all swarms
    std::filesystem::path ca;       // PEM; empty: the system's authorities alone
    friend bool operator==(const Tracker&, const Tracker&) = default;
  } tracker;

  struct State {
    std::filesystem::path directory = "/var/lib/ppspp";
    friend bool operator==(const State&, const State&) = default;
  } state;

  struct Control {
    std::filesystem::path socket = "/run/ppspp/control.sock";
    std::string group = "ppspp";  // empty: that of the process
    unsigned mode = 0660;
    friend bool operator==(const Control&, const Control&) = default;
  } control;

  struct Gateway {
    bool enabled = true;
    TransportAddress listen;  // TCP
    bool join_on_demand = true;
    std::vector<std::string> cors;  // origins that may read, or "*"
    std::vector<std::string>
        hosts;  // names by which it may be asked for, besides addresses; or "*"
    std::size_t max_readers = 200;
    unsigned idle_minutes = 10;  // what was joined on demand stays so long without readers
    std::uint64_t read_ahead = std::uint64_t{8} << 20;
    Rate max_rate;  // to one reader
    friend bool operator==(const Gateway&, const Gateway&) = default;
  } gateway;

  struct Metrics {
    std::optional<TransportAddress> listen;  // TCP; absent: only on the control socket
    friend bool operator==(const Metrics&, const Metrics&) = default;
  } metrics;

  struct Log {
    LogLevel level = LogLevel::info;
    friend bool operator==(const Log&, const Log&) = default;
  } log;

  Config();  // the defaults
  friend bool operator==(const Config&, const Config&) = default;
};

inline constexpr std::string_view kDefaultConfigPath = "/etc/ppspp/ppsppd.toml";

tl::expected<Config, ConfigErrors> parse_config(std::string_view text,
                                                const std::filesystem::path& path);
tl::expected<Config, ConfigErrors> load_config(const std::filesystem::path& path);

// Every directive with its value, as TOML that parse_config() takes for the same configuration.
std::string print_config(const Config& config);

}  // namespace ppspp::daemon
