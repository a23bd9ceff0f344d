// Configuration files in TOML as tables of directives: how each is read, checked and printed. For
// the daemon's and the tracker's.
#pragma once

#include <fmt/format.h>
#include <fmt/ranges.h>
// It asserts that texts are as they should be in places where they need not be, '[.' for one, and
// goes on to report them properly.
#define TOML_ASSERT(condition) static_cast<void>(0)
#include <toml++/toml.h>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/log.h"
#include "config_error.h"
#include "config_values.h"
#include "metadata/text.h"
#include "ppspp/result.h"
#include "ppspp/transport_address.h"

namespace ppspp::daemon {

// Collects what is wrong, with the lines.
class ConfigProblems {
 public:
  explicit ConfigProblems(std::string file) : file_(std::move(file)) {}

  void add(const toml::source_region& where, std::string message);
  void add(const toml::node& node, std::string message) { add(node.source(), std::move(message)); }
  bool none() const { return errors_.empty(); }
  ConfigErrors take();  // by line

 private:
  std::string file_;
  ConfigErrors errors_;
};

template <typename Owner>
struct Directive {
  std::string_view name;
  std::function<void(const toml::node&, Owner&, ConfigProblems&)> read;
  std::function<std::string(const Owner&)> print;  // the value, in TOML; empty: there is none
  bool needs_restart = false;  // a change cannot be taken over while the daemon runs
};

template <typename Owner>
struct DirectiveSection {
  std::string_view name;
  std::vector<Directive<Owner>> directives;
};

// "NAME: must be RIGHT, not what stands there".
void wrong_type(const toml::node& node, std::string_view name, std::string_view right,
                ConfigProblems& problems);
std::string print_text(std::string_view text);

Result<TransportAddress> parse_address(std::string_view text);
Result<LogLevel> parse_level(std::string_view text);
std::string print_level(LogLevel level);

inline constexpr auto kAsItIs = [](const auto& text) { return std::string(text); };
inline constexpr auto kPrintAddress = [](const TransportAddress& address) {
  return address.to_string();
};

#define PPSPP_MEMBER(path)   \
  [](auto& owner) -> auto& { \
    return owner.path;       \
  }

// A member that one text or number stands for: parse() and print() as in owner_values.h.
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

template <typename Owner, typename Get>
Directive<Owner> number_directive(std::string_view name, Get get, std::int64_t least,
                                  std::int64_t most) {
  const auto read = [=](const toml::node& node, Owner& owner, ConfigProblems& problems) {
    const auto* number = node.as_integer();
    if (number == nullptr || number->get() < least || number->get() > most) {
      return wrong_type(node, name, fmt::format("a number from {} to {}", least, most), problems);
    }
    using Value = std::remove_cvref_t<decltype(get(owner))>;
    get(owner) = static_cast<Value>(number->get());
  };
  return {name, read, [=](const Owner& owner) { return fmt::format("{}", get(owner)); }};
}

template <typename Owner, typename Get>
Directive<Owner> flag_directive(std::string_view name, Get get) {
  const auto read = [=](const toml::node& node, Owner& owner, ConfigProblems& problems) {
    const auto* flag = node.as_boolean();
    if (flag == nullptr) return wrong_type(node, name, "true or false", problems);
    get(owner) = flag->get();
  };
  return {name, read, [=](const Owner& owner) { return get(owner) ? "true" : "false"; }};
}

inline constexpr std::size_t kMostElements = 10'000;

// A list of texts; one text stands for a list of one.
template <typename Owner, typename Get, typename Parse, typename Print>
Directive<Owner> list_directive(std::string_view name, std::string_view right, Get get, Parse parse,
                                Print print) {
  const auto read = [=](const toml::node& node, Owner& owner, ConfigProblems& problems) {
    get(owner).clear();
    const auto take = [&](const toml::node& element) {
      const auto* text = element.as_string();
      if (text == nullptr) return wrong_type(element, name, right, problems);
      auto value = parse(std::string_view(text->get()));
      if (!value) {
        problems.add(element, fmt::format("{}: {}", name, value.error().context));
      } else if (std::find(get(owner).begin(), get(owner).end(), *value) != get(owner).end()) {
        problems.add(element, fmt::format("{}: {} is there twice; leave one of the two away", name,
                                          ppspp::quoted(text->get())));
      } else {
        get(owner).push_back(std::move(*value));
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
  return {name, read, [=](const Owner& owner) {
            std::vector<std::string> texts;
            for (const auto& value : get(owner)) texts.push_back(print_text(print(value)));
            return fmt::format("[{}]", fmt::join(texts, ", "));
          }};
}

// --- Reading a file

template <typename Directives>
std::vector<std::string_view> names_of(const Directives& directives) {
  std::vector<std::string_view> names;
  for (const auto& directive : directives) names.push_back(directive.name);
  return names;
}

// The section that has a directive of this name, if any.
template <typename Owner>
std::string_view home_of(const std::vector<DirectiveSection<Owner>>& sections,
                         std::string_view name) {
  for (const auto& section : sections) {
    const auto names = names_of(section.directives);
    if (std::find(names.begin(), names.end(), name) != names.end()) return section.name;
  }
  return {};
}

std::string about_unknown(std::string_view key, std::string_view section,
                          const std::vector<std::string_view>& names, std::string_view home);
std::string about_unknown_section(std::string_view name, const std::vector<std::string_view>& names,
                                  std::string_view home);

inline auto is_named(std::string_view name) {
  return [name](const auto& each) { return each.name == name; };
}

template <typename Owner, typename Home>
void read_table(const toml::table& table, std::string_view section,
                const std::vector<Directive<Owner>>& directives, Home home, Owner& owner,
                ConfigProblems& problems) {
  for (const auto& [key, node] : table) {
    const auto directive = std::find_if(directives.begin(), directives.end(), is_named(key.str()));
    if (directive == directives.end()) {
      problems.add(key.source(),
                   about_unknown(key.str(), section, names_of(directives), home(key.str())));
    } else {
      directive->read(node, owner, problems);
    }
  }
}

// All of a file. `other` reads what is no section and says whether it was one of its own;
// `other_names` are those, for what is said of unknown ones.
template <typename Owner, typename Other>
void read_sections(const toml::table& top, const std::vector<DirectiveSection<Owner>>& sections,
                   const std::vector<std::string_view>& other_names, Other other, Owner& owner,
                   ConfigProblems& problems) {
  const auto home = [&](std::string_view name) { return home_of(sections, name); };
  for (const auto& [key, node] : top) {
    if (other(key.str(), node)) continue;
    const auto section = std::find_if(sections.begin(), sections.end(), is_named(key.str()));
    if (section == sections.end()) {
      std::vector<std::string_view> names = names_of(sections);
      names.insert(names.end(), other_names.begin(), other_names.end());
      problems.add(key.source(),
                   about_unknown_section(utf8_front(key.str(), 64), names,
                                         node.is_table() ? std::string_view() : home(key.str())));
    } else if (!node.is_table()) {
      problems.add(node,
                   fmt::format("{0} is a section; write [{0}] on a line of its own", key.str()));
    } else {
      read_table(*node.as_table(), section->name, section->directives, home, owner, problems);
    }
  }
}

// Every directive with its value, as TOML.
template <typename Owner>
std::string print_sections(const std::vector<DirectiveSection<Owner>>& sections,
                           const Owner& owner) {
  std::string text;
  for (const auto& section : sections) {
    text += fmt::format("{}[{}]\n", text.empty() ? "" : "\n", section.name);
    for (const auto& directive : section.directives) {
      text += fmt::format("{} = {}\n", directive.name, directive.print(owner));
    }
  }
  return text;
}

// The octets of a file that is small enough to be a configuration.
tl::expected<std::string, ConfigErrors> read_config_file(const std::filesystem::path& path);
// Nothing, and a problem: it is not TOML.
std::optional<toml::table> parse_toml(std::string_view text, ConfigProblems& problems);

}  // namespace ppspp::daemon
