// Datagrams to messages and back: pure, stateless, without allocation (RFC 7574, section 8).
//
// A peer's octets enter the program here. Whatever they are, reading ends: with messages, then the
// end of the datagram or one error, after which the rest is not looked at (section 3, #3).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/bytes.h"
#include "wire/message.h"

namespace ppspp {

enum class DecodeError : std::uint8_t {
  truncated,            // the datagram ends within a message
  unknown_message,      // a type that is not in Table 7
  misplaced_handshake,  // not the first message of its datagram (3.1, #10)
  bad_options,          // unsorted, twice, unknown, or without the end option (7)
  bad_chunk_spec,       // start behind end, beyond 2^63 chunks, not on a chunk's border
  bad_data,             // a payload that does not fit its chunk specification, or something behind
                        // a short last chunk (8.6)
};
std::string_view to_string(DecodeError error);
inline constexpr std::size_t kDecodeErrors = 6;

// The channel that a datagram is for: its first four octets. Nothing: too short, to be dropped.
std::optional<ChannelId> destination(std::span<const std::byte> datagram);

// Yields the messages behind the channel ID, in order:
//   DatagramReader reader(datagram, format);
//   while (const auto message = reader.next()) ...
//   if (reader.error()) ...
// A datagram of the channel ID alone (a keep-alive, 8.14) yields none and is no error.
class DatagramReader {
 public:
  DatagramReader(std::span<const std::byte> datagram, const WireFormat& format);

  std::optional<Message> next();
  std::optional<DecodeError> error() const { return error_; }
  bool empty() const { return in_.at_end(); }

 private:
  ByteReader in_;
  WireFormat format_;
  std::optional<DecodeError> error_;
  bool first_ = true;
  bool short_data_seen_ = false;
};

// A HANDSHAKE alone, for a datagram whose format is not known yet: it must be the first message.
// `rest` is what follows it.
struct FirstHandshake {
  Handshake handshake;
  std::span<const std::byte> rest;
};
std::optional<FirstHandshake> read_handshake(std::span<const std::byte> datagram);
// The messages of `rest`, once the handshake has told their format.
DatagramReader read_rest(std::span<const std::byte> rest, const WireFormat& format);

// The longest front of `range` that one chunk specification can name: all of it for ranges, one bin
// for bins, cut where the addressing's numbers end; empty: none of it can be named.
ChunkRange nameable_front(ChunkRange range, const WireFormat& format);
// The biggest part of `range` around `chunk` that one chunk specification can name (4.3.1).
ChunkRange nameable_around(ChunkIndex chunk, ChunkRange range, const WireFormat& format);

// Writers append one message and leave the writer failed if it does not fit: ask fits() before.
// Ranges have to be nameable. They do not check that the peer lists the message.
void write_channel(ByteWriter& out, ChannelId destination);
void write_handshake(ByteWriter& out, const Handshake& handshake);  // options sorted, end option
void write_have(ByteWriter& out, ChunkRange chunks, const WireFormat& format);
void write_request(ByteWriter& out, ChunkRange chunks, const WireFormat& format);
void write_cancel(ByteWriter& out, ChunkRange chunks, const WireFormat& format);
void write_ack(ByteWriter& out, const Ack& ack, const WireFormat& format);
void write_integrity(ByteWriter& out, const Integrity& integrity, const WireFormat& format);
void write_signed_integrity(ByteWriter& out, const SignedIntegrity& message,
                            const WireFormat& format);
void write_choke(ByteWriter& out);
void write_unchoke(ByteWriter& out);
void write_pex_req(ByteWriter& out);
void write_pex_res(ByteWriter& out, const PexResV4& message);
void write_pex_res(ByteWriter& out, const PexResV6& message);
void write_pex_res(ByteWriter& out, const PexResCert& message);  // at most 65,535 octets

// The head of a DATA message for one chunk, and the place of its timestamp and of its payload in
// the writer's buffer, for the caller to fill: the payload by the store, the timestamp last.
struct DataPlaces {
  std::span<std::byte> timestamp;  // 8 octets, for stamp()
  std::span<std::byte> payload;
};
DataPlaces write_data(ByteWriter& out, ChunkIndex chunk, std::size_t payload_size,
                      const WireFormat& format);
void stamp(std::span<std::byte> timestamp, std::uint64_t microseconds);

// Any message, for tests, tools and fuzz targets. Data is written with its payload.
void write_message(ByteWriter& out, const Message& message, const WireFormat& format);

}  // namespace ppspp
