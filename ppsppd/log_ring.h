// The last lines of the log, for /v1/log and for those who watch. Process-wide, as the log is; may
// be used from any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"

namespace ppspp::daemon {

struct LogLine {
  std::int64_t at = 0;  // seconds since 1970
  LogLevel level = LogLevel::info;
  std::string message;
};

// Names as in the control API.
std::string_view to_string(LogLevel level);

class LogRing {
 public:
  static constexpr std::size_t kLines = 1'000;
  static constexpr std::size_t kLineLength = 1'024;  // octets; longer ones are cut

  // The program's log sink hands every line here.
  void add(LogLevel level, std::string_view message);
  std::vector<LogLine> last(std::size_t lines) const;  // oldest first
  // Called for every line, from the thread that logs it; must not log. Empty: nobody.
  void set_observer(std::function<void(const LogLine&)> observer);

 private:
  mutable std::mutex mutex_;
  std::deque<LogLine> lines_;
  std::function<void(const LogLine&)> observer_;
};

LogRing& log_ring();

}  // namespace ppspp::daemon
