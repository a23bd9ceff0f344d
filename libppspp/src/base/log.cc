#include "base/log.h"

#include <atomic>
#include <utility>

namespace ppspp {
namespace {

struct Log {
  std::atomic<LogLevel> lowest = LogLevel::error;
  LogSink sink;
};

Log& the_log() {
  static Log log;
  return log;
}

}  // namespace

void set_log_sink(LogLevel lowest, LogSink sink) {
  set_log_level(lowest);
  the_log().sink = std::move(sink);
}

void set_log_level(LogLevel lowest) {
  the_log().lowest.store(lowest, std::memory_order_relaxed);
}

bool log_enabled(LogLevel level) {
  return the_log().sink && level >= the_log().lowest.load(std::memory_order_relaxed);
}

void log_line(LogLevel level, std::string_view line) {
  if (log_enabled(level)) the_log().sink(level, line);
}

}  // namespace ppspp
