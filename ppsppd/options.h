// The command line of ppsppd.
#pragma once

#include <filesystem>

#include "program.h"

namespace ppspp::daemon {

struct Options {
  std::filesystem::path config;  // empty: the default one if it is there
  bool check = false;
  bool print_config = false;
  int verbosity = 0;
};

tools::Parsed<Options> parse_options(int argc, const char* const* argv);

}  // namespace ppspp::daemon
