// What ppspp-ctl does.
#pragma once

#include <string>

#include "control_client.h"
#include "ctl_options.h"

namespace ppspp::tools {

int run_ctl(const CtlCommand& command);  // returns the exit code

// --- For the parts of it

inline constexpr const char* kCtl = "ppspp-ctl";

// Complains, and says what to exit with.
int fail_with(const Error& error);

// All swarms that match, from all pages.
Result<control::SwarmPage> list_all(const ControlClient& client, control::SwarmQuery query);

int run_watch(const CtlCommand& command, const ctl::Watch& watch);
int run_log(const CtlCommand& command, const ctl::Log& log);

}  // namespace ppspp::tools
