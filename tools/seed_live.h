// ppspp-seed --live: publishes a feed, and seeds its recording afterwards.
#pragma once

#include "seed_options.h"

namespace ppspp::tools {

int run_live_seed(const SeedCommand& command);  // returns the exit code; `live` is there

}  // namespace ppspp::tools
