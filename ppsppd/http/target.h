// The target of a request (RFC 9112, section 3.2): what it names, decoded and made safe.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ppspp::http {

struct Target {
  std::string path;  // decoded; begins with '/', has no "..", no '.' and no control characters
  std::vector<std::pair<std::string, std::string>> query;  // decoded, in order
};

// Origin form ("/a/b?c=d") or absolute form ("http://host/a"). Nothing: not a target that we serve.
// A '+' is a plus, as in swarm URLs.
std::optional<Target> parse_target(std::string_view target);

// The segments of the target's path, each decoded by itself, so that one may contain a '/' that was
// encoded; "/a/b%2Fc/" has "a", "b/c" and "". Nothing as above.
std::optional<std::vector<std::string>> path_segments(std::string_view target);

}  // namespace ppspp::http
