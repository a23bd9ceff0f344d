// Octets under a wire format: reading ends, and what decodes is written as the same octets. Two
// fields have several encodings, for which the second writing must equal the first: the end of a
// byte range (4.1.2), and the bitmap of supported messages (7.10).
#include "wire/datagram.h"

#include <cstdint>
#include <vector>

#include "base/assert.h"

namespace {

using namespace ppspp;

// The first octet of the input chooses the format, the others are the datagram.
WireFormat format_of(std::uint8_t choice) {
  constexpr std::uint32_t kChunkSizes[] = {1024, 1000, 1, 7};
  WireFormat format;
  format.addressing = static_cast<ChunkAddressing>(choice % 5);
  format.chunk_size = kChunkSizes[(choice / 5) % 4];
  format.hash_size = digest_size(kHashFunctions[(choice / 20) % 5]);
  format.signature_size = choice < 100 ? 64 : 0;
  return format;
}

bool has_one_encoding(const Message& message, const WireFormat& format) {
  if (const auto* handshake = std::get_if<Handshake>(&message)) {
    return !handshake->options.supported_messages;
  }
  return format.addressing != ChunkAddressing::byte64;
}

std::vector<std::byte> written(const Message& message, const WireFormat& format) {
  std::vector<std::byte> buffer(70'000 + 4);
  ByteWriter out(buffer);
  write_channel(out, ChannelId{});
  write_message(out, message, format);
  PPSPP_ASSERT(out.ok());
  buffer.resize(out.size());
  return buffer;
}

// Writing, reading and writing again makes no difference.
void check_stable(const Message& message, const WireFormat& format) {
  const auto once = written(message, format);
  DatagramReader reader(once, format);
  const auto again = reader.next();
  PPSPP_ASSERT(again);
  PPSPP_ASSERT(type_of(*again) == type_of(message));
  PPSPP_ASSERT(reader.empty());
  PPSPP_ASSERT(written(*again, format) == once);
}

void check_same_octets(std::span<const std::byte> octets, const Message& message,
                       const WireFormat& format) {
  const auto once = written(message, format);
  PPSPP_ASSERT(std::equal(octets.begin(), octets.end(), once.begin() + 4, once.end()));
}

void check_datagram(std::span<const std::byte> datagram, const WireFormat& format) {
  DatagramReader reader(datagram, format);
  while (!reader.empty()) {
    const std::size_t before = reader.remaining();
    const auto message = reader.next();
    if (!message) break;
    const std::size_t size = before - reader.remaining();
    PPSPP_ASSERT(size > 0);
    if (has_one_encoding(*message, format)) {
      check_same_octets(datagram.subspan(datagram.size() - before, size), *message, format);
    }
    check_stable(*message, format);
  }
  PPSPP_ASSERT(reader.empty());
  PPSPP_ASSERT(!reader.next());
}

// A first datagram is read in two steps, which must see what one reader sees.
void check_first_handshake(std::span<const std::byte> datagram, const WireFormat& format) {
  const auto first = read_handshake(datagram);
  DatagramReader whole(datagram, format);
  const auto message = whole.next();
  PPSPP_ASSERT(first.has_value() == (message && std::holds_alternative<Handshake>(*message)));
  if (!first) return;
  DatagramReader rest = read_rest(first->rest, format);
  while (const auto expected = whole.next()) {
    const auto found = rest.next();
    PPSPP_ASSERT(found && written(*found, format) == written(*expected, format));
  }
  PPSPP_ASSERT(!rest.next());
  PPSPP_ASSERT(rest.error() == whole.error());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0 || size > 65'508) return 0;
  const auto datagram = std::as_bytes(std::span(data, size)).subspan(1);
  const WireFormat format = format_of(data[0]);
  check_datagram(datagram, format);
  check_first_handshake(datagram, format);
  return 0;
}
