#include "net/receive_batch.h"

#include <netinet/in.h>
#include <netinet/udp.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "net/socket_address.h"

namespace ppspp {

ReceiveBatch::ReceiveBatch() : buffer_(new std::byte[kMessages * kMessageSize]) {
  datagrams_.reserve(kMessages * 64);
}

std::span<const ReceivedDatagram> ReceiveBatch::receive(UdpSocket& socket) {
  datagrams_.clear();
  full_ = false;
  // An ICMP message for something sent earlier shows up once as the error of a call, and says
  // nothing about what waits behind it. So many of them in a row are left for the next wake-up.
  for (int attempt = 0; attempt < 16; ++attempt) {
    prepare();
    const int count = socket.receive(messages_);
    if (count == -EAGAIN || count == -EWOULDBLOCK) break;
    for (int i = 0; i < count; ++i) split(static_cast<std::size_t>(i));
    full_ = count == static_cast<int>(kMessages);
    if (count >= 0) break;
  }
  return datagrams_;
}

void ReceiveBatch::prepare() {  // the kernel overwrites lengths and flags
  for (std::size_t i = 0; i < kMessages; ++i) {
    pieces_[i] = {buffer_.get() + i * kMessageSize, kMessageSize};
    messages_[i] = {};
    messages_[i].msg_hdr.msg_name = &senders_[i];
    messages_[i].msg_hdr.msg_namelen = sizeof senders_[i];
    messages_[i].msg_hdr.msg_iov = &pieces_[i];
    messages_[i].msg_hdr.msg_iovlen = 1;
    messages_[i].msg_hdr.msg_control = &controls_[i];
    messages_[i].msg_hdr.msg_controllen = sizeof controls_[i];
  }
}

void ReceiveBatch::split(std::size_t index) {
  const mmsghdr& message = messages_[index];
  if ((message.msg_hdr.msg_flags & MSG_TRUNC) != 0) return;
  const TransportAddress from = from_sockaddr(senders_[index]);
  std::span<const std::byte> rest(buffer_.get() + index * kMessageSize, message.msg_len);
  const std::size_t size = segment_size(message);
  do {
    const auto datagram = rest.first(std::min(size, rest.size()));
    datagrams_.push_back({datagram, from});
    rest = rest.subspan(datagram.size());
  } while (!rest.empty());
}

// What the kernel coalesced says so in a control message; anything else is one datagram.
std::size_t ReceiveBatch::segment_size(const mmsghdr& message) const {
  auto& header = const_cast<msghdr&>(message.msg_hdr);  // CMSG_NXTHDR is older than const
  for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
    if (c->cmsg_level != SOL_UDP || c->cmsg_type != UDP_GRO) continue;
    int size = 0;
    std::memcpy(&size, CMSG_DATA(c), sizeof size);
    if (size > 0) return static_cast<std::size_t>(size);
  }
  return std::max<std::size_t>(message.msg_len, 1);
}

}  // namespace ppspp
