// Server-sent events, out of the octets of a stream.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "ppspp/result.h"

namespace ppspp::tools {

class EventParser {
 public:
  static constexpr std::size_t kMaxEvent = std::size_t{1} << 20;  // octets

  // Calls `take` with the data of each event that is complete. Comments and fields other than data
  // are skipped. An event that is too large is an error, and the parser of no use any more.
  Result<void> feed(std::string_view octets,
                    const std::function<void(const std::string& data)>& take);

 private:
  void end_line(const std::function<void(const std::string& data)>& take);

  std::string line_;
  std::string data_;
  bool has_data_ = false;
  bool after_return_ = false;
};

}  // namespace ppspp::tools
