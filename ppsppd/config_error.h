// What is wrong with a configuration file.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace ppspp::daemon {

struct ConfigError {
  std::string file;
  std::size_t line = 0;  // 0: the file as a whole
  std::string message;   // what is wrong, and what would be right

  std::string to_string() const;  // "FILE:LINE: MESSAGE"
};

using ConfigErrors = std::vector<ConfigError>;  // by line; at most kMostErrors

inline constexpr std::size_t kMostErrors = 100;

}  // namespace ppspp::daemon
