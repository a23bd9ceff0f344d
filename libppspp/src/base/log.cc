#include "base/log.h"

#include <utility>

namespace ppspp {
namespace {

struct Log {
  LogLevel lowest = LogLevel::error;
  LogSink sink;
};

Log& the_log() {
  static Log log;
  return log;
}

}  // namespace

void set_log_sink(LogLevel lowest, LogSink sink) { the_log() = {lowest, std::move(sink)}; }

bool log_enabled(LogLevel level) { return the_log().sink && level >= the_log().lowest; }

void log_line(LogLevel level, std::string_view line) {
  if (log_enabled(level)) the_log().sink(level, line);
}

}  // namespace ppspp
