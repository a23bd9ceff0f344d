// The buffers of one recvmmsg call, made once, and the datagrams found in them.
#pragma once

#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "net/udp_socket.h"
#include "ppspp/transport_address.h"

namespace ppspp {

struct ReceivedDatagram {
  std::span<const std::byte> bytes;
  TransportAddress from;
};

class ReceiveBatch {
 public:
  // 16 messages of up to 64 coalesced datagrams: 1 MiB, which fits a second-level cache while its
  // chunks are hashed and written.
  static constexpr std::size_t kMessages = 16;
  static constexpr std::size_t kMessageSize = std::size_t{1} << 16;

  ReceiveBatch();

  // What the socket has, up to one batch. The views hold until the next call. Empty: nothing is
  // waiting. Errors that the network reported are skipped.
  std::span<const ReceivedDatagram> receive(UdpSocket& socket);
  // Whether the last call filled the batch, so that more may be waiting.
  bool full() const { return full_; }
  std::span<const ReceivedDatagram> datagrams() const { return datagrams_; }  // of the last call

 private:
  struct alignas(cmsghdr) Control {
    std::array<std::byte, CMSG_SPACE(sizeof(int))> octets;
  };

  void prepare();
  void split(std::size_t index);
  std::size_t segment_size(const mmsghdr& message) const;

  std::unique_ptr<std::byte[]> buffer_;
  std::array<mmsghdr, kMessages> messages_;
  std::array<iovec, kMessages> pieces_;
  std::array<sockaddr_storage, kMessages> senders_;
  std::array<Control, kMessages> controls_;
  std::vector<ReceivedDatagram> datagrams_;
  bool full_ = false;
};

}  // namespace ppspp
