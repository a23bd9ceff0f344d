// The tracker as a program that runs: sockets, signals, one timer.
#pragma once

#include "tracker/tracker_options.h"

namespace ppspp::tracker {

int run_tracker(const Options& options, TrackerConfig config);
// Prints the value of `ca` in swarm URLs; makes the key if there is none.
int print_ca(const TrackerConfig& config);

}  // namespace ppspp::tracker
