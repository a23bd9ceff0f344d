// The log lines of the whole program: to standard error, with the program's name or, for the
// journal, with a priority.
#pragma once

#include <string_view>

#include "base/log.h"

namespace ppspp::daemon {

// `also`, if any, gets each line too.
void install_log(LogLevel lowest, std::string_view program, LogSink also = {});

}  // namespace ppspp::daemon
