// ppspp-get for a live feed: tunes in, and writes until the feed ends.
#pragma once

#include "get_options.h"

namespace ppspp::tools {

int run_live_get(const GetCommand& command);  // returns the exit code

}  // namespace ppspp::tools
