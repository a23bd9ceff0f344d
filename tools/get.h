// What ppspp-get does.
#pragma once

#include "get_options.h"

namespace ppspp::tools {

int run_get(const GetCommand& command);  // returns the exit code

}  // namespace ppspp::tools
