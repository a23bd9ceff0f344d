// Work that ppspp-seed and ppspp-get hand to the daemon: they add a swarm there, and look at it
// until they have what they were started for.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "control/control_types.h"
#include "ppspp/result.h"

namespace ppspp::tools {

// The value of --daemon: nothing where it is not given.
std::optional<std::filesystem::path> daemon_socket(const std::string& option);

// What JSON can carry: the path made absolute. An error if it is no UTF-8.
Result<std::string> absolute_path(const std::string& path);

struct HandOver {
  std::string program;
  std::filesystem::path socket;
  std::optional<double> timeout;  // seconds, from the start on
  // Looks at the swarm, again and again: the exit code when there is nothing left to wait for.
  std::function<std::optional<int>(const control::SwarmInfo&)> look;
};

// Returns the exit code. A signal ends the program, not the work; so does a timeout.
int hand_over(const HandOver& work, const control::AddRequest& request);

}  // namespace ppspp::tools
