#include "json/parse.h"

#include <fmt/format.h>

#include <boost/json/src.hpp>

namespace ppspp {

namespace json = boost::json;

Result<json::value> parse_json(std::string_view text, const JsonBounds& bounds) {
  if (text.size() > bounds.longest) {
    return fail(Errc::invalid_argument, fmt::format("it is longer than {} octets", bounds.longest));
  }
  json::parse_options options;
  options.max_depth = bounds.depth;
  json::error_code error;
  json::value value =
      json::parse(json::string_view(text.data(), text.size()), error, json::storage_ptr(), options);
  if (error) return fail(Errc::invalid_argument, fmt::format("not JSON: {}", error.message()));
  return value;
}

}  // namespace ppspp
