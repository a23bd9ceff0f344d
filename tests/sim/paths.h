// What LEDBAT, pacing and acknowledgements make of bottlenecks of all sizes: one run each.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "congestion/bottleneck.h"
#include "sim/path_world.h"

namespace ppspp::sim {

struct PathRun {
  std::string name;
  PathCase path;
  int seeders = 1;        // each a host of its own, all behind the one bottleneck
  int leechers = 1;       // of each seeder
  Microseconds apart{0};  // one seeder's flow begins so long after the one before it
  std::optional<test::TcpFlow::Kind> tcp;  // a flow beside ours
  bool tcp_first = false;
  Microseconds other_begins{8'000'000};  // where there are two kinds: whoever is second
  Microseconds warm_up{10'000'000};      // what follows is measured
  Microseconds measured{30'000'000};
  Microseconds stall_every{0};  // the seeders are not let run now and then (0: they always are)
  Microseconds stall{25'000};
  bool stall_receivers = false;  // instead of the senders
};

struct PathFigures {
  double use = 0;              // of the link's rate, all flows of ours
  double tcp_share = 0;        // of the link's rate
  std::vector<double> shares;  // of the link's rate, of each seeder
  double mean_ms = 0;          // queueing delay
  double p95_ms = 0;
  double loss = 0;            // share of the datagrams
  double ramp_ms = -1;        // until 90 % of the link were used for the first time
  double burst_ms = 0;        // the longest that left back to back, in time at the sender's rate
  double first_burst_ms = 0;  // the same, before what is measured
  double acks_per_rtt = 0;    // datagrams of a leecher, for each of the path's round trips
  double silence_rtts = 0;    // the longest time without one, in round trips with the queue's mean
  double train = 0;           // datagrams that leave with one call
};

PathFigures run_path(const PathRun& run);

// The paths that are looked at: 20 Mbit/s to 10 Gbit/s, 100 microseconds to 100 milliseconds.
std::vector<PathRun> all_paths();

// A line of JSON for each whose name holds `only`.
int run_paths(const std::string& only);

}  // namespace ppspp::sim
