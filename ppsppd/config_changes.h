// What of a changed configuration can be taken over while the daemon runs.
#pragma once

#include <string>
#include <vector>

#include "config.h"

namespace ppspp::daemon {

// The directives that differ and that only a restart brings into force: "node.listen".
std::vector<std::string> changes_that_need_restart(const Config& before, const Config& after);

}  // namespace ppspp::daemon
