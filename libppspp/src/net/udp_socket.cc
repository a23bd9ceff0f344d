#include "net/udp_socket.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "net/socket_address.h"

namespace ppspp {
namespace {

std::string reason(int error) {
  return std::generic_category().message(error);
}

bool set_option(int fd, int level, int name, int value) {
  return setsockopt(fd, level, name, &value, sizeof value) == 0;
}

// Asks for `size` octets, past the system's limit where we may, and returns what was granted. The
// kernel answers with twice the size, since it counts its own overhead.
std::size_t set_buffer(int fd, int force, int plain, std::size_t size) {
  const int wanted = static_cast<int>(size);
  if (!set_option(fd, SOL_SOCKET, force, wanted)) set_option(fd, SOL_SOCKET, plain, wanted);
  int granted = 0;
  socklen_t length = sizeof granted;
  getsockopt(fd, SOL_SOCKET, plain, &granted, &length);
  return static_cast<std::size_t>(granted) / 2;
}

// -1: it has none.
int option_of(int fd, int level, int name) {
  int value = -1;
  socklen_t length = sizeof value;
  return getsockopt(fd, level, name, &value, &length) == 0 ? value : -1;
}

bool has_segmentation(int fd) {
  int value = 0;
  socklen_t length = sizeof value;
  return getsockopt(fd, SOL_UDP, UDP_SEGMENT, &value, &length) == 0;
}

}  // namespace

Result<UdpSocket> UdpSocket::open(const TransportAddress& local, const UdpOptions& options) {
  const int family = local.is_v4() ? AF_INET : AF_INET6;
  const int fd = ::socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    const auto code = errno == EAFNOSUPPORT ? Errc::not_supported : Errc::io;
    return fail(code, fmt::format("cannot make a UDP socket: {}", reason(errno)));
  }
  UdpSocket socket(fd);
  if (!local.is_v4()) set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
  socket.configure(options);
  if (auto bound = socket.bind(local); !bound) return tl::unexpected(bound.error());
  return socket;
}

UdpSocket::~UdpSocket() {
  if (fd_ >= 0) ::close(fd_);
}

Result<void> UdpSocket::bind(const TransportAddress& local) {
  sockaddr_storage storage = {};
  socklen_t length = to_sockaddr(local, storage);
  const auto address = reinterpret_cast<sockaddr*>(&storage);
  if (::bind(fd_, address, length) != 0) {
    const int error = errno;
    const auto code = error == EADDRINUSE      ? Errc::exists
                      : error == EADDRNOTAVAIL ? Errc::not_found
                                               : Errc::io;
    return fail(code, fmt::format("cannot listen on {}: {}", local.to_string(), reason(error)));
  }
  return learn_address();
}

Result<void> UdpSocket::learn_address() {
  sockaddr_storage storage = {};
  socklen_t length = sizeof storage;
  if (::getsockname(fd_, reinterpret_cast<sockaddr*>(&storage), &length) != 0) {
    return fail(Errc::io, fmt::format("cannot learn the port's number: {}", reason(errno)));
  }
  s_.local = from_sockaddr(storage);
  return {};
}

Result<UdpSocket> UdpSocket::adopt(int fd, const UdpOptions& options) {
  UdpSocket socket(fd);
  if (const auto fits = socket.check_handed_over(); !fits) return tl::unexpected(fits.error());
  const int flags = fcntl(fd, F_GETFL);
  if (fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
    return fail(Errc::io, fmt::format("cannot set up the socket handed over as descriptor {}: {}",
                                      fd, reason(errno)));
  }
  socket.configure(options);
  if (const auto learnt = socket.learn_address(); !learnt) return tl::unexpected(learnt.error());
  if (socket.local().port() == 0) {
    return fail(Errc::invalid_argument,
                fmt::format("the socket handed over as descriptor {} is not bound to a port", fd));
  }
  return socket;
}

