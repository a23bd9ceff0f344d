// What uplinks are used for, by the second: the octets of content that somebody lacked, of content
// that was sent before, and of all that goes with it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "bins/bin_set.h"
#include "sim/world.h"
#include "wire/datagram.h"

namespace ppspp::sim {

class UplinkUse {
 public:
  explicit UplinkUse(const WireFormat& format) : format_(format) {}

  void add(NodeId from, NodeId to, std::span<const std::byte> datagram);
  std::uint64_t chunks_out() const { return out_.count(); }  // that left the seeder
  // What was sent since the last call, as shares of what the uplinks could carry: of the node 0,
  // and of all others.
  std::string line(std::size_t others, std::uint64_t rate, double seconds);

 private:
  enum Kind : std::uint8_t {
    content,   // that the receiver was never sent before
    copies,    // of the seeder: the same, but it has sent it to somebody else
    again,     // content that it was sent before, by whomever
    headers,   // of datagrams with content, and of their DATA
    hashes,    //
    acks,      // in datagrams with content, and in others; headers of the latter are `control`
    haves,     //
    requests,  // and CANCEL
    control,   // all else
    kKinds,
  };
  using Octets = std::array<std::uint64_t, kKinds>;

  void add_message(const Message& message, NodeId from, NodeId to, Octets& octets);
  static std::string shares(const Octets& octets, double capacity);

  WireFormat format_;
  std::vector<BinSet> sent_to_;  // by node
  BinSet out_;                   // what the seeder has sent to anybody
  Octets seeder_{};
  Octets leechers_{};
};

}  // namespace ppspp::sim
