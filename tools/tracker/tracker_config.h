// The tracker's configuration: plain values with their defaults, from a TOML file and options.
#pragma once

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "base/log.h"
#include "config_error.h"
#include "ppspp/transport_address.h"
#include "tracker/tracker_service.h"

namespace ppspp::tracker {

inline constexpr std::string_view kDefaultConfigPath = "/etc/ppspp/ppspp-tracker.toml";
inline constexpr std::uint16_t kPort = 7846;  // after the RFC

struct TrackerConfig {
  std::filesystem::path path;  // the file that it is from; empty: there is none

  struct Listen {
    std::vector<TransportAddress> http = {TransportAddress::v6({}, kPort)};
    std::vector<TransportAddress> https;
    TransportAddress udp = TransportAddress::v6({}, kPort);
    std::optional<TransportAddress> metrics;
  } listen;

  struct Tls {
    std::filesystem::path certificate;
    std::filesystem::path key;
  } tls;

  struct Swarms {
    std::vector<std::string> allow;  // hex, lower case
  } swarms;

  struct Peers {
    unsigned interval = 120;
    unsigned silence = 300;
    std::size_t list = 29;
    unsigned check_minutes = 30;
  } peers;

  struct Limits {
    std::size_t max_peers = 100'000;
    std::size_t max_swarms = 50'000;
    std::size_t max_peers_per_swarm = 50'000;
    std::size_t max_memberships = 1'000'000;
    std::size_t max_peers_per_address = 64;
    std::size_t max_memberships_per_address = 50'000;
    std::size_t max_connections = 4'096;
    std::size_t max_connections_per_address = 64;
    std::size_t requests_per_second = 20;
    std::size_t request_burst = 300;
    std::size_t checks_per_second = 2'000;
  } limits;

  struct Ca {
    std::filesystem::path key;
    unsigned lifetime_hours = 6;
  } ca;

  struct Log {
    LogLevel level = LogLevel::info;
  } log;

  ServiceOptions service_options() const;
};

using ConfigErrors = daemon::ConfigErrors;

tl::expected<TrackerConfig, ConfigErrors> parse_tracker_config(std::string_view text,
                                                               const std::filesystem::path& path);
tl::expected<TrackerConfig, ConfigErrors> load_tracker_config(const std::filesystem::path& path);
// What contradicts itself, also with what the command line added.
Result<void> check(const TrackerConfig& config);
std::string print_config(const TrackerConfig& config);
// "listen.http": directives that differ and cannot change while the tracker runs.
std::vector<std::string> changes_that_need_restart(const TrackerConfig& before,
                                                   const TrackerConfig& after);

// As options and directives take them.
Result<std::string> parse_swarm(std::string_view text);

}  // namespace ppspp::tracker
