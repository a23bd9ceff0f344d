#include "config_directives.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <sstream>
#include <type_traits>
#include <utility>

#include "command_line.h"
#include "config_values.h"
#include "metadata/text.h"
#include "ppspp/address_rules.h"

namespace ppspp::daemon {
namespace {

// What stands there, in words, for "..., not X".
std::string shown(const toml::node& node) {
  if (const auto* text = node.as_string()) return ppspp::quoted(text->get());
  if (const auto* number = node.as_integer()) return fmt::format("{}", number->get());
  if (const auto* flag = node.as_boolean()) return flag->get() ? "true" : "false";
  if (node.is_array()) return "a list";
  if (node.is_table()) return "a table";
  return "a value of another type";
}

void wrong_type(const toml::node& node, std::string_view name, std::string_view right,
                ConfigProblems& problems) {
  problems.add(node, fmt::format("{}: must be {}, not {}", name, right, shown(node)));
}

std::string print_text(std::string_view text) {
  std::ostringstream out;
  out << toml::toml_formatter(toml::value<std::string>(std::string(text)),
                              toml::format_flags::allow_unicode_strings);
  return out.str();
}

// A member that one text or number stands for: parse() and print() as in config_values.h.
template <typename Owner, typename Get, typename Parse, typename Print>
Directive<Owner> text_directive(std::string_view name, std::string_view right, Get get, Parse parse,
                                Print print) {
  return {name,
          [=](const toml::node& node, Owner& owner, ConfigProblems& problems) {
            const auto* text = node.as_string();
            if (text == nullptr) return wrong_type(node, name, right, problems);
            auto value = parse(std::string_view(text->get()));
            if (!value) {
              problems.add(node, fmt::format("{}: {}", name, value.error().context));
            } else {
              get(owner) = std::move(*value);
            }
          },
          [=](const Owner& owner) { return print_text(print(get(owner))); }};
}

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

template <typename Get>
Directive<Config> number_directive(std::string_view name, Get get, std::int64_t least,
                                   std::int64_t most) {
  const auto read = [=](const toml::node& node, Config& config, ConfigProblems& problems) {
    const auto* number = node.as_integer();
    if (number == nullptr || number->get() < least || number->get() > most) {
      return wrong_type(node, name, fmt::format("a number from {} to {}", least, most), problems);
    }
    using Value = std::remove_cvref_t<decltype(get(config))>;
    get(config) = static_cast<Value>(number->get());
  };
  return {name, read, [=](const Config& config) { return fmt::format("{}", get(config)); }};
}

template <typename Get>
Directive<Config> flag_directive(std::string_view name, Get get) {
  const auto read = [=](const toml::node& node, Config& config, ConfigProblems& problems) {
    const auto* flag = node.as_boolean();
    if (flag == nullptr) return wrong_type(node, name, "true or false", problems);
    get(config) = flag->get();
  };
  return {name, read, [=](const Config& config) { return get(config) ? "true" : "false"; }};
}

constexpr std::size_t kMostElements = 10'000;

// A list of texts; one text stands for a list of one.
template <typename Get, typename Parse, typename Print>
Directive<Config> list_directive(std::string_view name, std::string_view right, Get get,
                                 Parse parse, Print print) {
  const auto read = [=](const toml::node& node, Config& config, ConfigProblems& problems) {
    get(config).clear();
    const auto take = [&](const toml::node& element) {
      const auto* text = element.as_string();
      if (text == nullptr) return wrong_type(element, name, right, problems);
      auto value = parse(std::string_view(text->get()));
      if (!value) {
        problems.add(element, fmt::format("{}: {}", name, value.error().context));
      } else if (std::find(get(config).begin(), get(config).end(), *value) != get(config).end()) {
        problems.add(element, fmt::format("{}: {} is there twice; leave one of the two away", name,
                                          ppspp::quoted(text->get())));
      } else {
        get(config).push_back(std::move(*value));
      }
    };
    const auto* list = node.as_array();
    if (list == nullptr) return take(node);
    if (list->size() > kMostElements) {
      problems.add(node, fmt::format("{}: {} elements are too many; the limit is {}", name,
                                     list->size(), kMostElements));
      return;
    }
    for (const toml::node& element : *list) take(element);
  };
  return {name, read, [=](const Config& config) {
            std::vector<std::string> texts;
            for (const auto& value : get(config)) texts.push_back(print_text(print(value)));
            return fmt::format("[{}]", fmt::join(texts, ", "));
          }};
}

Result<TransportAddress> parse_address(std::string_view text) {
  const auto address = TransportAddress::parse(text);
  if (address) return *address;
  return fail(Errc::invalid_argument,
              fmt::format("{} is not an address and port; write numbers, as \"127.0.0.1:8778\" or "
                          "\"[::1]:8778\"",
                          ppspp::quoted(text)));
}

constexpr std::array<std::pair<std::string_view, LogLevel>, 4> kLevels = {
    {{"error", LogLevel::error},
     {"warning", LogLevel::warning},
     {"info", LogLevel::info},
     {"debug", LogLevel::debug}}};

Result<LogLevel> parse_level(std::string_view text) {
  for (const auto& [name, level] : kLevels) {
    if (name == text) return level;
  }
  return fail(Errc::invalid_argument,
              fmt::format("{} is not a level; write \"error\", \"warning\", \"info\" or \"debug\"",
                          ppspp::quoted(text)));
}

std::string print_level(LogLevel level) {
  for (const auto& [name, each] : kLevels) {
    if (each == level) return std::string(name);
  }
  return {};
}

constexpr auto kAsItIs = [](const auto& text) { return std::string(text); };
constexpr auto kPrintAddress = [](const TransportAddress& address) { return address.to_string(); };

#define PPSPP_MEMBER(path)   \
  [](auto& owner) -> auto& { \
    return owner.path;       \
  }

Section node_section() {
  return {"node",
          {list_directive("listen", "a list of addresses, such as [\"[::]:6778\"]",
                          PPSPP_MEMBER(node.listen), parse_address, kPrintAddress),
           number_directive("max_channels", PPSPP_MEMBER(node.max_channels), 1, 1'000'000),
           number_directive("max_channels_per_swarm", PPSPP_MEMBER(node.max_channels_per_swarm), 0,
                            1'000'000),
           number_directive("max_half_open", PPSPP_MEMBER(node.max_half_open), 1, 1'000'000),
           number_directive("max_swarms", PPSPP_MEMBER(node.max_swarms), 1, 1'000'000),
           number_directive("max_queued_chunks_per_peer",
                            PPSPP_MEMBER(node.max_queued_chunks_per_peer), 1, 1'000'000'000)}};
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
          {list_directive("allow", kNetworks, PPSPP_MEMBER(access.allow), parse, kAsItIs),
           list_directive("deny", kNetworks, PPSPP_MEMBER(access.deny), parse, kAsItIs)}};
}

Section discovery_section() {
  return {"discovery", {flag_directive("local", PPSPP_MEMBER(discovery.local))}};
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
          {flag_directive("enabled", PPSPP_MEMBER(gateway.enabled)),
           text_directive<Config>("listen", "an address, such as \"127.0.0.1:8778\"",
                                  PPSPP_MEMBER(gateway.listen), parse_address, kPrintAddress),
           flag_directive("join_on_demand", PPSPP_MEMBER(gateway.join_on_demand)),
           list_directive("cors", "a list of origins, such as [\"https://example.org\"]",
                          PPSPP_MEMBER(gateway.cors), parse_origin, kAsItIs),
           list_directive("hosts", "a list of host names, such as [\"media.example.org\"]",
                          PPSPP_MEMBER(gateway.hosts), parse_host_name, kAsItIs),
           number_directive("max_readers", PPSPP_MEMBER(gateway.max_readers), 1, 100'000),
           number_directive("idle_minutes", PPSPP_MEMBER(gateway.idle_minutes), 0, 525'600),
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
  return section == "discovery" || section == "state" || section == "control" ||
         section == "metrics";
}

}  // namespace

const std::vector<Section>& config_sections() {
  static const std::vector<Section> sections = [] {
    std::vector<Section> all = {node_section(),      limits_section(),  access_section(),
                                discovery_section(), state_section(),   control_section(),
                                gateway_section(),   metrics_section(), log_section()};
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
