// TransportAddress to and from the system's socket addresses.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include "ppspp/transport_address.h"

namespace ppspp {

// The address as a socket of its own IP version takes it. Returns the length.
socklen_t to_sockaddr(const TransportAddress& address, sockaddr_storage& out);
TransportAddress from_sockaddr(const sockaddr_storage& address);

}  // namespace ppspp
