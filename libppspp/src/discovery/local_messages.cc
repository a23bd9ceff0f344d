#include "discovery/local_messages.h"

#include <algorithm>
#include <string_view>

#include "base/assert.h"
#include "base/bytes.h"

namespace ppspp {
namespace {

constexpr std::uint32_t kMagic = 0x5050534c;  // "PPSL"
constexpr std::uint8_t kVersion = 1;
constexpr std::uint8_t kComplete = 0x01;
constexpr std::string_view kTagLabel = "PPSPP local discovery 1: tag";
constexpr std::string_view kProofLabel = "PPSPP local discovery 1: proof";
constexpr std::string_view kServiceLabel = "PPSPP local discovery 1: service";

template <std::size_t kSize>
std::array<std::byte, kSize> read_array(ByteReader& in) {
  std::array<std::byte, kSize> result = {};
  const auto octets = in.take(kSize);
  std::copy(octets.begin(), octets.end(), result.begin());
  return result;
}

std::array<std::byte, 16> first_half(const Digest& digest) {
  std::array<std::byte, 16> result;
  std::copy_n(digest.data(), result.size(), result.begin());
  return result;
}

}  // namespace

std::size_t write_local_message(const LocalMessage& message, std::span<std::byte> out) {
  const bool answer = message.type == LocalMessage::Type::answer;
  ByteWriter writer(out);
  writer.write(kMagic);
  writer.write(kVersion);
  writer.write(static_cast<std::uint8_t>(message.type));
  writer.write<std::uint8_t>(message.complete ? kComplete : 0);
  writer.write(static_cast<std::uint8_t>(message.count));
  writer.write(message.instance);
  writer.write_bytes(message.nonce);
  if (answer) writer.write(message.port);
  for (const LocalMessage::Entry& entry : message.swarms()) {
    writer.write_bytes(entry.tag);
    if (answer) writer.write_bytes(entry.proof);
  }
  PPSPP_ASSERT(writer.ok());
  return writer.size();
}

std::optional<LocalMessage> read_local_message(std::span<const std::byte> datagram) {
  ByteReader in(datagram);
  if (in.read<std::uint32_t>() != kMagic || in.read<std::uint8_t>() != kVersion) return {};
  LocalMessage message;
  message.type = static_cast<LocalMessage::Type>(in.read<std::uint8_t>());
  const bool answer = message.type == LocalMessage::Type::answer;
  if (!answer && message.type != LocalMessage::Type::query) return {};
  message.complete = (in.read<std::uint8_t>() & kComplete) != 0;
  message.count = in.read<std::uint8_t>();
  if (message.count == 0 || message.count > LocalMessage::kMaxSwarms) return {};
  message.instance = in.read<std::uint64_t>();
  message.nonce = read_array<16>(in);
  if (answer) message.port = in.read<std::uint16_t>();
  for (auto& entry : std::span(message.entries).first(message.count)) {
    entry.tag = read_array<16>(in);
    if (answer) entry.proof = read_array<16>(in);
  }
  if (!in.ok() || !in.at_end() || (answer && message.port == 0)) return {};
  return message;
}

LocalTag LocalSecrets::tag(const SwarmId& id) {
  std::array<std::byte, kTagLabel.size() + SwarmId::kMaxSize> buffer;
  ByteWriter out(buffer);
  out.write_bytes(std::as_bytes(std::span(kTagLabel)));
  out.write_bytes(id.octets());
  return first_half(hasher_.hash(out.written()));
}

LocalProof LocalSecrets::proof(const SwarmId& id, const LocalNonce& nonce,
                               const TransportAddress& address) {
  std::array<std::byte, kProofLabel.size() + 16 + 18 + SwarmId::kMaxSize> buffer;
  ByteWriter out(buffer);
  out.write_bytes(std::as_bytes(std::span(kProofLabel)));
  out.write_bytes(nonce);
  out.write_bytes(std::as_bytes(std::span(address.bytes())));
  out.write(address.port());
  out.write_bytes(id.octets());
  return first_half(hasher_.hash(out.written()));
}

LocalProof LocalSecrets::service_proof(const SwarmId& id, std::uint64_t instance,
                                       const TransportAddress& address) {
  std::array<std::byte, kServiceLabel.size() + 8 + 18 + SwarmId::kMaxSize> buffer;
  ByteWriter out(buffer);
  out.write_bytes(std::as_bytes(std::span(kServiceLabel)));
  out.write(instance);
  out.write_bytes(std::as_bytes(std::span(address.bytes())));
  out.write(address.port());
  out.write_bytes(id.octets());
  return first_half(hasher_.hash(out.written()));
}

}  // namespace ppspp
