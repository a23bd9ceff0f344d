// One UDP socket of one IP version, as plain system calls. Knows nothing of event loops: it never
// blocks, and says when it would.
#pragma once

#include <sys/socket.h>

#include <cstddef>
#include <span>
#include <utility>

#include "net/udp_options.h"
#include "ppspp/result.h"
#include "ppspp/transport_address.h"

namespace ppspp {

class UdpSocket {
 public:
  // An IPv6 socket takes IPv6 only. Errc::not_supported: the system lacks this IP version.
  static Result<UdpSocket> open(const TransportAddress& local, const UdpOptions& options);
  // Takes over a bound socket, which is closed if it is of no use: not UDP, not bound, or one that
  // takes both IP versions.
  static Result<UdpSocket> adopt(int fd, const UdpOptions& options);
  ~UdpSocket();
  UdpSocket(UdpSocket&& other) noexcept : fd_(std::exchange(other.fd_, -1)), s_(other.s_) {}
  UdpSocket& operator=(UdpSocket&&) = delete;

  int fd() const { return fd_; }
  const TransportAddress& local() const { return s_.local; }
  bool is_v4() const { return s_.local.is_v4(); }
  bool coalesces() const { return s_.coalesces; }
  bool segments() const { return s_.segments; }
  void stop_segmenting() { s_.segments = false; }  // the kernel or the device cannot after all
  std::size_t receive_buffer() const { return s_.receive_buffer; }  // granted, octets
  std::size_t send_buffer() const { return s_.send_buffer; }

  // Both return how many of `messages` were dealt with, in order, or the negated errno when the
  // first one failed; what happened to later ones is the next call's to tell.
  int receive(std::span<mmsghdr> messages);
  int send(std::span<mmsghdr> messages);

  // Whether what is sent from now on may be fragmented on its way. A path probe may not.
  void allow_fragments(bool allow);

 private:
  struct State {
    TransportAddress local;
    bool receive_many = true;
    bool send_many = true;
    bool coalesces = false;
    bool segments = false;
    bool fragments = true;
    std::size_t receive_buffer = 0;
    std::size_t send_buffer = 0;
  };

  explicit UdpSocket(int fd) : fd_(fd) {}
  Result<void> bind(const TransportAddress& local);
  Result<void> check_handed_over() const;
  Result<void> learn_address();
  void configure(const UdpOptions& options);
  void set_fragments(bool allow);
  int receive_one_by_one(std::span<mmsghdr> messages);
  int send_one_by_one(std::span<mmsghdr> messages);

  int fd_ = -1;
  State s_;
};

}  // namespace ppspp
