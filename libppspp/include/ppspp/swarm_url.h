// Swarm URLs: `ppspp:<swarm ID in hex>[?key=value[&key=value...]]`, percent-encoded (RFC 3986).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ppspp/result.h"
#include "ppspp/swarm_metadata.h"

namespace ppspp {

struct SwarmUrl {
  SwarmMetadata metadata;
  std::string display_name;           // dn; never with a '/' or a leading dot when used as a file name
  std::vector<std::string> peers;     // peer: "host:port" as written; names are resolved by the user
  std::vector<std::string> trackers;  // tracker

  // Also takes a bare swarm ID of 40 to 128 hex digits; without `mhf` the hash function of a bare ID
  // or URL is the default, SHA-256, whatever the ID's length (validate() names the mismatch), but a
  // bare ID whose length fits exactly one other function gets that function.
  static Result<SwarmUrl> parse(std::string_view text);
  // Only what differs from the defaults, and `len`.
  std::string to_string() const;
};

// "host:port", "192.0.2.1:6778" or "[::1]:6778", split. The port is not optional.
struct HostPort {
  std::string host;  // without brackets
  std::uint16_t port = 0;
  static Result<HostPort> parse(std::string_view text);
};

}  // namespace ppspp
