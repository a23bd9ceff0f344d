#include "config.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <iterator>
#include <map>
#include <system_error>

#include "config_directives.h"
#include "config_values.h"
#include "metadata/text.h"

namespace ppspp::daemon {
namespace {

constexpr std::size_t kMostOctets = 1 << 20;
constexpr std::size_t kMostScheduleEntries = 200;
constexpr std::string_view kSchedule = "schedule";

template <typename Directives>
std::vector<std::string_view> names_of(const Directives& directives) {
  std::vector<std::string_view> names;
  for (const auto& directive : directives) names.push_back(directive.name);
  return names;
}

std::string listed(const std::vector<std::string_view>& names) {
  std::string text;
  for (const std::string_view name : names) {
    text += fmt::format("{}{}", text.empty() ? "" : ", ", name);
  }
  return text;
}

// The section that has a directive of this name, if any.
std::string_view home_of(std::string_view name) {
  for (const Section& section : config_sections()) {
    const auto names = names_of(section.directives);
    if (std::find(names.begin(), names.end(), name) != names.end()) return section.name;
  }
  return {};
}

std::string about_unknown(std::string_view key, std::string_view section,
                          const std::vector<std::string_view>& names) {
  const std::string begin =
      fmt::format("{} is not a directive of [{}]; ", ppspp::quoted(key), section);
  if (const auto near = nearest_name(key, names); !near.empty()) {
    return begin + fmt::format("did you mean {}?", near);
  }
  if (const auto home = home_of(key); !home.empty()) {
    return begin + fmt::format("it belongs to [{}]", home);
  }
  return begin + fmt::format("there are: {}", listed(names));
}

template <typename Owner>
void read_table(const toml::table& table, std::string_view section,
                const std::vector<Directive<Owner>>& directives, Owner& owner,
                ConfigProblems& problems) {
  for (const auto& [key, node] : table) {
    const auto directive = std::find_if(directives.begin(), directives.end(),
                                        [&](const auto& each) { return each.name == key.str(); });
    if (directive == directives.end()) {
      problems.add(key.source(), about_unknown(key.str(), section, names_of(directives)));
    } else {
      directive->read(node, owner, problems);
    }
  }
}

void read_schedule_entry(const toml::table& table, Config& config, ConfigProblems& problems) {
  ScheduleEntry entry;
  read_table(table, "[schedule]", schedule_directives(), entry, problems);
  if (entry.name.empty()) {
    problems.add(table, "a schedule needs a name, such as name = \"office hours\"");
  }
  if (entry.from_minute == entry.to_minute) {
    problems.add(table,
                 "from and to are the same time; for the whole day write from = \"00:00\" "
                 "and to = \"24:00\"");
  } else if (entry.from_minute == 24 * 60) {
    problems.add(table, "from: a day ends at \"24:00\"; write \"00:00\"");
  }
  const auto same = std::find_if(config.schedule.begin(), config.schedule.end(),
                                 [&](const auto& other) { return other.name == entry.name; });
  if (same != config.schedule.end() && !entry.name.empty()) {
    problems.add(table, fmt::format("name: there is another schedule {}; give each a name of its "
                                    "own",
                                    ppspp::quoted(entry.name)));
  }
  config.schedule.push_back(std::move(entry));
}

void read_schedule(const toml::node& node, Config& config, ConfigProblems& problems) {
  const toml::array* entries = node.as_array();
  if (entries == nullptr || !entries->is_homogeneous<toml::table>()) {
    problems.add(node, "schedules are written with two brackets each, as [[schedule]]");
    return;
  }
  if (entries->size() > kMostScheduleEntries) {
    problems.add(node, fmt::format("{} schedules are too many; the limit is {}", entries->size(),
                                   kMostScheduleEntries));
    return;
  }
  for (const toml::node& entry : *entries) {
    read_schedule_entry(*entry.as_table(), config, problems);
  }
}

std::string about_unknown_section(std::string_view name, bool is_table) {
  std::vector<std::string_view> names = names_of(config_sections());
  names.push_back(kSchedule);
  if (const auto home = home_of(name); !is_table && !home.empty()) {
    return fmt::format("{} stands outside of its section; write it below [{}]", ppspp::quoted(name),
                       home);
  }
  const std::string begin = fmt::format("there is no section [{}]; ", name.substr(0, 64));
  const auto near = nearest_name(name, names);
  if (!near.empty()) return begin + fmt::format("did you mean [{}]?", near);
  return begin + fmt::format("there are: {}", listed(names));
}

void read_top(const toml::table& top, Config& config, ConfigProblems& problems) {
  for (const auto& [key, node] : top) {
    const auto& sections = config_sections();
    const auto section = std::find_if(sections.begin(), sections.end(),
                                      [&](const auto& each) { return each.name == key.str(); });
    if (key.str() == kSchedule) {
      read_schedule(node, config, problems);
    } else if (section == sections.end()) {
      problems.add(key.source(), about_unknown_section(utf8_front(key.str(), 64), node.is_table()));
    } else if (!node.is_table()) {
      problems.add(node,
                   fmt::format("{0} is a section; write [{0}] on a line of its own", key.str()));
    } else {
      read_table(*node.as_table(), section->name, section->directives, config, problems);
    }
  }
}

// What is right by itself, and wrong together.
void check_together(const toml::table& top, Config& config, ConfigProblems& problems) {
  const auto listen = top["node"]["listen"];
  auto& addresses = config.node.listen;
  const auto of_v4 = std::count_if(addresses.begin(), addresses.end(),
                                   [](const auto& address) { return address.is_v4(); });
  const auto of_v6 = static_cast<std::ptrdiff_t>(addresses.size()) - of_v4;
  if (listen.node() == nullptr) return;
  if (addresses.empty() && problems.none()) {
    problems.add(*listen.node(), "listen: at least one address is needed, such as \"[::]:6778\"");
  } else if (of_v4 > 1 || of_v6 > 1) {
    problems.add(*listen.node(),
                 "listen: at most one address of each IP version can be used; "
                 "\"[::]:6778\" alone means both");
  }
}

std::string readable(std::string_view description) {
  std::string text(description.substr(0, 400));
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  return text;
}

tl::unexpected<ConfigErrors> cannot_read(const std::filesystem::path& path, std::string message) {
  return tl::unexpected(ConfigErrors{{path.string(), 0, std::move(message)}});
}

}  // namespace

Config::Config() {
  node.listen = {TransportAddress::v6({}, 6778)};
  gateway.listen = TransportAddress::v4(0x7f000001, 8778);
}

std::string ConfigError::to_string() const {
  if (line == 0) return fmt::format("{}: {}", file, message);
  return fmt::format("{}:{}: {}", file, line, message);
}

void ConfigProblems::add(const toml::source_region& where, std::string message) {
  if (errors_.size() < kMostErrors)
    errors_.push_back({file_, where.begin.line, std::move(message)});
}

ConfigErrors ConfigProblems::take() {
  std::stable_sort(errors_.begin(), errors_.end(),
                   [](const auto& a, const auto& b) { return a.line < b.line; });
  return std::move(errors_);
}

tl::expected<Config, ConfigErrors> parse_config(std::string_view text,
                                                const std::filesystem::path& path) {
  ConfigProblems problems(path.string());
  Config config;
  config.path = path;
  const toml::parse_result parsed = toml::parse(text);
  if (!parsed) {
    problems.add(parsed.error().source(),
                 fmt::format("this is not TOML: {}", readable(parsed.error().description())));
    return tl::unexpected(problems.take());
  }
  read_top(parsed.table(), config, problems);
  check_together(parsed.table(), config, problems);
  if (!problems.none()) return tl::unexpected(problems.take());
  return config;
}

tl::expected<Config, ConfigErrors> load_config(const std::filesystem::path& path) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) {
    return cannot_read(path, "this is a directory; name the file, such as /etc/ppspp/ppsppd.toml");
  }
  if (!file) {
    return cannot_read(path,
                       fmt::format("cannot be read: {}", std::generic_category().message(errno)));
  }
  std::string text(kMostOctets + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (file.bad()) return cannot_read(path, "cannot be read: the disk failed");
  if (text.size() > kMostOctets) {
    return cannot_read(path, "is larger than 1 MiB; this is no configuration");
  }
  return parse_config(text, path);
}

}  // namespace ppspp::daemon
