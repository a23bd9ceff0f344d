#include "net/local_links.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <map>
#include <memory>
#include <utility>

#include "net/socket_address.h"

namespace ppspp {
namespace {

struct Address {
  TransportAddress address;  // port 0
  unsigned prefix = 0;
};
// By the interface's number, and whether it is IPv4.
using Addresses = std::map<std::pair<unsigned, bool>, std::vector<Address>>;

TransportAddress with_port(const TransportAddress& address, std::uint16_t port) {
  if (address.is_v4()) return TransportAddress::v4(address.v4_address(), port);
  return TransportAddress::v6(address.bytes(), port, address.scope_id());
}

bool is_link_local(const TransportAddress& address) {
  return !address.is_v4() && address.bytes()[0] == 0xfe && (address.bytes()[1] & 0xc0) == 0x80;
}

TransportAddress from_system(const sockaddr* address) {
  sockaddr_storage storage = {};
  const std::size_t size =
      address->sa_family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
  std::memcpy(&storage, address, size);
  return from_sockaddr(storage);
}

unsigned prefix_of(const sockaddr* mask) {
  unsigned bits = 0;
  if (mask == nullptr) return bits;
  if (mask->sa_family == AF_INET) {
    sockaddr_in v4;
    std::memcpy(&v4, mask, sizeof v4);
    return static_cast<unsigned>(std::popcount(v4.sin_addr.s_addr));
  }
  sockaddr_in6 v6;
  std::memcpy(&v6, mask, sizeof v6);
  for (const std::uint8_t octet : v6.sin6_addr.s6_addr) {
    bits += static_cast<unsigned>(std::popcount(octet));
  }
  return bits;
}

bool is_usable(unsigned flags) {
  constexpr unsigned kUp = IFF_UP | IFF_RUNNING;
  return (flags & kUp) == kUp && (flags & IFF_POINTOPOINT) == 0 &&
         (flags & (IFF_MULTICAST | IFF_LOOPBACK)) != 0;
}

Addresses addresses_of_host() {
  Addresses result;
  ifaddrs* first = nullptr;
  if (getifaddrs(&first) != 0) return result;
  const std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> owner(first, &freeifaddrs);
  for (const ifaddrs* i = first; i != nullptr; i = i->ifa_next) {
    if (i->ifa_addr == nullptr || !is_usable(i->ifa_flags)) continue;
    const int family = i->ifa_addr->sa_family;
    if (family != AF_INET && family != AF_INET6) continue;
    const unsigned index = if_nametoindex(i->ifa_name);
    if (index == 0) continue;
    result[{index, family == AF_INET}].push_back(
        {from_system(i->ifa_addr), prefix_of(i->ifa_netmask)});
  }
  return result;
}

// An IPv6 address can be there and not be in use yet: others are still asked whether they have it.
bool can_be_used(const TransportAddress& address) {
  const int fd = ::socket(address.is_v4() ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  sockaddr_storage storage = {};
  const socklen_t length = to_sockaddr(address, storage);
  const bool bound = ::bind(fd, reinterpret_cast<const sockaddr*>(&storage), length) == 0;
  ::close(fd);
  return bound;
}

// The address by which the port is reached on an interface; of several of IPv6 the link-local one.
const Address* choose(const std::vector<Address>& addresses, const TransportAddress& port) {
  const auto fits = [&](const Address& a) {
    if (!port.is_unspecified()) return a.address.bytes() == port.bytes();
    return a.address.is_v4() || a.address.is_loopback() || is_link_local(a.address);
  };
  const auto found = std::find_if(addresses.begin(), addresses.end(), fits);
  return found == addresses.end() || !can_be_used(found->address) ? nullptr : &*found;
}

}  // namespace

std::vector<LocalLink> local_links(std::span<const TransportAddress> ports) {
  std::vector<LocalLink> links;
  for (const auto& [key, addresses] : addresses_of_host()) {
    for (const TransportAddress& port : ports) {
      if (port.is_v4() != key.second) continue;
      const Address* const chosen = choose(addresses, port);
      if (chosen == nullptr) continue;
      LocalLink& link = links.emplace_back();
      link.interface = key.first;
      link.address = with_port(chosen->address, port.port());
      for (const Address& a : addresses) {
        link.neighbours.push_back(Network::of(a.address, a.prefix));
      }
    }
  }
  return links;
}

}  // namespace ppspp
