#include <cstdio>

#include "tracker/tracker_daemon.h"

int main(int argc, char** argv) {
  using namespace ppspp;
  const auto options = tracker::parse_options(argc, argv);
  if (!options) return tools::leave_early("ppspp-tracker", options.error());
  auto config = tracker::load(*options);
  if (!config) {
    for (const auto& error : config.error()) tools::complain("ppspp-tracker", error.to_string());
    return tools::kUsage;
  }
  if (options->check) return tools::kDone;
  if (options->print_ca) return tracker::print_ca(*config);
  if (options->print_config) {
    const std::string text = tracker::print_config(*config);
    const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
    return written && std::fflush(stdout) == 0 ? tools::kDone : tools::kFailed;
  }
  return tracker::run_tracker(*options, std::move(*config));
}
