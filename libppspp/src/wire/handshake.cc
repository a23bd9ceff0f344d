#include "wire/handshake.h"

#include "base/assert.h"

namespace ppspp {
namespace {

enum class Option : std::uint8_t {  // Table 2
  version = 0,
  minimum_version = 1,
  swarm_id = 2,
  integrity = 3,
  hash = 4,
  signature_algorithm = 5,
  addressing = 6,
  live_discard_window = 7,
  supported_messages = 8,
  chunk_size = 9,
  end = 255,
};

constexpr std::size_t kMaxBitmapSize = 32;  // 256 bits
constexpr std::uint32_t kKeepsAll32 = 0xffff'ffff;

// The octets of a discard window: those of a bin, or of one value of a range (7.9). 0: unknown.
std::size_t window_size(std::optional<std::uint8_t> addressing) {
  if (!addressing) return 0;
  switch (static_cast<ChunkAddressing>(*addressing)) {
    case ChunkAddressing::bin32:
    case ChunkAddressing::chunk32:
      return 4;
    case ChunkAddressing::byte64:
    case ChunkAddressing::bin64:
    case ChunkAddressing::chunk64:
      return 8;
  }
  return 0;
}

bool read_window(ByteReader& in, HandshakeOptions& options) {
  switch (window_size(options.addressing)) {
    case 4: {
      const auto window = in.read<std::uint32_t>();
      options.live_discard_window = window == kKeepsAll32 ? HandshakeOptions::kKeepsAll : window;
      return true;
    }
    case 8:
      options.live_discard_window = in.read<std::uint64_t>();
      return true;
    default:
      return false;  // no telling how long it is
  }
}

// Bit X, from the left, stands for type X (7.10). Zeros that could have been left out do no harm.
bool read_supported_messages(ByteReader& in, HandshakeOptions& options) {
  const std::size_t size = in.read<std::uint8_t>();
  if (size > kMaxBitmapSize) return false;
  MessageSet messages;
  std::size_t type = 0;
  for (const std::byte octet : in.take(size)) {
    for (unsigned mask = 0x80; mask != 0; mask >>= 1, ++type) {
      messages[type] = (std::to_integer<unsigned>(octet) & mask) != 0;
    }
  }
  options.supported_messages = messages;
  return true;
}

// False: an option whose value cannot be what it should, or whose length is not known.
bool read_option(Option code, ByteReader& in, HandshakeOptions& options) {
  switch (code) {
    case Option::version:
      options.version = in.read<std::uint8_t>();
      return true;
    case Option::minimum_version:
      options.minimum_version = in.read<std::uint8_t>();
      return true;
    case Option::swarm_id:
      options.swarm_id = in.take(in.read<std::uint16_t>());
      return true;
    case Option::integrity:
      options.integrity = in.read<std::uint8_t>();
      return true;
    case Option::hash:
      options.hash = in.read<std::uint8_t>();
      return true;
    case Option::signature_algorithm:
      options.signature_algorithm = in.read<std::uint8_t>();
      return true;
    case Option::addressing:
      options.addressing = in.read<std::uint8_t>();
      return true;
    case Option::live_discard_window:
      return read_window(in, options);
    case Option::supported_messages:
      return read_supported_messages(in, options);
    case Option::chunk_size:
      options.chunk_size = in.read<std::uint32_t>();
      return true;
    case Option::end:
      break;
  }
  return false;
}

void write_code(ByteWriter& out, Option code) {
  out.write(static_cast<std::uint8_t>(code));
}

template <typename T>
void write_option(ByteWriter& out, Option code, const std::optional<T>& value) {
  if (!value) return;
  write_code(out, code);
  out.write(*value);
}

void write_swarm_id(ByteWriter& out, const HandshakeOptions& options) {
  if (!options.swarm_id) return;
  PPSPP_ASSERT(options.swarm_id->size() <= 0xffff);
  write_code(out, Option::swarm_id);
  out.write(static_cast<std::uint16_t>(options.swarm_id->size()));
  out.write_bytes(*options.swarm_id);
}

void write_window(ByteWriter& out, const HandshakeOptions& options) {
  if (!options.live_discard_window) return;
  const std::size_t size = window_size(options.addressing);
  PPSPP_ASSERT(size != 0);  // the addressing has to stand before the window (7.9)
  write_code(out, Option::live_discard_window);
  if (size == 8) {
    out.write(*options.live_discard_window);
  } else {
    out.write(static_cast<std::uint32_t>(
        std::min<std::uint64_t>(*options.live_discard_window, kKeepsAll32)));
  }
}

void write_supported_messages(ByteWriter& out, const HandshakeOptions& options) {
  if (!options.supported_messages) return;
  std::array<std::byte, kMaxBitmapSize> bitmap = {};
  std::size_t size = 0;
  for (std::size_t type = 0; type < options.supported_messages->size(); ++type) {
    if (!options.supported_messages->test(type)) continue;
    bitmap[type / 8] |= static_cast<std::byte>(0x80u >> (type % 8));
    size = type / 8 + 1;
  }
  write_code(out, Option::supported_messages);
  out.write(static_cast<std::uint8_t>(size));
  out.write_bytes(std::span(bitmap).first(size));
}

}  // namespace

std::optional<DecodeError> read_handshake_body(ByteReader& in, Handshake& handshake) {
  handshake.source = ChannelId{in.read<std::uint32_t>()};
  int previous = -1;
  while (!in.at_end()) {
    const auto code = in.read<std::uint8_t>();
    if (static_cast<Option>(code) == Option::end) return std::nullopt;
    if (code <= previous) return DecodeError::bad_options;  // unsorted, or twice
    previous = code;
    if (!read_option(static_cast<Option>(code), in, handshake.options)) {
      return in.ok() ? DecodeError::bad_options : DecodeError::truncated;
    }
  }
  return DecodeError::truncated;
}

void write_handshake(ByteWriter& out, const Handshake& handshake) {
  const HandshakeOptions& options = handshake.options;
  out.write(static_cast<std::uint8_t>(MessageType::handshake));
  out.write(handshake.source.value);
  write_option(out, Option::version, options.version);
  write_option(out, Option::minimum_version, options.minimum_version);
  write_swarm_id(out, options);
  write_option(out, Option::integrity, options.integrity);
  write_option(out, Option::hash, options.hash);
  write_option(out, Option::signature_algorithm, options.signature_algorithm);
  write_option(out, Option::addressing, options.addressing);
  write_window(out, options);
  write_supported_messages(out, options);
  write_option(out, Option::chunk_size, options.chunk_size);
  write_code(out, Option::end);
}

}  // namespace ppspp
