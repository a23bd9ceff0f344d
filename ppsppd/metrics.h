// What Prometheus asks for, in its text format, and /healthz.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "service.h"

namespace ppspp::daemon {

// Of this process, from /proc/self; what cannot be read is 0.
struct ProcessUsage {
  double cpu_seconds = 0;
  std::uint64_t resident_bytes = 0;
  std::uint64_t virtual_bytes = 0;
  std::uint64_t open_fds = 0;
  std::uint64_t max_fds = 0;
  static ProcessUsage now();
};

struct MetricsInput {
  Snapshot snapshot;
  ProcessUsage process;
  std::size_t control_connections = 0;
  std::size_t gateway_connections = 0;
  std::uint64_t gateway_bytes = 0;
  std::size_t event_subscribers = 0;
};

// All names begin with "ppspp_", but those of the process, which are the same everywhere.
std::string metrics_text(const MetricsInput& input);
inline constexpr std::string_view kMetricsType = "text/plain; version=0.0.4; charset=utf-8";

struct HealthInput {
  std::filesystem::path state_directory;
  std::uint64_t disk_free = 0;     // octets, of the file system of the state directory
  std::uint64_t disk_size = 0;     // 0: it could not be asked
  std::size_t failed_swarms = 0;   // told, but the service is none the worse for it
  double loop_delay_seconds = 0;   // the longest of the last minute
  bool catalogue_failing = false;  // a change could not be written in the last minute
};

struct Health {
  bool good = true;
  // {"status":"ok","problems":[],"failed_swarms":0}, or each problem with a name and a message.
  std::string json;
};

Health assess(const HealthInput& input);

}  // namespace ppspp::daemon
