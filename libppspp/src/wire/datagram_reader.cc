#include "wire/datagram.h"
#include "wire/handshake.h"

namespace ppspp {
namespace {

constexpr std::size_t kChannelIdSize = 4;

template <typename T>
std::optional<Message> message_of(const T& message) {
  return std::optional<Message>(std::in_place, std::in_place_type<T>, message);
}

}  // namespace

MessageSet all_messages() {
  return MessageSet((1u << kMessageTypes) - 1);
}

std::string_view to_string(DecodeError error) {
  switch (error) {
    case DecodeError::truncated:
      return "truncated message";
    case DecodeError::unknown_message:
      return "unknown message type";
    case DecodeError::misplaced_handshake:
      return "handshake that is not the first message";
    case DecodeError::bad_options:
      return "bad protocol options";
    case DecodeError::bad_chunk_spec:
      return "bad chunk specification";
    case DecodeError::bad_data:
      return "payload that does not fit its chunk specification";
  }
  return "unknown error";
}

std::optional<ChannelId> destination(std::span<const std::byte> datagram) {
  ByteReader in(datagram);
  const ChannelId channel{in.read<std::uint32_t>()};
  return in.ok() ? std::optional(channel) : std::nullopt;
}

DatagramReader::DatagramReader(std::span<const std::byte> datagram, const WireFormat& format)
    : in_(datagram), format_(format) {
  PPSPP_ASSERT(format.chunk_size > 0);
  in_.take(kChannelIdSize);
  if (in_.ok()) {
    handshake_place_ = in_.rest().data();
  } else {
    error_ = DecodeError::truncated;
  }
}

DatagramReader::DatagramReader(AfterHandshake, std::span<const std::byte> rest,
                               const WireFormat& format)
    : in_(rest), format_(format) {
  PPSPP_ASSERT(format.chunk_size > 0);
}

DatagramReader read_rest(std::span<const std::byte> rest, const WireFormat& format) {
  return DatagramReader(DatagramReader::AfterHandshake{}, rest, format);
}

std::optional<FirstHandshake> read_handshake(std::span<const std::byte> datagram) {
  ByteReader in(datagram);
  in.take(kChannelIdSize);
  if (in.at_end()) return std::nullopt;
  if (in.read<std::uint8_t>() != static_cast<std::uint8_t>(MessageType::handshake)) {
    return std::nullopt;
  }
  FirstHandshake first;
  if (read_handshake_body(in, first.handshake)) return std::nullopt;
  first.rest = in.rest();
  return first;
}

std::optional<Message> DatagramReader::next_rare() {
  switch (static_cast<MessageType>(in_.rest().front())) {
    case MessageType::handshake:
      return next_handshake();
    case MessageType::signed_integrity:
      return next_signed_integrity();
    case MessageType::pex_res_v4:
      return next_pex_res_v4();
    case MessageType::pex_res_v6:
      return next_pex_res_v6();
    case MessageType::pex_res_cert:
      return next_pex_res_cert();
    case MessageType::pex_req:
      in_.take(1);
      return message_of(PexReq{});
    case MessageType::choke:
      in_.take(1);
      return message_of(Choke{});
    case MessageType::unchoke:
      in_.take(1);
      return message_of(Unchoke{});
    case MessageType::cancel:
      return next_range_message<Cancel>();
    case MessageType::data:
    case MessageType::ack:
    case MessageType::have:
    case MessageType::integrity:
    case MessageType::request:
      break;  // next() reads them
  }
  return fail(DecodeError::unknown_message);
}

std::optional<Message> DatagramReader::next_handshake() {
  if (in_.rest().data() != handshake_place_) return fail(DecodeError::misplaced_handshake);
  in_.take(1);
  std::optional<Message> message(std::in_place, std::in_place_type<Handshake>);
  const auto error = read_handshake_body(in_, std::get<Handshake>(*message));
  if (error) return fail(*error);
  return message;
}

std::optional<Message> DatagramReader::next_signed_integrity() {
  // Without keys there are no signatures, and without their length no layout (8.9).
  if (format_.signature_size == 0) return fail(DecodeError::unknown_message);
  const std::size_t spec_size = format_.spec_size();
  const auto head = in_.take(1 + spec_size + 8);
  const auto signature = in_.take(format_.signature_size);
  if (!in_.ok()) return fail(DecodeError::truncated);
  const auto chunks = load_chunk_spec(head.data() + 1, format_);
  if (!chunks || chunks->empty()) return fail(DecodeError::bad_chunk_spec);
  const auto timestamp = load<std::uint64_t>(head.data() + 1 + spec_size);
  return message_of(SignedIntegrity{*chunks, timestamp, signature});
}

std::optional<Message> DatagramReader::next_pex_res_v4() {
  in_.take(1);
  PexResV4 message;
  message.address = in_.read<std::uint32_t>();
  message.port = in_.read<std::uint16_t>();
  if (!in_.ok()) return fail(DecodeError::truncated);
  return message_of(message);
}

std::optional<Message> DatagramReader::next_pex_res_v6() {
  in_.take(1);
  PexResV6 message;
  const auto address = in_.take(message.address.size());
  message.port = in_.read<std::uint16_t>();
  if (!in_.ok()) return fail(DecodeError::truncated);
  std::memcpy(message.address.data(), address.data(), address.size());
  return message_of(message);
}

std::optional<Message> DatagramReader::next_pex_res_cert() {
  in_.take(1);
  const std::size_t size = in_.read<std::uint16_t>();
  const PexResCert message{in_.take(size)};
  if (!in_.ok()) return fail(DecodeError::truncated);
  return message_of(message);
}

}  // namespace ppspp
