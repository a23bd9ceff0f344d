// The messages of RFC 7574, section 8, as types. Views (payloads, hashes, swarm IDs) point into the
// datagram that was decoded and live as long as it does.
#pragma once

#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <variant>

#include "ppspp/chunk_range.h"
#include "ppspp/hash_function.h"
#include "ppspp/swarm_metadata.h"

namespace ppspp {

enum class MessageType : std::uint8_t {  // Table 7
  handshake = 0,
  data = 1,
  ack = 2,
  have = 3,
  integrity = 4,
  pex_res_v4 = 5,
  pex_req = 6,
  signed_integrity = 7,
  request = 8,
  cancel = 9,
  choke = 10,
  unchoke = 11,
  pex_res_v6 = 12,
  pex_res_cert = 13,
};
inline constexpr std::size_t kMessageTypes = 14;

// A channel's number at one end (3.11). 0 is not a channel: it begins a handshake or closes one.
struct ChannelId {
  std::uint32_t value = 0;
  friend auto operator<=>(ChannelId, ChannelId) = default;
};

// The message types that a peer accepts (7.10), bit X for type X.
using MessageSet = std::bitset<256>;
MessageSet all_messages();  // the fourteen of Table 7

// The options of a HANDSHAKE (section 7). What is absent was not on the wire.
struct HandshakeOptions {
  static constexpr std::uint32_t kVariableChunkSize = 0xffff'ffff;
  // A live_discard_window of all ones: nothing is discarded (7.9). Also stands for the 32 ones of a
  // narrow addressing.
  static constexpr std::uint64_t kKeepsAll = ~std::uint64_t{0};

  std::optional<std::uint8_t> version;          // 0
  std::optional<std::uint8_t> minimum_version;  // 1
  std::optional<std::span<const std::byte>> swarm_id;
  std::optional<std::uint8_t> integrity;             // 3: numbers, since a peer may name any
  std::optional<std::uint8_t> hash;                  // 4
  std::optional<std::uint8_t> signature_algorithm;   // 5
  std::optional<std::uint8_t> addressing;            // 6
  std::optional<std::uint64_t> live_discard_window;  // 7: chunks, or octets for byte ranges
  std::optional<MessageSet> supported_messages;      // 8; absent: all
  std::optional<std::uint32_t> chunk_size;           // 9
};

struct Handshake {
  ChannelId source;  // 0 closes the channel
  HandshakeOptions options;
};
struct Data {
  ChunkRange chunks;  // one chunk, or as many as the payload holds exactly (ambiguity 11)
  std::uint64_t timestamp_us = 0;
  std::span<const std::byte> payload;
};
struct Ack {
  ChunkRange chunks;
  std::int64_t one_way_delay_us = 0;  // receiver's clock minus DATA timestamp, modulo 2^64
};
struct Have {
  ChunkRange chunks;
};
struct Integrity {
  ChunkRange chunks;  // the leaves of the node, also beyond the content's end
  std::span<const std::byte> hash;
};
struct SignedIntegrity {
  ChunkRange chunks;
  std::uint64_t ntp_timestamp = 0;
  std::span<const std::byte> signature;
};
struct Request {
  ChunkRange chunks;
};
struct Cancel {
  ChunkRange chunks;
};
struct Choke {};
struct Unchoke {};
struct PexReq {};
struct PexResV4 {
  std::uint32_t address = 0;
  std::uint16_t port = 0;
};  // host byte order
struct PexResV6 {
  std::array<std::uint8_t, 16> address = {};
  std::uint16_t port = 0;
};
struct PexResCert {
  std::span<const std::byte> certificate;
};

// The alternatives stand in the order of MessageType.
using Message =
    std::variant<Handshake, Data, Ack, Have, Integrity, PexResV4, PexReq, SignedIntegrity, Request,
                 Cancel, Choke, Unchoke, PexResV6, PexResCert>;
inline MessageType type_of(const Message& message) {
  return static_cast<MessageType>(message.index());
}

// How the messages of one channel are laid out: what its handshake settled.
struct WireFormat {
  ChunkAddressing addressing = ChunkAddressing::chunk32;
  std::uint32_t chunk_size = kDefaultChunkSize;  // octets
  std::size_t hash_size = 32;                    // octets
  std::size_t signature_size = 0;                // octets; 0: no SIGNED_INTEGRITY in this swarm

  bool uses_bins() const {
    return addressing == ChunkAddressing::bin32 || addressing == ChunkAddressing::bin64;
  }
  std::size_t spec_size() const {  // octets of a chunk specification
    constexpr std::size_t kSizes[] = {4, 16, 8, 8, 16};
    return kSizes[static_cast<std::size_t>(addressing)];
  }
  std::size_t have_size() const { return 1 + spec_size(); }  // REQUEST and CANCEL as well
  std::size_t ack_size() const { return 1 + spec_size() + 8; }
  std::size_t integrity_size() const { return 1 + spec_size() + hash_size; }
  std::size_t signed_integrity_size() const { return 1 + spec_size() + 8 + signature_size; }
  std::size_t data_header_size() const { return 1 + spec_size() + 8; }
};

}  // namespace ppspp
