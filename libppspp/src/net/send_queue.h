// The datagrams and trains that wait for the socket, in a fixed set of buffers: what the endpoint
// filled goes out in few system calls, and what the socket does not take stays, in order.
#pragma once

#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <span>

#include "net/udp_options.h"
#include "net/udp_socket.h"
#include "ppspp/node_statistics.h"
#include "ppspp/transport_address.h"

namespace ppspp {

// `size` octets for `to`: one datagram, or several of `segment_size` octets, the last one possibly
// shorter.
struct OutgoingTrain {
  TransportAddress to;
  std::size_t size = 0;
  std::size_t segment_size = 0;
  bool probe = false;  // must not be fragmented
};

class SendQueue {
 public:
  static constexpr std::size_t kTrains = 16;
  static constexpr std::size_t kTrainSize = std::size_t{1} << 16;
  static constexpr std::size_t kMaxSegments = 64;     // UDP_MAX_SEGMENTS of older kernels
  static constexpr std::size_t kMaxPayload = 65'507;  // what IPv4 can carry

  enum class Status { done, would_block };
  using TooBig = std::function<void(const TransportAddress& to, std::size_t size)>;

  SendQueue();

  bool empty() const { return count_ == 0; }
  bool full() const { return count_ == kTrains; }
  // Where the next train is to be written; only while not full. push() then takes it.
  std::span<std::byte> buffer();
  void push(const OutgoingTrain& train);
  void clear() { count_ = octets_ = 0; }
  std::size_t octets() const { return octets_; }                       // pushed since it was empty
  const OutgoingTrain& front() const { return trains_[first_].what; }  // only while not empty

  // Hands over as much as the sockets take. `v4` or `v6` may be null: what is meant for it is
  // dropped. `too_big` hears of datagrams that the path's first link cannot carry.
  Status send(UdpSocket* v4, UdpSocket* v6, UdpCounters& counters, const TooBig& too_big);

 private:
  static constexpr std::size_t kPieces = 64;

  struct Train {
    OutgoingTrain what;
    std::size_t offset = 0;       // sent so far
    bool piece_by_piece = false;  // the kernel refused to segment it
  };
  struct alignas(cmsghdr) Control {
    std::array<std::byte, CMSG_SPACE(sizeof(std::uint16_t))> octets;
  };

  Train& at(std::size_t position) { return trains_[(first_ + position) % kTrains]; }
  std::byte* bytes_of(const Train& train) const;
  void pop();
  std::size_t collect(const UdpSocket& socket);
  bool add_piece(const Train& train, std::size_t offset, bool segmented);
  std::size_t piece_size(const Train& train, std::size_t offset, bool segmented) const;
  void advance(std::size_t pieces, UdpCounters& counters);
  void refused(UdpSocket& socket, int error, UdpCounters& counters, const TooBig& too_big);

  std::unique_ptr<std::byte[]> buffer_;
  std::array<Train, kTrains> trains_;
  std::size_t first_ = 0;
  std::size_t count_ = 0;
  std::size_t octets_ = 0;

  std::size_t pieces_ = 0;  // of the call under way
  std::array<mmsghdr, kPieces> messages_;
  std::array<iovec, kPieces> vectors_;
  std::array<sockaddr_storage, kPieces> receivers_;
  std::array<Control, kPieces> controls_;
};

}  // namespace ppspp
