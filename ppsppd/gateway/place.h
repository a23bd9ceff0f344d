// What the URL of a request names.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "http/http_server.h"
#include "ppspp/result.h"
#include "ppspp/swarm_url.h"

namespace ppspp::daemon {

struct Place {
  SwarmUrl url;
  std::string swarm;               // as it stands in the path, decoded
  std::vector<std::string> names;  // what stands behind it; the last is empty behind a '/'
  bool download = false;           // ?download: to be kept, not shown

  // "a/b.ts"
  std::string path() const;
  // The last of the names; empty if there is none.
  std::string_view name() const;
  // The same with a '/' behind it, as a path.
  std::string with_slash() const;
};

// Of a target below "/swarm/". Keys of the query that are keys of swarm URLs are added to the URL.
// Errors: not_found (it is not below), invalid_argument.
Result<Place> parse_place(const http::Request& request);

// For a path: '/' is encoded as well.
std::string encode_segment(std::string_view segment);
// For a value of a header's parameter (RFC 8187).
std::string encode_extended(std::string_view text);

}  // namespace ppspp::daemon
