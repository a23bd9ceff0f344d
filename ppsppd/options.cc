#include "options.h"

#include "command_line.h"
#include "config.h"

namespace ppspp::daemon {

tools::Parsed<Options> parse_options(int argc, const char* const* argv) {
  Options options;
  tools::CommandLine line("ppsppd",
                          "Seeds, fetches and relays swarms (PPSPP, RFC 7574) as a service", "");
  line.add_config(options.config, "Configuration to use, see ppsppd.toml(5)",
                  std::string(kDefaultConfigPath));
  line.add_config_modes(options.check, options.print_config);
  line.add_verbose(options.verbosity);
  if (auto exit = line.parse(argc, argv)) return tl::unexpected(std::move(*exit));
  return options;
}

}  // namespace ppspp::daemon
