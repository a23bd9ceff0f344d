// Swarm URLs: `ppspp:<swarm ID in hex>[?key=value[&key=value...]]`, percent-encoded (RFC 3986).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ppspp/result.h"
#include "ppspp/swarm_metadata.h"

namespace ppspp {

struct SwarmUrl {
  SwarmMetadata metadata;
  std::string display_name;        // dn, any UTF-8: see file_name()
  std::vector<std::string> peers;  // peer: "host:port" as written; names are resolved by the user
  std::vector<std::string> trackers;  // tracker

  // Also takes a bare swarm ID of 40 to 128 hex digits; without `mhf` the hash function of a bare
  // ID or URL is the default, SHA-256, whatever the ID's length (validate() names the mismatch),
  // but a bare ID whose length fits exactly one other function gets that function. Each value is
  // checked by itself; validate() is left to the caller, whose options may still correct the
  // metadata.
  static Result<SwarmUrl> parse(std::string_view text);
  // Only what differs from the defaults, and `len`.
  std::string to_string() const;
  // The display name as the name of a file: no '/', no control characters, no leading dot, not too
  // long. The swarm ID where there is no display name.
  std::string file_name() const;
};

// "host:port", "192.0.2.1:6778" or "[::1]:6778", split. The port is not optional.
struct HostPort {
  std::string host;  // without brackets
  std::uint16_t port = 0;
  // An IPv6 address stands in brackets. Port 0 is accepted: a peer must not have it, a listener
  // may.
  static Result<HostPort> parse(std::string_view text);
};

}  // namespace ppspp
