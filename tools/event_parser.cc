#include "event_parser.h"

#include <utility>

namespace ppspp::tools {

Result<void> EventParser::feed(std::string_view octets,
                               const std::function<void(const std::string& data)>& take) {
  for (const char c : octets) {
    const bool second_half = after_return_ && c == '\n';  // of one end of a line
    after_return_ = c == '\r';
    if (second_half) continue;
    if (c == '\n' || c == '\r') {
      end_line(take);
    } else if (line_.size() + data_.size() >= kMaxEvent) {
      return fail(Errc::io, "an event is too large");
    } else {
      line_.push_back(c);
    }
  }
  return {};
}

void EventParser::end_line(const std::function<void(const std::string& data)>& take) {
  const std::string line = std::exchange(line_, {});
  if (line.empty()) {
    if (std::exchange(has_data_, false)) take(std::exchange(data_, {}));
    return;
  }
  const std::size_t colon = line.find(':');
  if (line.substr(0, colon) != "data") return;
  std::string value = colon == std::string::npos ? "" : line.substr(colon + 1);
  if (value.starts_with(' ')) value.erase(0, 1);
  if (std::exchange(has_data_, true)) data_.push_back('\n');
  data_ += value;
}

}  // namespace ppspp::tools
