// What ppspp-get says of a download when it ends (--json).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "ppspp/endpoint.h"

namespace ppspp::tools {

struct GetReport {
  std::string swarm_id;  // hex
  std::string output;    // "-": standard output
  std::uint32_t chunk_size = 0;
  bool complete = false;
  double seconds = 0;  // until complete, or until the end
  std::optional<double> seconds_to_first_byte;
  SwarmStatus status;
  std::uint64_t skips = 0;        // live: how often the feed had a gap
  std::uint64_t chunks_lost = 0;  // live: left the window before the output took them
};

// One line.
std::string to_json(const GetReport& report);

}  // namespace ppspp::tools
