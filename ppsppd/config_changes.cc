#include "config_changes.h"

#include <fmt/format.h>

#include "config_directives.h"

namespace ppspp::daemon {

std::vector<std::string> changes_that_need_restart(const Config& before, const Config& after) {
  std::vector<std::string> changes;
  for (const Section& section : config_sections()) {
    for (const auto& directive : section.directives) {
      if (directive.needs_restart && directive.print(before) != directive.print(after)) {
        changes.push_back(fmt::format("{}.{}", section.name, directive.name));
      }
    }
  }
  return changes;
}

}  // namespace ppspp::daemon
