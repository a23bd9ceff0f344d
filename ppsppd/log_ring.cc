#include "log_ring.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace ppspp::daemon {
namespace {

std::int64_t seconds_now() {
  return std::chrono::duration_cast<std::chrono::seconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

std::string_view to_string(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return "debug";
    case LogLevel::info:
      return "info";
    case LogLevel::warning:
      return "warning";
    case LogLevel::error:
      return "error";
  }
  return "error";
}

void LogRing::add(LogLevel level, std::string_view message) {
  const std::lock_guard lock(mutex_);
  lines_.push_back({seconds_now(), level, std::string(message.substr(0, kLineLength))});
  if (lines_.size() > kLines) lines_.pop_front();
  if (observer_) observer_(lines_.back());
}

std::vector<LogLine> LogRing::last(std::size_t lines) const {
  const std::lock_guard lock(mutex_);
  const std::size_t count = std::min(lines, lines_.size());
  return {lines_.end() - static_cast<std::ptrdiff_t>(count), lines_.end()};
}

void LogRing::set_observer(std::function<void(const LogLine&)> observer) {
  const std::lock_guard lock(mutex_);
  observer_ = std::move(observer);
}

LogRing& log_ring() {
  static LogRing ring;
  return ring;
}

}  // namespace ppspp::daemon
