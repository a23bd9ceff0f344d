// Addresses as PEX_RESv4 and PEX_RESv6 carry them (RFC 7574, 8.13).
#pragma once

#include "ppspp/transport_address.h"
#include "wire/message.h"

namespace ppspp {

inline TransportAddress address_in(const PexResV4& message) {
  return TransportAddress::v4(message.address, message.port);
}
// An IPv4 address must not come in disguise: past the rules for those, as an IPv6 one.
inline TransportAddress address_in(const PexResV6& message) {
  const auto address = TransportAddress::v6(message.address, message.port);
  return address.is_v4() ? TransportAddress() : address;
}

}  // namespace ppspp
