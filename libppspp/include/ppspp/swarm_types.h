// What goes in and out of a swarm: how it is joined, what is known of it, what happens in it.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

#include "ppspp/chunk_range.h"
#include "ppspp/time.h"
#include "ppspp/transport_address.h"

namespace ppspp {

// How chunks are chosen (9.1).
enum class PickPolicy : std::uint8_t {
  in_order,      // for a reader: next after the read position first, late chunks asked for twice
  rarest_first,  // for a file: within a window, what the fewest peers have
};

// Names a swarm of an Endpoint. Never reused; operations on one that was left do nothing.
struct SwarmHandle {
  std::uint64_t value = 0;
  friend auto operator<=>(SwarmHandle, SwarmHandle) = default;
};

// What is known of the content when a swarm is joined.
struct SwarmContent {
  enum class State : std::uint8_t {
    unknown,   // a download from the start
    partial,   // a download that goes on: `verified`, and hashes in the store's tree memory
    complete,  // everything is there, with all hashes in the store's tree memory
  };
  State state = State::unknown;
  std::uint64_t length = 0;            // octets; not for unknown
  std::vector<ChunkRange> verified;    // for partial: chunks on disk that match their hashes
};

struct JoinSettings {
  PickPolicy policy = PickPolicy::rarest_first;
  bool allow_unprotected = false;  // integrity `none` with peers outside private networks
};

struct SwarmStatus {
  std::optional<std::uint64_t> content_length;  // octets; absent until size detection
  std::uint64_t verified_bytes = 0;
  std::uint64_t downloaded_bytes = 0;  // content received and verified in this run
  std::uint64_t uploaded_bytes = 0;    // content sent, resent included
  std::uint64_t chunks_rejected = 0;   // wrong by their hashes
  std::uint64_t chunks_unverifiable = 0;  // dropped for want of a hash (5.3)
  std::uint64_t chunks_duplicate = 0;
  std::uint64_t chunks_retransmitted = 0;  // sent again after a presumed loss
  std::uint64_t chunks_rotten = 0;      // on disk no longer what was verified: not sent
  std::size_t channels = 0;            // established
  std::size_t peers_seen = 0;          // that ever completed a handshake here
  bool complete = false;
  bool store_failed = false;
};

struct ChannelStatus {
  TransportAddress peer;
  bool established = false;
  bool peer_complete = false;
  bool choked_by_peer = false;
  std::uint64_t bytes_received = 0;  // verified content
  std::uint64_t bytes_sent = 0;      // content
  std::size_t window = 0;            // LEDBAT's, octets
  std::size_t flight_size = 0;       // octets
  std::size_t datagram_size = 0;     // octets that the path is known to carry
  Microseconds rtt{0};
  Microseconds queueing_delay{0};
  std::uint64_t requested_chunks = 0;  // asked of this peer and not here yet
};

namespace event {
struct SizeKnown { std::uint64_t content_length; };       // exact (5.6)
struct ChunksVerified { ChunkRange chunks; };             // stored; each chunk once
struct Complete {};
struct PeerJoined { TransportAddress peer; };
struct PeerLeft { TransportAddress peer; };
struct StoreFailed {};                                    // the store says why
struct PeerUnreachable { TransportAddress peer; };        // a handshake that was given up
}  // namespace event

struct Event {
  SwarmHandle swarm;
  std::variant<event::SizeKnown, event::ChunksVerified, event::Complete, event::PeerJoined,
               event::PeerLeft, event::StoreFailed, event::PeerUnreachable>
      what;
};

}  // namespace ppspp
