// The daemon as one object: opens everything in order, runs until a signal ends it.
#pragma once

#include "config.h"

namespace ppspp::daemon {

struct RunOptions {
  Config config;
  int verbosity = 0;  // -v wins over the configuration
};

// Until SIGTERM or SIGINT; a second one ends at once. The exit code.
int run_daemon(RunOptions options);

}  // namespace ppspp::daemon
