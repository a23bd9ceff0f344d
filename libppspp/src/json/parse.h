// JSON text from outside, with bounds. Boost.JSON is compiled in this module and nowhere else: what
// uses it includes <boost/json.hpp>, in as few sources as can be, and links ppspp_json.
#pragma once

#include <boost/json/fwd.hpp>
#include <cstddef>
#include <string_view>

#include "ppspp/result.h"

namespace ppspp {

struct JsonBounds {
  std::size_t longest = 0;  // octets
  std::size_t depth = 8;
};

// The error is one line that begins with "it is longer" or "not JSON".
Result<boost::json::value> parse_json(std::string_view text, const JsonBounds& bounds);

}  // namespace ppspp
