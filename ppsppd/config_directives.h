// The table of all directives: how each is read, checked and printed. Everything else that walks
// over the configuration walks over this table.
#pragma once

#include <vector>

#include "config.h"
#include "toml_directives.h"

namespace ppspp::daemon {

using Section = DirectiveSection<Config>;

// In the order in which they are printed.
const std::vector<Section>& config_sections();
const std::vector<Directive<ScheduleEntry>>& schedule_directives();

}  // namespace ppspp::daemon
