#include "discovery/pex_rules.h"

namespace ppspp {
namespace {

bool is_link_local(const TransportAddress& address) {
  return !address.is_v4() && address.bytes()[0] == 0xfe && (address.bytes()[1] & 0xc0) == 0x80;
}

bool is_multicast(const TransportAddress& address) {  // or reserved, broadcast included
  return address.is_v4() ? address.bytes()[12] >= 224 : address.bytes()[0] == 0xff;
}

bool is_of_this_network(const TransportAddress& address) {  // 0.0.0.0/8
  return address.is_v4() && address.bytes()[12] == 0;
}

// Whether who is at `to` can be in the network where `told` means something.
bool shares_network(const TransportAddress& told, const TransportAddress& to) {
  if (!told.is_internal()) return true;
  if (!to.is_internal()) return false;
  if (told.is_loopback()) return to.is_loopback();
  return !is_link_local(told) || (is_link_local(to) && told.scope_id() == to.scope_id());
}

}  // namespace

bool may_tell(const TransportAddress& told, const TransportAddress& to) {
  return told != to && shares_network(told, to);
}

std::optional<TransportAddress> as_told(const TransportAddress& told,
                                        const TransportAddress& teller) {
  if (told.port() == 0 || told.is_unspecified() || is_multicast(told) || is_of_this_network(told)) {
    return std::nullopt;
  }
  const TransportAddress meant =
      is_link_local(told) ? TransportAddress::v6(told.bytes(), told.port(), teller.scope_id())
                          : told;
  if (!shares_network(meant, teller)) return std::nullopt;
  return meant;
}

}  // namespace ppspp
