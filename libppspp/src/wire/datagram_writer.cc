#include "base/assert.h"
#include "wire/chunk_spec.h"
#include "wire/datagram.h"

namespace ppspp {
namespace {

constexpr std::size_t kMaxCertificateSize = 0xffff;  // of a 16-bit length (8.13)

void write_type(ByteWriter& out, MessageType type) {
  out.write(static_cast<std::uint8_t>(type));
}

// Reserves a message whose length is known, and writes its type and chunk specification. Returns
// the place of what follows them; empty: the message does not fit.
std::span<std::byte> write_head(ByteWriter& out, MessageType type, ChunkRange chunks,
                                std::size_t rest_size, const WireFormat& format) {
  const std::size_t head_size = 1 + format.spec_size();
  const auto place = out.reserve(head_size + rest_size);
  if (place.empty()) return {};
  place[0] = static_cast<std::byte>(type);
  store_chunk_spec(place.data() + 1, chunks, format);
  return place.subspan(head_size);
}

void copy(std::span<const std::byte> from, std::span<std::byte> to) {
  if (!from.empty()) std::memcpy(to.data(), from.data(), from.size());
}

// DATA with the octets that came with it, for any range that a payload can have.
void write_whole_data(ByteWriter& out, const Data& data, const WireFormat& format) {
  const auto place =
      write_head(out, MessageType::data, data.chunks, 8 + data.payload.size(), format);
  if (place.empty()) return;
  stamp(place.first(8), data.timestamp_us);
  copy(data.payload, place.subspan(8));
}

struct MessageWriter {
  ByteWriter& out;
  const WireFormat& format;

  void operator()(const Handshake& m) const { write_handshake(out, m); }
  void operator()(const Data& m) const { write_whole_data(out, m, format); }
  void operator()(const Ack& m) const { write_ack(out, m, format); }
  void operator()(const Have& m) const { write_have(out, m.chunks, format); }
  void operator()(const Integrity& m) const { write_integrity(out, m, format); }
  void operator()(const PexResV4& m) const { write_pex_res(out, m); }
  void operator()(const PexReq&) const { write_pex_req(out); }
  void operator()(const SignedIntegrity& m) const { write_signed_integrity(out, m, format); }
  void operator()(const Request& m) const { write_request(out, m.chunks, format); }
  void operator()(const Cancel& m) const { write_cancel(out, m.chunks, format); }
  void operator()(const Choke&) const { write_choke(out); }
  void operator()(const Unchoke&) const { write_unchoke(out); }
  void operator()(const PexResV6& m) const { write_pex_res(out, m); }
  void operator()(const PexResCert& m) const { write_pex_res(out, m); }
};

}  // namespace

void write_channel(ByteWriter& out, ChannelId destination) {
  out.write(destination.value);
}

void write_have(ByteWriter& out, ChunkRange chunks, const WireFormat& format) {
  write_head(out, MessageType::have, chunks, 0, format);
}

void write_request(ByteWriter& out, ChunkRange chunks, const WireFormat& format) {
  write_head(out, MessageType::request, chunks, 0, format);
}

void write_cancel(ByteWriter& out, ChunkRange chunks, const WireFormat& format) {
  write_head(out, MessageType::cancel, chunks, 0, format);
}

void write_ack(ByteWriter& out, const Ack& ack, const WireFormat& format) {
  const auto place = write_head(out, MessageType::ack, ack.chunks, 8, format);
  if (!place.empty()) store(place.data(), static_cast<std::uint64_t>(ack.one_way_delay_us));
}

void write_integrity(ByteWriter& out, const Integrity& integrity, const WireFormat& format) {
  PPSPP_ASSERT(integrity.hash.size() == format.hash_size);
  const auto place =
      write_head(out, MessageType::integrity, integrity.chunks, integrity.hash.size(), format);
  if (!place.empty()) copy(integrity.hash, place);
}

void write_signed_integrity(ByteWriter& out, const SignedIntegrity& message,
                            const WireFormat& format) {
  PPSPP_ASSERT(message.signature.size() == format.signature_size);
  const auto place = write_head(out, MessageType::signed_integrity, message.chunks,
                                8 + message.signature.size(), format);
  if (place.empty()) return;
  store(place.data(), message.ntp_timestamp);
  copy(message.signature, place.subspan(8));
}

void write_choke(ByteWriter& out) {
  write_type(out, MessageType::choke);
}
void write_unchoke(ByteWriter& out) {
  write_type(out, MessageType::unchoke);
}
void write_pex_req(ByteWriter& out) {
  write_type(out, MessageType::pex_req);
}

void write_pex_res(ByteWriter& out, const PexResV4& message) {
  write_type(out, MessageType::pex_res_v4);
  out.write(message.address);
  out.write(message.port);
}

void write_pex_res(ByteWriter& out, const PexResV6& message) {
  write_type(out, MessageType::pex_res_v6);
  out.write_bytes(std::as_bytes(std::span(message.address)));
  out.write(message.port);
}

void write_pex_res(ByteWriter& out, const PexResCert& message) {
  PPSPP_ASSERT(message.certificate.size() <= kMaxCertificateSize);
  write_type(out, MessageType::pex_res_cert);
  out.write(static_cast<std::uint16_t>(message.certificate.size()));
  out.write_bytes(message.certificate);
}

DataPlaces write_data(ByteWriter& out, ChunkIndex chunk, std::size_t payload_size,
                      const WireFormat& format) {
  PPSPP_ASSERT(payload_size > 0 && payload_size <= format.chunk_size);
  const auto place =
      write_head(out, MessageType::data, {chunk, chunk + 1}, 8 + payload_size, format);
  if (place.empty()) return {};
  return {place.first(8), place.subspan(8)};
}

void stamp(std::span<std::byte> timestamp, std::uint64_t microseconds) {
  PPSPP_ASSERT(timestamp.size() == sizeof microseconds);
  store(timestamp.data(), microseconds);
}

void write_message(ByteWriter& out, const Message& message, const WireFormat& format) {
  std::visit(MessageWriter{out, format}, message);
}

}  // namespace ppspp
