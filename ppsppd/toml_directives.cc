#include "toml_directives.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fstream>
#include <sstream>
#include <system_error>

namespace ppspp::daemon {
namespace {

constexpr std::size_t kMostFileOctets = 1 << 20;

// What stands there, in words, for "..., not X".
std::string shown(const toml::node& node) {
  if (const auto* text = node.as_string()) return ppspp::quoted(text->get());
  if (const auto* number = node.as_integer()) return fmt::format("{}", number->get());
  if (const auto* flag = node.as_boolean()) return flag->get() ? "true" : "false";
  if (node.is_array()) return "a list";
  if (node.is_table()) return "a table";
  return "a value of another type";
}

bool is_control(char octet) {
  const auto value = static_cast<unsigned char>(octet);
  return (value < 0x20 && octet != '\t' && octet != '\n' && octet != '\r') || value == 0x7f;
}

std::string listed(const std::vector<std::string_view>& names) {
  std::string text;
  for (const std::string_view name : names) {
    text += fmt::format("{}{}", text.empty() ? "" : ", ", name);
  }
  return text;
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

constexpr std::array<std::pair<std::string_view, LogLevel>, 4> kLevels = {
    {{"error", LogLevel::error},
     {"warning", LogLevel::warning},
     {"info", LogLevel::info},
     {"debug", LogLevel::debug}}};

}  // namespace

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

Result<TransportAddress> parse_address(std::string_view text) {
  const auto address = TransportAddress::parse(text);
  if (address) return *address;
  return fail(Errc::invalid_argument,
              fmt::format("{} is not an address and port; write numbers, as \"127.0.0.1:8778\" or "
                          "\"[::1]:8778\"",
                          ppspp::quoted(text)));
}

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

std::string about_unknown(std::string_view key, std::string_view section,
                          const std::vector<std::string_view>& names, std::string_view home) {
  const std::string begin =
      fmt::format("{} is not a directive of [{}]; ", ppspp::quoted(key), section);
  if (const auto near = nearest_name(key, names); !near.empty()) {
    return begin + fmt::format("did you mean {}?", near);
  }
  if (!home.empty()) {
    return begin + fmt::format("it belongs to [{}]", home);
  }
  return begin + fmt::format("there are: {}", listed(names));
}

std::string about_unknown_section(std::string_view name, const std::vector<std::string_view>& names,
                                  std::string_view home) {
  if (!home.empty()) {
    return fmt::format("{} stands outside of its section; write it below [{}]", ppspp::quoted(name),
                       home);
  }
  const std::string begin = fmt::format("there is no section [{}]; ", name.substr(0, 64));
  const auto near = nearest_name(name, names);
  if (!near.empty()) return begin + fmt::format("did you mean [{}]?", near);
  return begin + fmt::format("there are: {}", listed(names));
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

tl::expected<std::string, ConfigErrors> read_config_file(const std::filesystem::path& path) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) {
    return cannot_read(path, "this is a directory; name the file");
  }
  if (!file) {
    return cannot_read(path,
                       fmt::format("cannot be read: {}", std::generic_category().message(errno)));
  }
  std::string text(kMostFileOctets + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (file.bad()) return cannot_read(path, "cannot be read: the disk failed");
  if (text.size() > kMostFileOctets) {
    return cannot_read(path, "is larger than 1 MiB; this is no configuration");
  }
  return text;
}

std::optional<toml::table> parse_toml(std::string_view text, ConfigProblems& problems) {
  // TOML allows them nowhere, and its parser takes for granted in places that none comes.
  const auto control = std::ranges::find_if(text, is_control);
  if (control != text.end()) {
    const auto line = 1 + std::count(text.begin(), control, '\n');
    const toml::source_position where{static_cast<toml::source_index>(line), 1};
    problems.add({where, where, {}},
                 fmt::format("this is not TOML: there is a control character, 0x{:02x}; remove it",
                             static_cast<unsigned char>(*control)));
    return std::nullopt;
  }
  toml::parse_result parsed = toml::parse(text);
  if (parsed) return std::move(parsed).table();
  problems.add(parsed.error().source(),
               fmt::format("this is not TOML: {}", readable(parsed.error().description())));
  return std::nullopt;
}

}  // namespace ppspp::daemon
