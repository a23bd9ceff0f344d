// The log of the library: lines with a level, handed to one sink that the program installs. The
// default sink drops them. What a hostile peer can cause is never above `debug`.
#pragma once

#include <fmt/format.h>

#include <functional>
#include <string_view>

namespace ppspp {

enum class LogLevel { debug, info, warning, error };

using LogSink = std::function<void(LogLevel, std::string_view)>;

// Not synchronised: install the sink before the first Node is opened.
void set_log_sink(LogLevel lowest, LogSink sink);
void set_log_level(LogLevel lowest);  // at any time, from any thread
bool log_enabled(LogLevel level);
void log_line(LogLevel level, std::string_view line);

template <typename... Args>
void log(LogLevel level, fmt::format_string<Args...> format, Args&&... args) {
  if (log_enabled(level)) log_line(level, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace ppspp
