// The networks that this host is on.
#pragma once

#include <span>
#include <vector>

#include "discovery/local_discovery.h"
#include "ppspp/transport_address.h"

namespace ppspp {

// The links of all interfaces that are up on which others can reach one of `ports`, the addresses
// of UDP sockets: of each interface at most one for each IP version. Tunnels are no local networks.
std::vector<LocalLink> local_links(std::span<const TransportAddress> ports);

}  // namespace ppspp
