#include "config_directives.h"

#include <fmt/format.h>

#include <algorithm>
#include <type_traits>
#include <utility>

#include "command_line.h"
#include "config_values.h"
#include "metadata/text.h"
#include "ppspp/address_rules.h"
#include "ppspp/thread_count.h"

namespace ppspp::daemon {
namespace {

constexpr std::uint64_t kMostOctets = 1'000'000'000'000'000'000;

// "500k", "2M", a number, or "none", which is a Rate without a value.
std::optional<Rate> read_octets(const toml::node& node) {
  if (const auto* number = node.as_integer()) {
    const auto value = static_cast<std::uint64_t>(std::max<std::int64_t>(number->get(), 0));
    return value >= 1 && value <= kMostOctets ? std::optional<Rate>(value) : std::nullopt;
  }
  const auto* text = node.as_string();
  if (text == nullptr) return std::nullopt;
  if (text->get() == "none") return std::optional<Rate>(std::in_place);
  const auto exact = parse_decimal<std::uint64_t>(text->get());
  if (exact)
    return *exact >= 1 && *exact <= kMostOctets ? std::optional<Rate>(*exact) : std::nullopt;
  const auto value = tools::parse_rate(text->get());
  return value ? std::optional<Rate>(*value) : std::nullopt;
}

std::string print_rate(const Rate& rate) {
  return print_text(rate ? print_octets(*rate) : "none");
}

// A member that is a Rate; a number, which always has a value; or a Rate that may be left out.
template <typename Owner, typename Get>
Directive<Owner> octets_directive(std::string_view name, std::string_view right, Get get) {
  using Value = std::remove_cvref_t<decltype(get(std::declval<Owner&>()))>;
  const auto read = [=](const toml::node& node, Owner& owner, ConfigProblems& problems) {
    const std::optional<Rate> value = read_octets(node);
    constexpr bool kNeedsValue = std::is_same_v<Value, std::uint64_t>;
    if (!value || (kNeedsValue && !*value)) return wrong_type(node, name, right, problems);
    if constexpr (kNeedsValue) {
      get(owner) = **value;
    } else {
      get(owner) = *value;
    }
  };
  const auto print = [=](const Owner& owner) {
    if constexpr (std::is_same_v<Value, std::optional<Rate>>) {
      const std::optional<Rate>& value = get(owner);
      return value ? print_rate(*value) : std::string();
    } else {
      return print_rate(get(owner));
    }
  };
  return {name, read, print};
}

template <typename Owner, typename Get>
Directive<Owner> rate_directive(std::string_view name, Get get) {
  return octets_directive<Owner>(
      name, "a rate in octets per second, such as \"500k\", \"2M\" or 1000000, or \"none\"", get);
}

Section node_section() {
  return {
      "node",
      {list_directive<Config>("listen", "a list of addresses, such as [\"[::]:6778\"]",
                              PPSPP_MEMBER(node.listen), parse_address, kPrintAddress),
       number_directive<Config>("max_channels", PPSPP_MEMBER(node.max_channels), 1, 1'000'000),
       number_directive<Config>("max_channels_per_swarm", PPSPP_MEMBER(node.max_channels_per_swarm),
                                0, 1'000'000),
       number_directive<Config>("max_half_open", PPSPP_MEMBER(node.max_half_open), 1, 1'000'000),
       number_directive<Config>("max_swarms", PPSPP_MEMBER(node.max_swarms), 1, 1'000'000),
       number_directive<Config>("max_queued_chunks_per_peer",
                                PPSPP_MEMBER(node.max_queued_chunks_per_peer), 1, 1'000'000'000),
       number_directive<Config>("threads", PPSPP_MEMBER(node.threads), 0, kMaxThreads)}};
}

Section limits_section() {
  constexpr std::string_view kSize = "a size in octets, such as \"500M\" or \"10G\", or \"none\"";
  return {"limits",
          {rate_directive<Config>("upload", PPSPP_MEMBER(limits.upload)),
           rate_directive<Config>("download", PPSPP_MEMBER(limits.download)),
           rate_directive<Config>("upload_per_peer", PPSPP_MEMBER(limits.upload_per_peer)),
           rate_directive<Config>("download_per_peer", PPSPP_MEMBER(limits.download_per_peer)),
           octets_directive<Config>("disk", kSize, PPSPP_MEMBER(limits.disk)),
           octets_directive<Config>("memory", kSize, PPSPP_MEMBER(limits.memory))}};
}

Section access_section() {
  constexpr std::string_view kNetworks = "a list of networks, such as [\"192.0.2.0/24\"]";
  const auto parse = [](std::string_view text) -> Result<std::string> {
    if (const auto network = Network::parse(text)) return network->to_string();
    return fail(Errc::invalid_argument,
                fmt::format("{} is not a network; write an address and perhaps the number of bits "
                            "that count, as \"192.0.2.0/24\" or \"2001:db8::1\"",
                            ppspp::quoted(text)));
  };
  return {"access",
          {list_directive<Config>("allow", kNetworks, PPSPP_MEMBER(access.allow), parse, kAsItIs),
           list_directive<Config>("deny", kNetworks, PPSPP_MEMBER(access.deny), parse, kAsItIs)}};
}

Section discovery_section() {
  constexpr std::string_view kMeans = "\"any\", \"dns-sd\" or \"multicast\"";
  const auto parse = [=](std::string_view text) -> Result<LocalMeans> {
    if (const auto means = parse_local_means(text)) return *means;
    return fail(Errc::invalid_argument,
                fmt::format("{} is not known; write {}", ppspp::quoted(text), kMeans));
  };
  const auto print = [](LocalMeans means) { return std::string(to_string(means)); };
  return {
      "discovery",
      {flag_directive<Config>("local", PPSPP_MEMBER(discovery.local)),
       text_directive<Config>("local_by", kMeans, PPSPP_MEMBER(discovery.local_by), parse, print),
       flag_directive<Config>("pex", PPSPP_MEMBER(discovery.pex)),
       flag_directive<Config>("pex_on_internet", PPSPP_MEMBER(discovery.pex_on_internet))}};
}

Section tracker_section() {
  const auto path = [](std::string_view text) -> Result<std::string> {
    return text.empty() ? Result<std::string>() : parse_path(text, false);
  };
  return {
      "tracker",
      {list_directive<Config>("urls", "a list of URLs, such as [\"https://tracker.example.org/\"]",
                              PPSPP_MEMBER(tracker.urls), parse_tracker, kAsItIs),
       text_directive<Config>("ca", "a path, such as \"/etc/ppspp/tracker.pem\", or \"\"",
                              PPSPP_MEMBER(tracker.ca), path, kAsItIs)}};
}

Section state_section() {
  return {"state",
          {text_directive<Config>(
              "directory", "a path, such as \"/var/lib/ppspp\"", PPSPP_MEMBER(state.directory),
              [](std::string_view text) { return parse_path(text, false); }, kAsItIs)}};
}

Section control_section() {
  return {
      "control",
      {text_directive<Config>(
           "socket", "a path, such as \"/run/ppspp/control.sock\"", PPSPP_MEMBER(control.socket),
           [](std::string_view text) { return parse_path(text, true); }, kAsItIs),
       text_directive<Config>("group", "the name of a group, such as \"ppspp\", or \"\"",
                              PPSPP_MEMBER(control.group), parse_group, kAsItIs),
       text_directive<Config>("mode", "a file mode in quotation marks, such as \"0660\"",
                              PPSPP_MEMBER(control.mode), parse_mode, print_mode)}};
}

Section gateway_section() {
  return {"gateway",
          {flag_directive<Config>("enabled", PPSPP_MEMBER(gateway.enabled)),
           text_directive<Config>("listen", "an address, such as \"127.0.0.1:8778\"",
                                  PPSPP_MEMBER(gateway.listen), parse_address, kPrintAddress),
           flag_directive<Config>("join_on_demand", PPSPP_MEMBER(gateway.join_on_demand)),
           list_directive<Config>("cors", "a list of origins, such as [\"https://example.org\"]",
                                  PPSPP_MEMBER(gateway.cors), parse_origin, kAsItIs),
           list_directive<Config>("hosts", "a list of host names, such as [\"media.example.org\"]",
                                  PPSPP_MEMBER(gateway.hosts), parse_host_name, kAsItIs),
           number_directive<Config>("max_readers", PPSPP_MEMBER(gateway.max_readers), 1, 100'000),
           number_directive<Config>("idle_minutes", PPSPP_MEMBER(gateway.idle_minutes), 0, 525'600),
           octets_directive<Config>("read_ahead", "a size in octets, such as \"8M\"",
                                    PPSPP_MEMBER(gateway.read_ahead)),
           rate_directive<Config>("max_rate", PPSPP_MEMBER(gateway.max_rate))}};
}

Section metrics_section() {
  const auto parse = [](std::string_view text) -> Result<std::optional<TransportAddress>> {
    if (text.empty()) return std::nullopt;
    const auto address = parse_address(text);
    if (!address) return tl::unexpected(address.error());
    return *address;
  };
  const auto print = [](const std::optional<TransportAddress>& address) {
    return address ? address->to_string() : std::string();
  };
  return {"metrics",
          {text_directive<Config>("listen", "an address, such as \"127.0.0.1:9778\", or \"\"",
                                  PPSPP_MEMBER(metrics.listen), parse, print)}};
}

Section log_section() {
  return {"log",
          {text_directive<Config>("level", "\"error\", \"warning\", \"info\" or \"debug\"",
                                  PPSPP_MEMBER(log.level), parse_level, print_level)}};
}

// Sockets are opened once, and the node's tables are made for good.
bool needs_restart(std::string_view section, std::string_view name) {
  if (section == "node") return name != "max_swarms";
  if (section == "gateway") return name == "enabled" || name == "listen";
  return section == "discovery" || section == "tracker" || section == "state" ||
         section == "control" || section == "metrics";
}

}  // namespace

const std::vector<Section>& config_sections() {
  static const std::vector<Section> sections = [] {
    std::vector<Section> all = {node_section(),      limits_section(),  access_section(),
                                discovery_section(), tracker_section(), state_section(),
                                control_section(),   gateway_section(), metrics_section(),
                                log_section()};
    for (Section& section : all) {
      for (auto& directive : section.directives) {
        directive.needs_restart = needs_restart(section.name, directive.name);
      }
    }
    return all;
  }();
  return sections;
}

const std::vector<Directive<ScheduleEntry>>& schedule_directives() {
  using Entry = ScheduleEntry;
  static const std::vector<Directive<Entry>> directives = {
      text_directive<Entry>(
          "name", "a text, such as \"office hours\"", PPSPP_MEMBER(name),
          [](std::string_view text) { return Result<std::string>(std::string(text)); }, kAsItIs),
      text_directive<Entry>("days", "days, such as \"mon-fri\"", PPSPP_MEMBER(days), parse_days,
                            print_days),
      text_directive<Entry>("from", "a time of day, such as \"08:00\"", PPSPP_MEMBER(from_minute),
                            parse_time_of_day, print_time_of_day),
      text_directive<Entry>("to", "a time of day, such as \"17:30\"", PPSPP_MEMBER(to_minute),
                            parse_time_of_day, print_time_of_day),
      rate_directive<Entry>("upload", PPSPP_MEMBER(upload)),
      rate_directive<Entry>("download", PPSPP_MEMBER(download))};
  return directives;
}

}  // namespace ppspp::daemon
