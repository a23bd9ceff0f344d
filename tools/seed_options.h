// The command line of ppspp-seed.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "command_line.h"
#include "control/control_types.h"
#include "live_input.h"
#include "ppspp/local_means.h"
#include "program.h"

namespace ppspp::tools {

// What is said of a live feed.
struct LiveCommand {
  InputName input;
  std::optional<std::uint64_t> pace;  // octets per second
  std::filesystem::path key;          // empty: a fresh key
  std::optional<SignatureAlgorithm> signature;
  std::optional<std::uint32_t> chunks_per_signature;
  std::uint64_t discard_window = 0;  // chunks; 0: chosen from the rate
  std::filesystem::path record;      // empty: the feed is not kept
  bool force = false;                // `record` may be overwritten
};

struct SeedCommand {
  std::filesystem::path file;
  std::optional<LiveCommand> live;  // then there is no file
  std::vector<TransportAddress> listen;
  SwarmOptions swarm;
  std::vector<std::string> peers;
  std::vector<std::string> advertise;
  std::vector<std::string> trackers;
  std::string tracker_ca;  // a PEM file, or empty
  std::optional<std::uint64_t> upload_limit;
  bool no_local_discovery = false;
  LocalMeans local_means = LocalMeans::any;
  bool no_pex = false;
  unsigned threads = 0;  // as in NodeOptions
  int verbosity = 0;
  // The daemon that the work is handed to, by its control socket, and what it is asked.
  std::optional<std::filesystem::path> daemon;
  control::AddRequest request;
};

Parsed<SeedCommand> parse_seed_command(int argc, const char* const* argv);

}  // namespace ppspp::tools
