// Any octets as the protocol options of a HANDSHAKE: they are refused, or written again in a form
// that is read as the same.
#include <cstdint>
#include <cstring>
#include <vector>

#include "base/assert.h"
#include "wire/datagram.h"
#include "wire/handshake.h"

namespace {

using namespace ppspp;

std::vector<std::byte> written(const Handshake& handshake, std::size_t room) {
  std::vector<std::byte> buffer(room);
  ByteWriter out(buffer);
  write_handshake(out, handshake);
  PPSPP_ASSERT(out.ok());
  buffer.resize(out.size());
  return buffer;
}

void check_sane(const HandshakeOptions& options) {
  // The window's width is the addressing's (7.9).
  PPSPP_ASSERT(!options.live_discard_window || options.addressing.value_or(5) < 5);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto body = std::as_bytes(std::span(data, size));
  ByteReader in(body);
  Handshake handshake;
  if (read_handshake_body(in, handshake)) return 0;
  check_sane(handshake.options);

  // Nothing becomes longer by being written: a bitmap may become shorter.
  const std::size_t read_size = body.size() - in.remaining();
  const auto once = written(handshake, 1 + read_size);
  PPSPP_ASSERT(handshake.options.supported_messages || once.size() == 1 + read_size);
  if (once.size() == 1 + read_size) {
    PPSPP_ASSERT(std::equal(once.begin() + 1, once.end(), body.begin()));
  }

  ByteReader again{std::span(once).subspan(1)};
  Handshake same;
  PPSPP_ASSERT(!read_handshake_body(again, same));
  PPSPP_ASSERT(again.at_end());
  PPSPP_ASSERT(written(same, once.size()) == once);
  return 0;
}
