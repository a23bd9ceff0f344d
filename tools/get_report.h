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
  bool complete = false;
  double seconds = 0;  // until complete, or until the end
  std::optional<double> seconds_to_first_byte;
  SwarmStatus status;
};

// One line.
std::string to_json(const GetReport& report);

}  // namespace ppspp::tools
