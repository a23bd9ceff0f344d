// The tracker as certification authority (RFC 7574, 12.2.2): one key for all swarms that have one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "ppspp/swarm_metadata.h"
#include "ppspp/transport_address.h"
#include "sim/sim_clock.h"

namespace ppspp::sim {

// Its key, as metadata of swarms name it.
std::vector<std::byte> authority_key();
// What the authority's clock shows: seconds since 1970. Those of nodes are a few seconds off.
std::uint64_t authority_seconds(SimTime time);
// That the peer at an address is a member of a swarm, for so long. The same each time.
std::vector<std::byte> certify(const SwarmId& swarm, const TransportAddress& peer, SimTime from,
                               std::uint64_t seconds);

}  // namespace ppspp::sim
