#include <fmt/format.h>

#include "config_directives.h"

namespace ppspp::daemon {

std::string print_config(const Config& config) {
  std::string text = print_sections(config_sections(), config);
  for (const ScheduleEntry& entry : config.schedule) {
    text += "\n[[schedule]]\n";
    for (const auto& directive : schedule_directives()) {
      const std::string value = directive.print(entry);
      if (!value.empty()) text += fmt::format("{} = {}\n", directive.name, value);
    }
  }
  return text;
}

}  // namespace ppspp::daemon
