#include "options.h"

#include <fmt/format.h>

#include "command_line.h"
#include "config.h"

namespace ppspp::daemon {

tools::Parsed<Options> parse_options(int argc, const char* const* argv) {
  Options options;
  tools::CommandLine line("ppsppd",
                          "Seeds, fetches and relays swarms (PPSPP, RFC 7574) as a service", "");
  line.option(
      "--config", "FILE",
      [&options](const std::string& text) -> Result<void> {
        if (text.empty()) return fail(Errc::invalid_argument, "needs the name of a file");
        options.config = text;
        return {};
      },
      "Configuration to use, see ppsppd.toml(5)", std::string(kDefaultConfigPath));
  line.flag("--check", options.check, "Check the configuration, and say nothing if it is right");
  line.flag("--print-config", options.print_config,
            "Print the configuration that is in force, with all defaults");
  line.add_verbose(options.verbosity);
  if (auto exit = line.parse(argc, argv)) return tl::unexpected(std::move(*exit));
  return options;
}

}  // namespace ppspp::daemon
