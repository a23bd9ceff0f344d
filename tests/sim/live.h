// How many viewers of a feed keep up with it, and how far behind it they are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "sim/trace.h"

namespace ppspp::sim {

struct LiveOptions {
  std::size_t peers = 100;  // viewers; one source is there besides
  std::uint64_t seed = 1;
  std::uint64_t rate = 60'000;     // of the feed, octets per second
  std::uint64_t upload = 125'000;  // octets per second, of everybody; download: 4 times that
  std::size_t neighbours = 30;     // that the tracker names at once
  unsigned buffer_ms = 1'500;      // of the viewers
  unsigned seconds = 60;           // that are measured, after `warm_up`
  unsigned warm_up = 10;           // seconds from the viewers' joining, all at once
  TraceOptions trace;
  unsigned malicious = 0;      // percent of all peers (but the source) that mean ill, on top
  std::string kind = "mixed";  // of these: one of enemy_kinds.h, or all
  bool account = false;        // print where the octets of the uplinks go
};

struct LiveResult {
  double served = 0;       // share of the viewers
  double kept_median = 0;  // share of the chunks
};

// Prints one line. 0, or the exit code: 1 wrong content.
int run_live(const LiveOptions& options, LiveResult* result = nullptr);

}  // namespace ppspp::sim
