// From where the address of a peer is known: what it is worth, and how many of its kind a swarm
// keeps (RFC 7574, 3.10, 12.2).
#pragma once

#include <cstddef>
#include <cstdint>

namespace ppspp {

enum class PeerSource : std::uint8_t {
  user,       // named by the user, or in the URL
  tracker,    // by a tracker (RFC 7846)
  pex,        // by another peer, without proof (PEX_RESv4, PEX_RESv6)
  certified,  // by another peer, with a membership certificate that holds (PEX_REScert)
  local,      // found on the same network
  inbound,    // it came to us
};
inline constexpr std::size_t kPeerSources = 6;

}  // namespace ppspp
