#include "net/multicast_socket.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <system_error>

#include "net/socket_address.h"

namespace ppspp {
namespace {

// Administratively scoped (RFC 2365) and link-local, not assigned (RFC 4291, 2.7). The port is next
// to that of PPSPP.
constexpr std::uint32_t kGroup4 = 0xefff4b4a;  // 239.255.75.74
constexpr std::array<std::uint8_t, 16> kGroup6 = {0xff, 0x12, 0, 0, 0, 0, 0,    0,
                                                  0,    0,    0, 0, 0, 0, 0x75, 0x74};
constexpr std::uint16_t kPort = 6779;
// What was forwarded by a router has a lower one (RFC 5082).
constexpr int kHopLimit = 255;
constexpr int kBuffer = 256 * 1024;  // octets

bool set_option(int fd, int level, int name, int value) {
  return setsockopt(fd, level, name, &value, sizeof value) == 0;
}

TransportAddress group(bool v4) {
  return v4 ? TransportAddress::v4(kGroup4, kPort) : TransportAddress::v6(kGroup6, kPort);
}

// What the kernel says of one datagram.
struct Ancillary {
  std::uint32_t interface = 0;
  int hops = 0;
  bool to_group = false;
};

template <typename T>
T payload(const cmsghdr* header) {
  T value;
  std::memcpy(&value, CMSG_DATA(header), sizeof value);
  return value;
}

Ancillary read_ancillary(msghdr& message) {
  Ancillary result;
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
      const auto info = payload<in_pktinfo>(c);
      result.interface = static_cast<std::uint32_t>(info.ipi_ifindex);
      result.to_group = ntohl(info.ipi_addr.s_addr) == kGroup4;
    } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
      const auto info = payload<in6_pktinfo>(c);
      result.interface = info.ipi6_ifindex;
      result.to_group =
          std::equal(kGroup6.begin(), kGroup6.end(), std::begin(info.ipi6_addr.s6_addr));
    } else if ((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TTL) ||
               (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_HOPLIMIT)) {
      result.hops = payload<int>(c);
    }
  }
  return result;
}

template <typename T>
void append(msghdr& message, int level, int type, const T& value) {
  cmsghdr* const header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = level;
  header->cmsg_type = type;
  header->cmsg_len = CMSG_LEN(sizeof value);
  std::memcpy(CMSG_DATA(header), &value, sizeof value);
  message.msg_controllen = CMSG_SPACE(sizeof value);
}

// The interface to use, and our address on it, which our answers prove something for.
void append_source(msghdr& message, const LocalLink& link) {
  if (link.address.is_v4()) {
    in_pktinfo info = {};
    info.ipi_ifindex = static_cast<int>(link.interface);
    info.ipi_spec_dst.s_addr = htonl(link.address.v4_address());
    return append(message, IPPROTO_IP, IP_PKTINFO, info);
  }
  in6_pktinfo info = {};
  info.ipi6_ifindex = link.interface;
  const auto& octets = link.address.bytes();
  std::copy(octets.begin(), octets.end(), std::begin(info.ipi6_addr.s6_addr));
  append(message, IPPROTO_IPV6, IPV6_PKTINFO, info);
}

}  // namespace

Result<MulticastSocket> MulticastSocket::open(bool v4) {
  const int fd = ::socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return fail(Errc::io, std::generic_category().message(errno));
  MulticastSocket socket(fd, v4);
  if (const auto configured = socket.configure(); !configured) {
    return tl::unexpected(configured.error());
  }
  return socket;
}

MulticastSocket::~MulticastSocket() {
  if (fd_ >= 0) ::close(fd_);
}

