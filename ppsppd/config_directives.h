// The table of all directives: how each is read, checked and printed. Everything else that walks
// over the configuration walks over this table.
#pragma once

#include <toml++/toml.h>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "config.h"

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

struct Section {
  std::string_view name;
  std::vector<Directive<Config>> directives;
};

// In the order in which they are printed.
const std::vector<Section>& config_sections();
const std::vector<Directive<ScheduleEntry>>& schedule_directives();

}  // namespace ppspp::daemon
