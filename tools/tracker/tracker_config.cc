#include "tracker/tracker_config.h"

#include <fmt/format.h>

#include "toml_directives.h"

namespace ppspp::tracker {
namespace {

using daemon::flag_directive;
using daemon::kAsItIs;
using daemon::kPrintAddress;
using daemon::list_directive;
using daemon::number_directive;
using daemon::parse_address;
using daemon::text_directive;
using Config = TrackerConfig;
using Section = daemon::DirectiveSection<Config>;

constexpr std::int64_t kMany = 100'000'000;

Result<std::string> parse_file(std::string_view text) {
  if (text.empty()) return std::string();
  return daemon::parse_path(text, false);
}

Result<std::optional<TransportAddress>> parse_optional_address(std::string_view text) {
  if (text.empty()) return std::nullopt;
  const auto address = parse_address(text);
  if (!address) return tl::unexpected(address.error());
  return *address;
}

Section listen_section() {
  constexpr std::string_view kList = "a list of addresses, such as [\"[::]:7846\"]";
  const auto print = [](const std::optional<TransportAddress>& address) {
    return address ? address->to_string() : std::string();
  };
  return {"listen",
          {list_directive<Config>("http", kList, PPSPP_MEMBER(listen.http), parse_address,
                                  kPrintAddress),
           list_directive<Config>("https", kList, PPSPP_MEMBER(listen.https), parse_address,
                                  kPrintAddress),
           text_directive<Config>("udp", "an address, such as \"[::]:7846\"",
                                  PPSPP_MEMBER(listen.udp), parse_address, kPrintAddress),
           text_directive<Config>("metrics", "an address, such as \"127.0.0.1:7848\", or \"\"",
                                  PPSPP_MEMBER(listen.metrics), parse_optional_address, print)}};
}

Section tls_section() {
  constexpr std::string_view kFile = "a path, such as \"/etc/ppspp/tracker.pem\", or \"\"";
  return {"tls",
          {text_directive<Config>("certificate", kFile, PPSPP_MEMBER(tls.certificate), parse_file,
                                  kAsItIs),
           text_directive<Config>("key", kFile, PPSPP_MEMBER(tls.key), parse_file, kAsItIs)}};
}

Section swarms_section() {
  return {"swarms",
          {list_directive<Config>("allow", "a list of swarm IDs in hex", PPSPP_MEMBER(swarms.allow),
                                  parse_swarm, kAsItIs)}};
}

Section peers_section() {
  return {
      "peers",
      {number_directive<Config>("interval", PPSPP_MEMBER(peers.interval), 5, 86'400),
       number_directive<Config>("silence", PPSPP_MEMBER(peers.silence), 10, 604'800),
       number_directive<Config>("list", PPSPP_MEMBER(peers.list), 1, 29),
       number_directive<Config>("check_minutes", PPSPP_MEMBER(peers.check_minutes), 1, 10'080)}};
}

Section limits_section() {
  return {
      "limits",
      {number_directive<Config>("max_peers", PPSPP_MEMBER(limits.max_peers), 1, kMany),
       number_directive<Config>("max_swarms", PPSPP_MEMBER(limits.max_swarms), 1, kMany),
       number_directive<Config>("max_peers_per_swarm", PPSPP_MEMBER(limits.max_peers_per_swarm), 1,
                                kMany),
       number_directive<Config>("max_memberships", PPSPP_MEMBER(limits.max_memberships), 1, kMany),
       number_directive<Config>("max_peers_per_address", PPSPP_MEMBER(limits.max_peers_per_address),
                                1, kMany),
       number_directive<Config>("max_memberships_per_address",
                                PPSPP_MEMBER(limits.max_memberships_per_address), 1, kMany),
       number_directive<Config>("max_connections", PPSPP_MEMBER(limits.max_connections), 1,
                                1'000'000),
       number_directive<Config>("max_connections_per_address",
                                PPSPP_MEMBER(limits.max_connections_per_address), 1, 1'000'000),
       number_directive<Config>("requests_per_second", PPSPP_MEMBER(limits.requests_per_second), 1,
                                1'000'000),
       number_directive<Config>("request_burst", PPSPP_MEMBER(limits.request_burst), 20, 1'000'000),
       number_directive<Config>("checks_per_second", PPSPP_MEMBER(limits.checks_per_second), 1,
                                1'000'000)}};
}

Section ca_section() {
  return {
      "ca",
      {text_directive<Config>("key", "a path, such as \"/var/lib/ppspp-tracker/ca.pem\", or \"\"",
                              PPSPP_MEMBER(ca.key), parse_file, kAsItIs),
       number_directive<Config>("lifetime_hours", PPSPP_MEMBER(ca.lifetime_hours), 1, 8'760)}};
}

Section log_section() {
  return {
      "log",
      {text_directive<Config>("level", "\"error\", \"warning\", \"info\" or \"debug\"",
                              PPSPP_MEMBER(log.level), daemon::parse_level, daemon::print_level)}};
}

// Sockets are opened once, and tables are made for good.
bool needs_restart(std::string_view section, std::string_view name) {
  return section == "listen" || section == "limits" || name == "silence" ||
         (section == "ca" && name == "key");
}

const std::vector<Section>& sections() {
  static const std::vector<Section> all = [] {
    std::vector<Section> made = {listen_section(), tls_section(), swarms_section(), peers_section(),
                                 limits_section(), ca_section(),  log_section()};
    for (Section& section : made) {
      for (auto& directive : section.directives) {
        directive.needs_restart = needs_restart(section.name, directive.name);
      }
    }
    return made;
  }();
  return all;
}

}  // namespace

Result<std::string> parse_swarm(std::string_view text) {
  const auto id = SwarmId::from_hex(text);
  if (id && !id->empty()) return id->to_hex();
  return fail(Errc::invalid_argument,
              fmt::format("{} is not a swarm ID; write what stands behind \"ppspp:\" in its URL",
                          ppspp::quoted(text)));
}

ServiceOptions TrackerConfig::service_options() const {
  ServiceOptions options;
  options.registry = {.max_peers = limits.max_peers,
                      .max_swarms = limits.max_swarms,
                      .max_peers_per_swarm = limits.max_peers_per_swarm,
                      .max_peers_per_network = limits.max_peers_per_address,
                      .max_memberships = limits.max_memberships,
                      .max_memberships_per_network = limits.max_memberships_per_address,
                      .track_timer = std::chrono::seconds(peers.silence)};
  options.requests.per_second = static_cast<double>(limits.requests_per_second);
  options.requests.burst = static_cast<double>(limits.request_burst);
  options.checks.datagrams_per_second = static_cast<double>(limits.checks_per_second);
  for (const std::string& id : swarms.allow) options.swarms.insert(*SwarmId::from_hex(id));
  options.interval = std::chrono::seconds(peers.interval);
  options.recheck = std::chrono::minutes(peers.check_minutes);
  options.certificate_lifetime = std::chrono::hours(ca.lifetime_hours);
  options.list_size = peers.list;
  return options;
}

tl::expected<TrackerConfig, ConfigErrors> parse_tracker_config(std::string_view text,
                                                               const std::filesystem::path& path) {
  daemon::ConfigProblems problems(path.string());
  TrackerConfig config;
  config.path = path;
  if (const auto top = daemon::parse_toml(text, problems)) {
    const auto no_other = [](std::string_view, const toml::node&) { return false; };
    daemon::read_sections(*top, sections(), {}, no_other, config, problems);
  }
  if (!problems.none()) return tl::unexpected(problems.take());
  return config;
}

tl::expected<TrackerConfig, ConfigErrors> load_tracker_config(const std::filesystem::path& path) {
  const auto text = daemon::read_config_file(path);
  if (!text) return tl::unexpected(text.error());
  return parse_tracker_config(*text, path);
}

Result<void> check(const TrackerConfig& config) {
  if (config.listen.http.empty() && config.listen.https.empty()) {
    return fail(Errc::invalid_argument,
                "the tracker listens nowhere: name an address in listen.http or listen.https");
  }
  if (config.tls.certificate.empty() != config.tls.key.empty()) {
    return fail(Errc::invalid_argument, "tls.certificate and tls.key need each other");
  }
  if (!config.listen.https.empty() && config.tls.key.empty()) {
    return fail(Errc::invalid_argument,
                "HTTPS needs a certificate: name its files in tls.certificate and tls.key");
  }
  if (config.peers.silence <= config.peers.interval) {
    return fail(Errc::invalid_argument,
                fmt::format("peers.silence ({} s) must be longer than peers.interval ({} s), or "
                            "peers are forgotten between their reports",
                            config.peers.silence, config.peers.interval));
  }
  return {};
}

std::string print_config(const TrackerConfig& config) {
  return daemon::print_sections(sections(), config);
}

std::vector<std::string> changes_that_need_restart(const TrackerConfig& before,
                                                   const TrackerConfig& after) {
  std::vector<std::string> changed;
  for (const Section& section : sections()) {
    for (const auto& directive : section.directives) {
      if (directive.needs_restart && directive.print(before) != directive.print(after)) {
        changed.push_back(fmt::format("{}.{}", section.name, directive.name));
      }
    }
  }
  return changed;
}

}  // namespace ppspp::tracker
