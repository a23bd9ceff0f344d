#include "net/socket_address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>
#include <iterator>

namespace ppspp {

// The structures go through memcpy: a sockaddr_storage is not an object of the other types.
socklen_t to_sockaddr(const TransportAddress& address, sockaddr_storage& out) {
  if (address.is_v4()) {
    sockaddr_in v4 = {};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(address.port());
    v4.sin_addr.s_addr = htonl(address.v4_address());
    std::memcpy(&out, &v4, sizeof v4);
    return sizeof v4;
  }
  sockaddr_in6 v6 = {};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(address.port());
  v6.sin6_scope_id = address.scope_id();
  std::copy(address.bytes().begin(), address.bytes().end(), std::begin(v6.sin6_addr.s6_addr));
  std::memcpy(&out, &v6, sizeof v6);
  return sizeof v6;
}

TransportAddress from_sockaddr(const sockaddr_storage& address) {
  if (address.ss_family == AF_INET) {
    sockaddr_in v4;
    std::memcpy(&v4, &address, sizeof v4);
    return TransportAddress::v4(ntohl(v4.sin_addr.s_addr), ntohs(v4.sin_port));
  }
  sockaddr_in6 v6;
  std::memcpy(&v6, &address, sizeof v6);
  std::array<std::uint8_t, 16> bytes;
  std::copy(std::begin(v6.sin6_addr.s6_addr), std::end(v6.sin6_addr.s6_addr), bytes.begin());
  return TransportAddress::v6(bytes, ntohs(v6.sin6_port), v6.sin6_scope_id);
}

}  // namespace ppspp
