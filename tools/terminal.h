// Progress for people: one line on standard error that is written anew, only if it is a terminal.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ppspp::tools {

bool shows_progress();
void show_progress(std::string_view line);  // cut to the terminal's width
void clear_progress();

std::string format_size(double octets);                      // "1.4 MiB"
std::string format_duration(std::chrono::seconds duration);  // "1:02:03" or "2:03"
std::string format_bar(double part, std::size_t width);      // "[=====>    ]"

// What is left to do at a rate that follows the last seconds.
class RateMeter {
 public:
  using Clock = std::chrono::steady_clock;

  void update(std::uint64_t octets, Clock::time_point now);
  double rate() const { return rate_; }  // octets per second
  std::optional<std::chrono::seconds> time_for(std::uint64_t octets) const;

 private:
  std::optional<Clock::time_point> last_;
  std::uint64_t octets_ = 0;
  double rate_ = 0;
  bool has_rate_ = false;
};

}  // namespace ppspp::tools
