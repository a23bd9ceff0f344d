#include "net/interface_addresses.h"

#include <ifaddrs.h>
#include <net/if.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "net/socket_address.h"

namespace ppspp {
namespace {

TransportAddress with_port(const TransportAddress& address, std::uint16_t port) {
  return address.is_v4() ? TransportAddress::v4(address.v4_address(), port)
                         : TransportAddress::v6(address.bytes(), port, address.scope_id());
}

bool is_link_local(const TransportAddress& address) {
  const auto& octets = address.bytes();
  if (address.is_v4()) return octets[12] == 169 && octets[13] == 254;
  return octets[0] == 0xfe && (octets[1] & 0xc0) == 0x80;
}

// Those of interfaces that are up.
std::vector<TransportAddress> all_addresses() {
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return {};
  const std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> freed(list, freeifaddrs);
  std::vector<TransportAddress> addresses;
  for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
    if (entry->ifa_addr == nullptr || (entry->ifa_flags & IFF_UP) == 0) continue;
    const int family = entry->ifa_addr->sa_family;
    if (family != AF_INET && family != AF_INET6) continue;
    sockaddr_storage storage = {};
    std::memcpy(&storage, entry->ifa_addr,
                family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6));
    const auto address = from_sockaddr(storage);
    if (!is_link_local(address)) addresses.push_back(address);
  }
  return addresses;
}

}  // namespace

std::vector<TransportAddress> reachable_addresses(const std::vector<TransportAddress>& listening) {
  std::vector<TransportAddress> found;
  const auto add = [&found](const TransportAddress& address) {
    if (std::find(found.begin(), found.end(), address) == found.end()) found.push_back(address);
  };
  for (const TransportAddress& socket : listening) {
    if (!socket.is_unspecified()) {
      add(socket);
      continue;
    }
    for (const TransportAddress& address : all_addresses()) {
      if (address.is_v4() == socket.is_v4()) add(with_port(address, socket.port()));
    }
  }
  const auto loopback = [](const TransportAddress& address) { return address.is_loopback(); };
  if (!std::all_of(found.begin(), found.end(), loopback)) std::erase_if(found, loopback);
  std::stable_partition(found.begin(), found.end(),
                        [](const TransportAddress& address) { return !address.is_internal(); });
  if (found.size() > kMaxInterfaceAddresses) found.resize(kMaxInterfaceAddresses);
  return found;
}

}  // namespace ppspp
