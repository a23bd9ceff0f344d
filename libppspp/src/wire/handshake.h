// The body of a HANDSHAKE: source channel and protocol options (RFC 7574, sections 7 and 8.4).
#pragma once

#include <optional>

#include "base/bytes.h"
#include "wire/datagram.h"
#include "wire/message.h"

namespace ppspp {

// Reads what follows the message type, up to and with the end option.
std::optional<DecodeError> read_handshake_body(ByteReader& in, Handshake& handshake);

}  // namespace ppspp
