// The command line of ppspp-get.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "command_line.h"
#include "control/control_types.h"
#include "ppspp/local_means.h"
#include "ppspp/swarm_types.h"
#include "ppspp/swarm_url.h"
#include "program.h"

namespace ppspp::tools {

struct GetCommand {
  SwarmUrl url;        // with what the options changed
  std::string output;  // "-": standard output
  std::vector<TransportAddress> listen;
  std::string tracker_ca;  // a PEM file, or empty
  bool allow_unprotected = false;
  bool force = false;
  bool stay = false;
  bool json = false;
  bool no_local_discovery = false;
  LocalMeans local_means = LocalMeans::any;
  bool no_pex = false;
  unsigned threads = 0;           // as in NodeOptions
  LiveSettings live;              // of a live feed
  std::optional<double> timeout;  // seconds
  std::optional<std::uint64_t> upload_limit;
  std::optional<std::uint64_t> download_limit;
  int verbosity = 0;
  // The daemon that the work is handed to, by its control socket, and what it is asked.
  std::optional<std::filesystem::path> daemon;
  control::AddRequest request;

  bool to_stdout() const { return output == "-"; }
};

Parsed<GetCommand> parse_get_command(int argc, const char* const* argv);

}  // namespace ppspp::tools
