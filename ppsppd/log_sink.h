// The log lines of the whole program: to standard error, with the program's name or, for the
// journal, with a priority; and to log_ring(), for the API.
#pragma once

#include "base/log.h"

namespace ppspp::daemon {

void install_log(LogLevel lowest);

}  // namespace ppspp::daemon
