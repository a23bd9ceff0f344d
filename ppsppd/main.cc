#include <cstdio>

#include "config.h"
#include "daemon.h"
#include "options.h"
#include "state_directory.h"

namespace {

using ppspp::daemon::Config;
using ppspp::daemon::Options;

// The named file; the default one only if it is there.
tl::expected<Config, ppspp::daemon::ConfigErrors> load(const Options& options) {
  if (!options.config.empty()) return ppspp::daemon::load_config(options.config);
  std::error_code error;
  const std::filesystem::path usual(ppspp::daemon::kDefaultConfigPath);
  const auto status = std::filesystem::status(usual, error);
  if (status.type() == std::filesystem::file_type::not_found) return Config();
  return ppspp::daemon::load_config(usual);
}

}  // namespace

int main(int argc, char** argv) {
  using namespace ppspp;
  const auto options = daemon::parse_options(argc, argv);
  if (!options) return tools::leave_early("ppsppd", options.error());
  const auto config = load(*options);
  if (!config) {
    for (const auto& error : config.error()) tools::complain("ppsppd", error.to_string());
    return tools::kUsage;
  }
  if (options->check) {
    const auto state = daemon::StateDirectory::check(config->state.directory);
    if (state) return tools::kDone;
    tools::complain("ppsppd", state.error().context);
    // A damaged catalogue is no reason not to start: it is put aside then.
    return state.error().code == Errc::integrity ? tools::kDone : tools::kFailed;
  }
  if (options->print_config) {
    const std::string text = daemon::print_config(*config);
    const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
    return written && std::fflush(stdout) == 0 ? tools::kDone : tools::kFailed;
  }
  return daemon::run_daemon({*config, options->verbosity});
}
