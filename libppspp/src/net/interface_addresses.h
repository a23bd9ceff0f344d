// The addresses of this host.
#pragma once

#include <vector>

#include "ppspp/transport_address.h"

namespace ppspp {

// Where others may reach sockets that are bound to `listening`: these themselves, and in place of
// an unspecified one the addresses of the interfaces that are up, with its port. Not link-local
// ones; loopback only where there is nothing else. At most kMaxInterfaceAddresses, public ones
// first.
inline constexpr std::size_t kMaxInterfaceAddresses = 8;
std::vector<TransportAddress> reachable_addresses(const std::vector<TransportAddress>& listening);

}  // namespace ppspp
