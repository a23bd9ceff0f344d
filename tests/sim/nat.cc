#include "sim/nat.h"

namespace ppspp::sim {

std::optional<std::uint16_t> Nat::translate(const TransportAddress& to, SimTime now) {
  if (options_.kind == NatKind::none) return std::nullopt;
  const TransportAddress whom = options_.kind == NatKind::symmetric ? to : TransportAddress();
  Mapping& mapping = mappings_[whom];
  if (mapping.port == 0 || !lives(mapping.used, now)) mapping = {.port = next_port_++};
  mapping.used = now;
  mapping.sent_to[to] = now;
  return mapping.port;
}

bool Nat::admits(const TransportAddress& from, std::uint16_t port, SimTime now) const {
  if (options_.kind == NatKind::none) return port == kOpenPort;
  for (const auto& [whom, mapping] : mappings_) {
    if (mapping.port != port || !lives(mapping.used, now)) continue;
    if (options_.kind == NatKind::full_cone) return true;
    for (const auto& [address, used] : mapping.sent_to) {
      if (address.v4_address() != from.v4_address() || !lives(used, now)) continue;
      if (options_.kind == NatKind::address_restricted || address == from) return true;
    }
  }
  return false;
}

}  // namespace ppspp::sim
