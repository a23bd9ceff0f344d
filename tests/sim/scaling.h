// How the time of a swarm grows with its size, next to what its links allow.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "sim/trace.h"

namespace ppspp::sim {

struct ScalingOptions {
  std::size_t peers = 1'000;  // leechers; one seeder is there besides
  std::uint64_t seed = 1;
  std::uint64_t upload = 125'000;  // octets per second, of everybody; download: 4 times that
  std::uint64_t size = 4 << 20;    // octets of the file
  std::uint32_t chunk_size = 1'024;
  unsigned churn = 0;           // percent of the leechers that are replaced each minute
  std::size_t neighbours = 30;  // that the tracker names at once
  unsigned limit = 3'600;       // seconds of virtual time
  bool verbose = false;         // what uplinks carried, every five seconds
  unsigned malicious = 0;       // percent of all peers (but the seeder) that mean ill, on top
  std::string kind = "mixed";   // of these: one of enemy_kinds.h, or all
  TraceOptions trace;
};

struct ScalingFigures {
  int exit_code = 0;        // 1 wrong content, 3 not everybody has got the file
  double all_seconds = 0;   // until the last one had it; 0: not all have
  double ratio = 0;         // of the time until all have it, to the bound
  double median_ratio = 0;  // the same, until half of them have it
  double seeder_share = 0;  // of all octets of content
};

// Prints one line; where some mean ill, what it takes beside them as a multiple of what it takes
// without them.
ScalingFigures run_scaling(const ScalingOptions& options);

}  // namespace ppspp::sim
