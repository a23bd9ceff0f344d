#include "terminal.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace ppspp::tools {
namespace {

bool line_shown = false;

std::size_t terminal_width() {
  winsize size = {};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return size.ws_col;
}

}  // namespace

bool shows_progress() {
  static const bool is_terminal = isatty(STDERR_FILENO) == 1;
  return is_terminal;
}

void show_progress(std::string_view line) {
  if (!shows_progress()) return;
  const std::string text = fmt::format("\r{}\x1b[K", line.substr(0, terminal_width() - 1));
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
  line_shown = true;
}

void clear_progress() {
  if (!line_shown) return;
  std::fputs("\r\x1b[K", stderr);
  line_shown = false;
}

std::string format_size(double octets) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  std::size_t unit = 0;
  while (octets >= 999.5 && unit + 1 < std::size(kUnits)) {
    octets /= 1024;
    ++unit;
  }
  return unit == 0 ? fmt::format("{:.0f} B", octets)
                   : fmt::format("{:.{}f} {}", octets, octets < 99.95 ? 1 : 0, kUnits[unit]);
}

std::string format_duration(std::chrono::seconds duration) {
  const auto seconds = duration.count();
  const auto hours = seconds / 3600;
  if (hours > 0) return fmt::format("{}:{:02}:{:02}", hours, seconds / 60 % 60, seconds % 60);
  return fmt::format("{}:{:02}", seconds / 60, seconds % 60);
}

std::string format_bar(double part, std::size_t width) {
  const auto filled =
      static_cast<std::size_t>(std::floor(std::clamp(part, 0.0, 1.0) * static_cast<double>(width)));
  std::string bar(filled, '=');
  if (filled < width) bar += '>';
  bar.resize(width, ' ');
  return fmt::format("[{}]", bar);
}

// Smoothed over about three seconds, weighted by the time that an update stands for.
void RateMeter::update(std::uint64_t octets, Clock::time_point now) {
  if (last_ && now > *last_) {
    const double seconds = std::chrono::duration<double>(now - *last_).count();
    const double fresh = static_cast<double>(octets - std::min(octets, octets_)) / seconds;
    const double weight = has_rate_ ? 1 - std::exp(-seconds / 3) : 1;
    rate_ += weight * (fresh - rate_);
    has_rate_ = true;
  }
  last_ = now;
  octets_ = octets;
}

std::optional<std::chrono::seconds> RateMeter::time_for(std::uint64_t octets) const {
  if (rate_ < 1) return std::nullopt;
  const double seconds = static_cast<double>(octets) / rate_;
  if (seconds > 359'999) return std::nullopt;  // a hundred hours say nothing
  return std::chrono::seconds(static_cast<std::int64_t>(std::ceil(seconds)));
}

}  // namespace ppspp::tools
