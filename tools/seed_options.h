// The command line of ppspp-seed.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "command_line.h"
#include "program.h"

namespace ppspp::tools {

struct SeedCommand {
  std::filesystem::path file;
  std::vector<TransportAddress> listen;
  SwarmOptions swarm;
  std::vector<std::string> peers;
  std::vector<std::string> advertise;
  std::optional<std::uint64_t> upload_limit;
  int verbosity = 0;
};

Parsed<SeedCommand> parse_seed_command(int argc, const char* const* argv);

}  // namespace ppspp::tools
