// What ppspp-seed does.
#pragma once

#include "seed_options.h"

namespace ppspp::tools {

int run_seed(const SeedCommand& command);  // returns the exit code

}  // namespace ppspp::tools
