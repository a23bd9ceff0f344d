// The URL of a tracker: http://host[:port][/path][?query], or https.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "ppspp/result.h"

namespace ppspp::tracker {

struct Url {
  bool tls = false;
  std::string host;  // a name or an address; without brackets
  std::uint16_t port = 0;
  std::string target = "/";  // path and query

  static constexpr std::size_t kMaxSize = 2'048;

  static Result<Url> parse(std::string_view text);
  // In one form, by which two ways to write it are found equal: no default port, a lower-case host.
  std::string to_string() const;
  std::string authority() const;  // for the field Host
  friend bool operator==(const Url&, const Url&) = default;
};

}  // namespace ppspp::tracker
