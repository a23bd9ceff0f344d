#include "udp_input.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

namespace ppspp::tools {
namespace {

constexpr int kReceiveBuffer = 4 << 20;                // 1.6 s at 20 Mbit/s
constexpr std::size_t kMaxDatagram = 65'536;           // more than any UDP payload
constexpr std::size_t kBufferSize = 4 * kMaxDatagram;  // datagrams are passed on together
constexpr int kMaxBatch = 256;                         // empty ones count as well

struct SocketAddress {
  sockaddr_storage storage = {};
  socklen_t size = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

SocketAddress socket_address(const InputName& name) {
  SocketAddress address;
  if (name.address.is_v4()) {
    sockaddr_in v4 = {};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(name.address.port());
    v4.sin_addr.s_addr = htonl(name.address.v4_address());
    std::memcpy(&address.storage, &v4, sizeof v4);
    address.size = sizeof v4;
  } else {
    sockaddr_in6 v6 = {};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(name.address.port());
    std::memcpy(&v6.sin6_addr, name.address.bytes().data(), sizeof v6.sin6_addr);
    v6.sin6_scope_id = name.interface;
    std::memcpy(&address.storage, &v6, sizeof v6);
    address.size = sizeof v6;
  }
  return address;
}

template <typename T>
bool set_option(int fd, int level, int option, const T& value) {
  return setsockopt(fd, level, option, &value, sizeof value) == 0;
}

// Joined for this socket alone: what other programs have joined does not end up in the feed.
bool join_group(int fd, const InputName& name) {
  if (name.address.is_v4()) {
    ip_mreqn group = {};
    group.imr_multiaddr.s_addr = htonl(name.address.v4_address());
    group.imr_ifindex = static_cast<int>(name.interface);
    return set_option(fd, IPPROTO_IP, IP_MULTICAST_ALL, 0) &&
           set_option(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, group);
  }
  ipv6_mreq group = {};
  std::memcpy(&group.ipv6mr_multiaddr, name.address.bytes().data(), sizeof group.ipv6mr_multiaddr);
  group.ipv6mr_interface = name.interface;
  return set_option(fd, IPPROTO_IPV6, IPV6_MULTICAST_ALL, 0) &&
         set_option(fd, IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, group);
}

bool prepare(int fd, const InputName& name) {
  // As much as the system grants.
  static_cast<void>(set_option(fd, SOL_SOCKET, SO_RCVBUF, kReceiveBuffer));
  static_cast<void>(set_option(fd, SOL_SOCKET, SO_RXQ_OVFL, 1));
  // Several programs of one host may follow a group; an address of our own is ours alone.
  if (name.is_multicast() && !set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1)) return false;
  const SocketAddress address = socket_address(name);
  if (bind(fd, address.get(), address.size) != 0) return false;
  return !name.is_multicast() || join_group(fd, name);
}

}  // namespace

Result<std::unique_ptr<LiveInput>> UdpInput::open(boost::asio::io_context& io,
                                                  const InputName& name) {
  const int family = name.address.is_v4() ? AF_INET : AF_INET6;
  FileDescriptor fd(::socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd || !prepare(fd.get(), name)) {
    return fail(Errc::io, fmt::format("cannot receive from {}: {}", name.to_string(),
                                      std::generic_category().message(errno)));
  }
  return std::unique_ptr<LiveInput>(new UdpInput(io, std::move(fd), name.to_string()));
}

UdpInput::UdpInput(boost::asio::io_context& io, FileDescriptor socket, std::string name)
    : socket_(io, socket.release()), name_(std::move(name)), buffer_(kBufferSize) {}

void UdpInput::start(Handlers handlers) {
  handlers_ = std::move(handlers);
  wait();
}

void UdpInput::stop() {
  stopped_ = true;
  socket_.cancel();
}

void UdpInput::wait() {
  socket_.async_wait(boost::asio::posix::descriptor_base::wait_read,
                     [this, alive = alive()](const boost::system::error_code& error) {
                       if (!error && !alive.expired() && !stopped_) read();
                     });
}

void UdpInput::read() {
  std::size_t used = 0;
  int error = 0;
  for (int i = 0; i < kMaxBatch && buffer_.size() - used >= kMaxDatagram && error == 0; ++i) {
    const auto size = receive(used);
    error = size ? 0 : errno;
    used += size.value_or(0);
  }
  if (used > 0) handlers_.on_data(std::span(buffer_).first(used));
  if (stopped_) return;
  if (error != 0 && error != EAGAIN && error != EINTR) return fail_with(error);
  wait();
}

std::optional<std::size_t> UdpInput::receive(std::size_t used) {
  iovec part{buffer_.data() + used, kMaxDatagram};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(std::uint32_t))] = {};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const ssize_t size = recvmsg(socket_.native_handle(), &message, 0);
  if (size < 0) return std::nullopt;
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SO_RXQ_OVFL) continue;
    std::uint32_t dropped = 0;  // since the socket was opened, modulo 2^32
    std::memcpy(&dropped, CMSG_DATA(c), sizeof dropped);
    lost_ += dropped - static_cast<std::uint32_t>(lost_);
  }
  return static_cast<std::size_t>(size);
}

void UdpInput::fail_with(int error) {
  stopped_ = true;
  handlers_.on_error(Error{Errc::io, fmt::format("cannot receive from {}: {}", name_,
                                                 std::generic_category().message(error))});
}

}  // namespace ppspp::tools
