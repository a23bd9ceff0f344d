// The command line of ppspp-tracker.
#pragma once

#include <filesystem>
#include <functional>
#include <vector>

#include "program.h"
#include "tracker/tracker_config.h"

namespace ppspp::tracker {

struct Options {
  std::filesystem::path config;  // empty: the default one if it is there
  bool check = false;
  bool print_config = false;
  bool print_ca = false;
  int verbosity = 0;
  // What the options say over the file; also when that is read again.
  std::vector<std::function<void(TrackerConfig&)>> changes;
};

tools::Parsed<Options> parse_options(int argc, const char* const* argv);

// The named file, the default one if it is there, or no file; then the options.
tl::expected<TrackerConfig, ConfigErrors> load(const Options& options);

}  // namespace ppspp::tracker