Result<void> UdpSocket::check_handed_over() const {
  const int type = option_of(fd_, SOL_SOCKET, SO_TYPE);
  const int family = option_of(fd_, SOL_SOCKET, SO_DOMAIN);
  if (type != SOCK_DGRAM || (family != AF_INET && family != AF_INET6) ||
      option_of(fd_, SOL_SOCKET, SO_PROTOCOL) != IPPROTO_UDP) {
    return fail(Errc::invalid_argument,
                fmt::format("descriptor {} that was handed over is no UDP socket", fd_));
  }
  if (family == AF_INET6 && option_of(fd_, IPPROTO_IPV6, IPV6_V6ONLY) != 1) {
    return fail(Errc::invalid_argument,
                fmt::format("the socket handed over as descriptor {} takes both IP versions: use "
                            "one for each (of systemd, BindIPv6Only=ipv6-only and two "
                            "ListenDatagram=)",
                            fd_));
  }
  return {};
}

void UdpSocket::configure(const UdpOptions& options) {
  int family = 0;
  socklen_t length = sizeof family;
  getsockopt(fd_, SOL_SOCKET, SO_DOMAIN, &family, &length);
  s_.local = family == AF_INET ? TransportAddress::v4(0, 0) : TransportAddress{};
  s_.receive_many = options.receive_many;
  s_.send_many = options.send_many;
  s_.coalesces = options.coalesce && set_option(fd_, SOL_UDP, UDP_GRO, 1);
  s_.segments = options.segment && has_segmentation(fd_);
  s_.receive_buffer = set_buffer(fd_, SO_RCVBUFFORCE, SO_RCVBUF, options.buffer_size);
  s_.send_buffer = set_buffer(fd_, SO_SNDBUFFORCE, SO_SNDBUF, options.buffer_size);
  set_fragments(true);
}

int UdpSocket::receive(std::span<mmsghdr> messages) {
  if (!s_.receive_many) return receive_one_by_one(messages);
  int count = 0;
  do {
    count = ::recvmmsg(fd_, messages.data(), static_cast<unsigned>(messages.size()), 0, nullptr);
  } while (count < 0 && errno == EINTR);
  if (count >= 0) return count;
  if (errno != ENOSYS) return -errno;
  s_.receive_many = false;
  return receive_one_by_one(messages);
}

int UdpSocket::receive_one_by_one(std::span<mmsghdr> messages) {
  int count = 0;
  for (mmsghdr& message : messages) {
    ssize_t size = 0;
    do {
      size = ::recvmsg(fd_, &message.msg_hdr, 0);
    } while (size < 0 && errno == EINTR);
    if (size < 0) return count > 0 ? count : -errno;
    message.msg_len = static_cast<unsigned>(size);
    ++count;
  }
  return count;
}

int UdpSocket::send(std::span<mmsghdr> messages) {
  if (!s_.send_many) return send_one_by_one(messages);
  int count = 0;
  do {
    count = ::sendmmsg(fd_, messages.data(), static_cast<unsigned>(messages.size()), 0);
  } while (count < 0 && errno == EINTR);
  if (count >= 0) return count;
  if (errno != ENOSYS) return -errno;
  s_.send_many = false;
  return send_one_by_one(messages);
}

int UdpSocket::send_one_by_one(std::span<mmsghdr> messages) {
  int count = 0;
  for (mmsghdr& message : messages) {
    ssize_t size = 0;
    do {
      size = ::sendmsg(fd_, &message.msg_hdr, 0);
    } while (size < 0 && errno == EINTR);
    if (size < 0) return count > 0 ? count : -errno;
    ++count;
  }
  return count;
}

void UdpSocket::allow_fragments(bool allow) {
  if (allow != s_.fragments) set_fragments(allow);
}

// PROBE sets DF and leaves the size to us (RFC 4821 style); DONT lets routers and the kernel
// fragment, so that a datagram bigger than a path's MTU arrives all the same.
void UdpSocket::set_fragments(bool allow) {
  if (is_v4()) {
    set_option(fd_, IPPROTO_IP, IP_MTU_DISCOVER, allow ? IP_PMTUDISC_DONT : IP_PMTUDISC_PROBE);
  } else {
    set_option(fd_, IPPROTO_IPV6, IPV6_MTU_DISCOVER,
               allow ? IPV6_PMTUDISC_DONT : IPV6_PMTUDISC_PROBE);
  }
  s_.fragments = allow;
}

}  // namespace ppspp
