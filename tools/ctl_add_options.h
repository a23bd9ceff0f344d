// The options of `ppspp-ctl add` and `set`.
#pragma once

#include <functional>

#include "command_line.h"
#include "control/control_types.h"
#include "ppspp/result.h"

namespace ppspp::tools {

// What is returned makes a request of what was read, once everything is.
std::function<Result<void>()> add_add_options(CommandLine& line, control::AddRequest& request);
void add_change_options(CommandLine& line, control::ChangeRequest& change);

// Whether `text` names a swarm and not a file: a URL, or a bare ID where no such file is.
bool is_swarm_url(const std::string& text);

}  // namespace ppspp::tools
