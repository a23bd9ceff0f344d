// Datagrams on their way. Their octets lie in blocks that are used again, small ones for what is
// said besides chunks, which is most of them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "ppspp/transport_address.h"

namespace ppspp::sim {

using PacketId = std::uint32_t;

struct Packet {
  static constexpr std::size_t kInline = 120;
  static constexpr std::size_t kBlock = 1'520;  // all that an Ethernet frame carries

  TransportAddress from;
  TransportAddress to;
  std::uint32_t node = 0;  // the receiver
  std::uint32_t size = 0;
  std::unique_ptr<std::byte[]> outside;  // where the inline octets do not suffice
  std::array<std::byte, kInline> octets;

  std::span<std::byte> payload() {
    return {size <= kInline ? octets.data() : outside.get(), std::size_t{size}};
  }
};

class PacketPool {
 public:
  PacketId take(std::span<const std::byte> datagram) {
    if (free_.empty()) grow();
    const PacketId id = free_.back();
    free_.pop_back();
    Packet& packet = (*this)[id];
    packet.size = static_cast<std::uint32_t>(datagram.size());
    if (packet.size > Packet::kInline) packet.outside = block_for(packet.size);
    if (packet.size != 0) std::memcpy(packet.payload().data(), datagram.data(), packet.size);
    return id;
  }
  void give_back(PacketId id) {
    Packet& packet = (*this)[id];
    if (packet.size > Packet::kInline && packet.size <= Packet::kBlock) {
      blocks_.push_back(std::move(packet.outside));
    }
    packet.outside.reset();
    free_.push_back(id);
  }
  Packet& operator[](PacketId id) { return slabs_[id / kSlab][id % kSlab]; }
  std::size_t in_use() const { return slabs_.size() * kSlab - free_.size(); }

 private:
  static constexpr std::size_t kSlab = 256;

  std::unique_ptr<std::byte[]> block_for(std::size_t size) {
    if (size > Packet::kBlock) return std::make_unique_for_overwrite<std::byte[]>(size);
    if (blocks_.empty()) return std::make_unique_for_overwrite<std::byte[]>(Packet::kBlock);
    auto block = std::move(blocks_.back());
    blocks_.pop_back();
    return block;
  }
  void grow() {
    slabs_.emplace_back(new Packet[kSlab]);
    const std::size_t first = (slabs_.size() - 1) * kSlab;
    for (std::size_t i = kSlab; i-- > 0;) free_.push_back(static_cast<PacketId>(first + i));
  }

  std::vector<std::unique_ptr<Packet[]>> slabs_;
  std::vector<PacketId> free_;
  std::vector<std::unique_ptr<std::byte[]>> blocks_;  // of Packet::kBlock octets, not in use
};

}  // namespace ppspp::sim
