// Datagrams to messages and back: pure, stateless, without allocation (RFC 7574, section 8).
//
// A peer's octets enter the program here. Whatever they are, reading ends: with messages, then the
// end of the datagram or one error, after which the rest is not looked at (section 3, #3).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "base/bytes.h"
#include "wire/chunk_spec.h"
#include "wire/message.h"

namespace ppspp {

enum class DecodeError : std::uint8_t {
  truncated,            // the datagram ends within a message
  unknown_message,      // a type that is not in Table 7, or that the format has no layout for:
                        // SIGNED_INTEGRITY without signatures, INTEGRITY without hashes
  misplaced_handshake,  // not the first message of its datagram (3.1, #10)
  bad_options,          // unsorted, twice, unknown, or of a length that cannot be known (7)
  bad_chunk_spec,       // start behind end, beyond 2^63 chunks, not on a chunk's border, empty or
                        // more than a chunk where that makes no sense
  bad_data,             // a DATA range of several chunks whose payload is not exactly theirs (8.6)
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
  // The same, with the message handed on as what it is, which costs less. False: there is none.
  template <typename Visitor>
  bool next_to(const Visitor& visit);
  std::optional<DecodeError> error() const { return error_; }
  bool empty() const { return in_.at_end(); }                // nothing is left to read
  std::size_t remaining() const { return in_.remaining(); }  // octets

 private:
  struct AfterHandshake {};
  DatagramReader(AfterHandshake, std::span<const std::byte> rest, const WireFormat& format);
  friend DatagramReader read_rest(std::span<const std::byte> rest, const WireFormat& format);

  // Each reads one message, of which the type is the next octet.
  std::optional<Data> next_data();
  std::optional<Ack> next_ack();
  std::optional<Integrity> next_integrity();
  template <typename T>
  std::optional<T> next_range_message();
  std::optional<Message> next_rare();
  std::optional<Message> next_handshake();
  std::optional<Message> next_signed_integrity();
  std::optional<Message> next_pex_res_v4();
  std::optional<Message> next_pex_res_v6();
  std::optional<Message> next_pex_res_cert();

  std::nullopt_t fail(DecodeError error) {
    error_ = error;
    in_.fail();
    return std::nullopt;
  }

  ByteReader in_;
  WireFormat format_;
  const std::byte* handshake_place_ = nullptr;  // where alone a HANDSHAKE may begin
  std::optional<DecodeError> error_;
};

// A HANDSHAKE alone, for a datagram whose format is not known yet: it must be the first message.
// `rest` is what follows it.
struct FirstHandshake {
  Handshake handshake;
  std::span<const std::byte> rest;
};
std::optional<FirstHandshake> read_handshake(std::span<const std::byte> datagram);
// The messages of `rest`, once the handshake has told their format. Another HANDSHAKE among them is
// misplaced.
DatagramReader read_rest(std::span<const std::byte> rest, const WireFormat& format);

// The longest front of `range` that one chunk specification can name: all of it for ranges, one bin
// for bins, cut where the addressing's numbers end; empty: none of it can be named.
ChunkRange nameable_front(ChunkRange range, const WireFormat& format);
// The biggest part of `range` around `chunk` that one chunk specification can name (4.3.1).
ChunkRange nameable_around(ChunkIndex chunk, ChunkRange range, const WireFormat& format);

// Writers append one message and leave the writer failed if it does not fit: ask fits() before.
// Ranges have to be nameable; an empty one is, with bins. They do not check that the peer lists the
// message.
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

// What follows is inline, because it is done for each chunk.

inline std::optional<Message> DatagramReader::next() {
  std::optional<Message> message;
  next_to([&]<typename T>(const T& what) { message.emplace(std::in_place_type<T>, what); });
  return message;
}

template <typename Visitor>
bool DatagramReader::next_to(const Visitor& visit) {
  const auto hand_on = [&](const auto& message) {
    if (message) visit(*message);
    return message.has_value();
  };
  if (in_.at_end()) return false;
  switch (static_cast<MessageType>(in_.rest().front())) {
    case MessageType::data:
      return hand_on(next_data());
    case MessageType::ack:
      return hand_on(next_ack());
    case MessageType::integrity:
      return hand_on(next_integrity());
    case MessageType::have:
      return hand_on(next_range_message<Have>());
    case MessageType::request:
      return hand_on(next_range_message<Request>());
    default:
      break;
  }
  const auto message = next_rare();
  if (message) std::visit(visit, *message);
  return message.has_value();
}

// DATA has no length (8.6): a chunk is what is left of the datagram, up to the chunk size. A range
// of several chunks is taken only where all of them are there in full.
inline std::optional<Data> DatagramReader::next_data() {
  const auto head = in_.take(format_.data_header_size());
  if (!in_.ok()) return fail(DecodeError::truncated);
  const auto chunks = load_chunk_spec(head.data() + 1, format_);
  if (!chunks || chunks->empty()) return fail(DecodeError::bad_chunk_spec);
  if (in_.at_end()) return fail(DecodeError::truncated);

  std::size_t size = std::min<std::size_t>(in_.remaining(), format_.chunk_size);
  if (chunks->size() != 1) {
    if (format_.uses_bins()) return fail(DecodeError::bad_chunk_spec);  // not a leaf
    if (chunks->size() > in_.remaining() / format_.chunk_size) return fail(DecodeError::bad_data);
    size = chunks->size() * format_.chunk_size;
  }
  const auto timestamp = load<std::uint64_t>(head.data() + head.size() - 8);
  return Data{*chunks, timestamp, in_.take(size)};
}

inline std::optional<Ack> DatagramReader::next_ack() {
  const auto octets = in_.take(format_.ack_size());
  if (!in_.ok()) return fail(DecodeError::truncated);
  const auto chunks = load_chunk_spec(octets.data() + 1, format_);
  if (!chunks) return fail(DecodeError::bad_chunk_spec);
  const auto delay = load<std::uint64_t>(octets.data() + octets.size() - 8);
  return Ack{*chunks, static_cast<std::int64_t>(delay)};
}

inline std::optional<Integrity> DatagramReader::next_integrity() {
  if (format_.hash_size == 0) return fail(DecodeError::unknown_message);
  const auto octets = in_.take(format_.integrity_size());
  if (!in_.ok()) return fail(DecodeError::truncated);
  const auto chunks = load_chunk_spec(octets.data() + 1, format_);
  if (!chunks || chunks->empty()) return fail(DecodeError::bad_chunk_spec);
  return Integrity{*chunks, octets.last(format_.hash_size)};
}

// HAVE, REQUEST and CANCEL: a chunk specification alone.
template <typename T>
std::optional<T> DatagramReader::next_range_message() {
  const auto octets = in_.take(format_.have_size());
  if (!in_.ok()) return fail(DecodeError::truncated);
  const auto chunks = load_chunk_spec(octets.data() + 1, format_);
  if (!chunks) return fail(DecodeError::bad_chunk_spec);
  return T{*chunks};
}

}  // namespace ppspp
