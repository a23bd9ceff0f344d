// Which addresses may be told to whom, and believed of whom (RFC 7574, 8.13 #180, decision 24):
// internal ones stay in their network.
#pragma once

#include <optional>

#include "ppspp/transport_address.h"

namespace ppspp {

// Whether `told` may be told to the peer at `to`. Its own address is of no use to it.
bool may_tell(const TransportAddress& told, const TransportAddress& to);

// The address as the peer at `teller` means it; nothing: it cannot be a peer, or it is none that
// this peer may know: it would send us to our own network. Link-local ones are in the teller's.
std::optional<TransportAddress> as_told(const TransportAddress& told,
                                        const TransportAddress& teller);

}  // namespace ppspp
