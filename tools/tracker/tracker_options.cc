#include "tracker/tracker_options.h"

#include <fmt/format.h>

#include <memory>

#include "command_line.h"

namespace ppspp::tracker {
namespace {

using Take = tools::CommandLine::Take;

// An option with an address; the first one of a repeatable option replaces what the file says.
Take take_addresses(Options& options,
                    std::vector<TransportAddress> TrackerConfig::Listen::*member) {
  auto is_first = std::make_shared<bool>(true);
  return [&options, member, is_first](const std::string& text) -> Result<void> {
    const auto address = TransportAddress::parse(text);
    if (!address) return tl::unexpected(address.error());
    options.changes.emplace_back(
        [member, address = *address, clear = std::exchange(*is_first, false)](TrackerConfig& c) {
          if (clear) (c.listen.*member).clear();
          (c.listen.*member).push_back(address);
        });
    return {};
  };
}

template <typename Apply>
Take take_address(Options& options, Apply apply) {
  return [&options, apply](const std::string& text) -> Result<void> {
    const auto address = TransportAddress::parse(text);
    if (!address) return tl::unexpected(address.error());
    options.changes.emplace_back(
        [apply, address = *address](TrackerConfig& c) { apply(c, address); });
    return {};
  };
}

template <typename Apply>
Take take_file(Options& options, Apply apply) {
  return [&options, apply](const std::string& text) -> Result<void> {
    if (text.empty()) return fail(Errc::invalid_argument, "needs the name of a file");
    options.changes.emplace_back([apply, text](TrackerConfig& c) { apply(c) = text; });
    return {};
  };
}

void add_listen(tools::CommandLine& line, Options& options) {
  line.repeatable("-l,--listen", "ADDR:PORT", take_addresses(options, &TrackerConfig::Listen::http),
                  "TCP address for HTTP", "[::]:7846");
  line.repeatable("--https", "ADDR:PORT", take_addresses(options, &TrackerConfig::Listen::https),
                  "TCP address for HTTPS");
  line.option("--udp", "ADDR:PORT",
              take_address(options, [](TrackerConfig& c, const auto& a) { c.listen.udp = a; }),
              "UDP address from which addresses of peers are checked", "[::]:7846");
  line.option("--metrics", "ADDR:PORT",
              take_address(options, [](TrackerConfig& c, const auto& a) { c.listen.metrics = a; }),
              "TCP address for /metrics and /healthz");
}

void add_files(tools::CommandLine& line, Options& options) {
  line.option("--tls-certificate", "FILE",
              take_file(
                  options, [](TrackerConfig & c) -> auto& { return c.tls.certificate; }),
              "Certificate chain for HTTPS, in PEM");
  line.option("--tls-key", "FILE",
              take_file(
                  options, [](TrackerConfig & c) -> auto& { return c.tls.key; }),
              "Private key of that certificate, in PEM");
  line.option("--ca-key", "FILE",
              take_file(
                  options, [](TrackerConfig & c) -> auto& { return c.ca.key; }),
              "Certify members of swarms with the private key in FILE, made if there is none");
}

}  // namespace

tools::Parsed<Options> parse_options(int argc, const char* const* argv) {
  Options options;
  tools::CommandLine line("ppspp-tracker",
                          "Tells peers of a swarm of each other (PPSP tracker, RFC 7846)", "");
  line.add_config(options.config, "Configuration to use", std::string(kDefaultConfigPath));
  add_listen(line, options);
  add_files(line, options);
  line.repeatable(
      "--swarm", "SWARM-ID",
      [&options](const std::string& text) -> Result<void> {
        auto id = parse_swarm(text);
        if (!id) return tl::unexpected(id.error());
        options.changes.emplace_back(
            [id = *std::move(id)](TrackerConfig& c) { c.swarms.allow.push_back(id); });
        return {};
      },
      "Serve this swarm, and no others than those named", "all");
  line.flag("--print-ca", options.print_ca, "Print the key of --ca-key as swarm URLs have it: ca=");
  line.add_config_modes(options.check, options.print_config);
  line.add_verbose(options.verbosity);
  if (auto exit = line.parse(argc, argv)) return tl::unexpected(std::move(*exit));
  // The options refer to this object only while they are parsed.
  return options;
}

tl::expected<TrackerConfig, ConfigErrors> load(const Options& options) {
  TrackerConfig config;
  std::error_code error;
  const bool named = !options.config.empty();
  const std::filesystem::path path =
      named ? options.config : std::filesystem::path(kDefaultConfigPath);
  const auto status = std::filesystem::status(path, error);
  if (named || status.type() != std::filesystem::file_type::not_found) {
    auto read = load_tracker_config(path);
    if (!read) return read;
    config = std::move(*read);
  }
  for (const auto& change : options.changes) change(config);
  if (const auto good = check(config); !good) {
    return tl::unexpected(
        ConfigErrors{{config.path.empty() ? "the command line" : config.path.string(), 0,
                      good.error().context}});
  }
  return config;
}

}  // namespace ppspp::tracker
