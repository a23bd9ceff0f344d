// The datagrams that are on their way, in buffers that are used again.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "ppspp/transport_address.h"

namespace ppspp::sim {

using PacketId = std::uint32_t;

struct Packet {
  static constexpr std::size_t kInline = 1'520;  // all that an Ethernet frame carries

  TransportAddress from;
  TransportAddress to;
  std::uint32_t node = 0;  // the receiver
  std::uint32_t size = 0;
  std::vector<std::byte> large;  // where the inline octets do not suffice
  std::array<std::byte, kInline> octets;

  std::span<std::byte> payload() {
    return size <= kInline ? std::span<std::byte>(octets).first(size)
                           : std::span<std::byte>(large).first(size);
  }
  void assign(std::span<const std::byte> datagram) {
    size = static_cast<std::uint32_t>(datagram.size());
    if (size > kInline) large.resize(size);
    if (size != 0) std::memcpy(payload().data(), datagram.data(), size);
  }
};

class PacketPool {
 public:
  PacketId take() {
    if (free_.empty()) grow();
    const PacketId id = free_.back();
    free_.pop_back();
    return id;
  }
  void give_back(PacketId id) { free_.push_back(id); }
  Packet& operator[](PacketId id) { return slabs_[id / kSlab][id % kSlab]; }
  std::size_t in_use() const { return slabs_.size() * kSlab - free_.size(); }

 private:
  static constexpr std::size_t kSlab = 256;

  void grow() {
    slabs_.emplace_back(new Packet[kSlab]);
    const std::size_t first = (slabs_.size() - 1) * kSlab;
    for (std::size_t i = kSlab; i-- > 0;) free_.push_back(static_cast<PacketId>(first + i));
  }

  std::vector<std::unique_ptr<Packet[]>> slabs_;
  std::vector<PacketId> free_;
};

}  // namespace ppspp::sim
