#include "config.h"

#include <fmt/format.h>

#include <algorithm>

#include "config_directives.h"
#include "config_values.h"
#include "metadata/text.h"

namespace ppspp::daemon {
namespace {

constexpr std::size_t kMostScheduleEntries = 200;
constexpr std::string_view kSchedule = "schedule";

std::string_view home(std::string_view name) {
  return home_of(config_sections(), name);
}

void read_schedule_entry(const toml::table& table, Config& config, ConfigProblems& problems) {
  ScheduleEntry entry;
  read_table(table, "[schedule]", schedule_directives(), home, entry, problems);
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

void read_top(const toml::table& top, Config& config, ConfigProblems& problems) {
  const auto other = [&](std::string_view key, const toml::node& node) {
    if (key == kSchedule) read_schedule(node, config, problems);
    return key == kSchedule;
  };
  read_sections(top, config_sections(), {kSchedule}, other, config, problems);
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

}  // namespace

Config::Config() {
  node.listen = {TransportAddress::v6({}, 6778)};
  gateway.listen = TransportAddress::v4(0x7f000001, 8778);
}

tl::expected<Config, ConfigErrors> parse_config(std::string_view text,
                                                const std::filesystem::path& path) {
  ConfigProblems problems(path.string());
  Config config;
  config.path = path;
  if (const auto top = parse_toml(text, problems)) {
    read_top(*top, config, problems);
    check_together(*top, config, problems);
  }
  if (!problems.none()) return tl::unexpected(problems.take());
  return config;
}

tl::expected<Config, ConfigErrors> load_config(const std::filesystem::path& path) {
  const auto text = read_config_file(path);
  if (!text) return tl::unexpected(text.error());
  return parse_config(*text, path);
}

}  // namespace ppspp::daemon
