// What a HANDSHAKE says about a peer, and whether it may stay (RFC 7574, 3.1.1 and section 7).
#pragma once

#include <cstdint>
#include <optional>

#include "ppspp/swarm_metadata.h"
#include "wire/message.h"

namespace ppspp {

// What we need to remember of a peer's options.
struct PeerCapabilities {
  MessageSet messages;                                         // never send it anything else (7.10)
  std::uint64_t discard_window = HandshakeOptions::kKeepsAll;  // live: chunks
  bool draft_era = false;  // left out option 9: libswift and its kin (before 2015)
};

// Whether the peer may be sent messages of the type (7.10).
inline bool lists(const PeerCapabilities& peer, MessageType type) {
  return peer.messages.test(static_cast<std::size_t>(type));
}

// The options of our HANDSHAKE. Views point into `metadata`. `initiator`: with the minimum version
// and the swarm ID (7.3, 7.4). `draft_era`: without options 8 and 9, which such peers choke on.
// `discard_window`: chunks that we keep of a live feed.
HandshakeOptions handshake_options(const SwarmMetadata& metadata, std::uint64_t discard_window,
                                   bool initiator, bool draft_era);
HandshakeOptions closing_options();  // the maximum version, and nothing else (3.1.1 #32)

// Every check of 3.1.1 on a peer's options; nothing if one fails. A responder need not name the
// swarm (#23), an initiator must (#14): the caller has found the swarm by it.
std::optional<PeerCapabilities> check_handshake(const HandshakeOptions& options,
                                                const SwarmMetadata& metadata, bool from_initiator);

WireFormat wire_format(const SwarmMetadata& metadata);

// Whether peers of the draft era can be in this swarm: SHA-1, 32-bit addressing, static.
bool draft_era_possible(const SwarmMetadata& metadata);

}  // namespace ppspp