// Any number of programs on this host share the port: each gets what comes to the group.
Result<void> MulticastSocket::configure() {
  bool ok = set_option(fd_, SOL_SOCKET, SO_REUSEADDR, 1);
  set_option(fd_, SOL_SOCKET, SO_RCVBUF, kBuffer);
  if (v4_) {
    set_option(fd_, IPPROTO_IP, IP_MULTICAST_ALL, 0);
    ok = ok && set_option(fd_, IPPROTO_IP, IP_PKTINFO, 1) &&
         set_option(fd_, IPPROTO_IP, IP_RECVTTL, 1) &&
         set_option(fd_, IPPROTO_IP, IP_MULTICAST_TTL, kHopLimit);
  } else {
    set_option(fd_, IPPROTO_IPV6, IPV6_MULTICAST_ALL, 0);
    ok = ok && set_option(fd_, IPPROTO_IPV6, IPV6_V6ONLY, 1) &&
         set_option(fd_, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1) &&
         set_option(fd_, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1) &&
         set_option(fd_, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, kHopLimit);
  }
  sockaddr_storage storage = {};
  const auto any = v4_ ? TransportAddress::v4(0, kPort) : TransportAddress::v6({}, kPort);
  const socklen_t length = to_sockaddr(any, storage);
  ok = ok && ::bind(fd_, reinterpret_cast<const sockaddr*>(&storage), length) == 0;
  if (ok) return {};
  return fail(Errc::io,
              fmt::format("UDP port {}: {}", kPort, std::generic_category().message(errno)));
}

void MulticastSocket::join(std::span<const LocalLink> links) {
  std::set<std::uint32_t> wanted;
  for (const LocalLink& link : links) {
    if (link.address.is_v4() == v4_) wanted.insert(link.interface);
  }
  for (const std::uint32_t interface : joined_) {
    if (!wanted.contains(interface)) set_membership(interface, false);
  }
  // Also where we are a member: an interface that went and came back has forgotten it.
  for (const std::uint32_t interface : wanted) set_membership(interface, true);
  joined_ = std::move(wanted);
}

void MulticastSocket::set_membership(std::uint32_t interface, bool member) {
  if (v4_) {
    ip_mreqn request = {};
    request.imr_multiaddr.s_addr = htonl(kGroup4);
    request.imr_ifindex = static_cast<int>(interface);
    setsockopt(fd_, IPPROTO_IP, member ? IP_ADD_MEMBERSHIP : IP_DROP_MEMBERSHIP, &request,
               sizeof request);
    return;
  }
  ipv6_mreq request = {};
  std::copy(kGroup6.begin(), kGroup6.end(), std::begin(request.ipv6mr_multiaddr.s6_addr));
  request.ipv6mr_interface = interface;
  setsockopt(fd_, IPPROTO_IPV6, member ? IPV6_ADD_MEMBERSHIP : IPV6_DROP_MEMBERSHIP, &request,
             sizeof request);
}

int MulticastSocket::send(const LocalLink& link, std::span<const std::byte> datagram) {
  sockaddr_storage to = {};
  alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(sizeof(in6_pktinfo))> control = {};
  iovec part = {const_cast<std::byte*>(datagram.data()), datagram.size()};
  msghdr message = {};
  message.msg_name = &to;
  message.msg_namelen = to_sockaddr(group(v4_), to);
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  append_source(message, link);
  return ::sendmsg(fd_, &message, 0) < 0 ? errno : 0;
}

std::optional<MulticastSocket::Received> MulticastSocket::receive(std::span<std::byte> buffer) {
  for (int dropped = 0; dropped < kMaxDropped; ++dropped) {
    sockaddr_storage from = {};
    alignas(cmsghdr) std::array<std::byte, 256> control;
    iovec part = {buffer.data(), buffer.size()};
    msghdr message = {};
    message.msg_name = &from;
    message.msg_namelen = sizeof from;
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t size = ::recvmsg(fd_, &message, 0);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return std::nullopt;
    const Ancillary ancillary = read_ancillary(message);
    if (!ancillary.to_group || ancillary.hops != kHopLimit ||
        (message.msg_flags & MSG_TRUNC) != 0) {
      continue;
    }
    return Received{static_cast<std::size_t>(size), from_sockaddr(from), ancillary.interface};
  }
  return std::nullopt;
}

}  // namespace ppspp
