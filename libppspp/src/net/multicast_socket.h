// A UDP socket of one IP version that sends to and receives from the group of local discovery
// (decision 48), as plain system calls. Never blocks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <utility>

#include "discovery/local_discovery.h"
#include "ppspp/result.h"
#include "ppspp/transport_address.h"

namespace ppspp {

class MulticastSocket {
 public:
  struct Received {
    std::size_t size = 0;
    TransportAddress from;
    std::uint32_t interface = 0;
  };

  static Result<MulticastSocket> open(bool v4);
  ~MulticastSocket();
  MulticastSocket(MulticastSocket&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)), v4_(other.v4_), joined_(std::move(other.joined_)) {}
  MulticastSocket& operator=(MulticastSocket&&) = delete;

  int fd() const { return fd_; }
  bool is_v4() const { return v4_; }

  // Hears the group on the interfaces of these links, and on no others.
  void join(std::span<const LocalLink> links);
  // Fails with the errno.
  int send(const LocalLink& link, std::span<const std::byte> datagram);
  // The next datagram that came to the group from a host on the same link; others are dropped, at
  // most so many for one call. Absent: there is none now.
  std::optional<Received> receive(std::span<std::byte> buffer);

 private:
  static constexpr int kMaxDropped = 64;

  MulticastSocket(int fd, bool v4) : fd_(fd), v4_(v4) {}
  Result<void> configure();
  void set_membership(std::uint32_t interface, bool member);

  int fd_ = -1;
  bool v4_ = true;
  std::set<std::uint32_t> joined_;
};

}  // namespace ppspp
