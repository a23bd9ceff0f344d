// The protocol for one UDP port (RFC 7574). Owns all swarms and channels, and no socket, thread or
// clock. After each command or batch of input: flush, then poll_transmit and poll_event until they
// yield nothing, then sleep until deadline(). Spurious calls do no harm.
//
// Single-threaded. Nothing here throws or blocks; what a peer does wrong is counted.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <variant>
#include <vector>

#include "ppspp/chunk_range.h"
#include "ppspp/chunk_store.h"
#include "ppspp/ledbat_options.h"
#include "ppspp/random_source.h"
#include "ppspp/result.h"
#include "ppspp/swarm_metadata.h"
#include "ppspp/time.h"
#include "ppspp/transport_address.h"

namespace ppspp {

struct EndpointOptions {
  std::size_t max_channels = 200;             // established, over all swarms
  std::size_t max_half_open = 4'096;          // first datagrams answered and not yet confirmed
  std::size_t max_half_open_per_address = 16; // of one IP address
  std::optional<std::uint64_t> upload_limit;    // octets per second, of whole datagrams
  std::optional<std::uint64_t> download_limit;  // octets per second, of content asked for
  // The largest UDP payload of a path that nothing is known about: 1500 less the headers of IPv6.
  std::size_t base_datagram_size = 1452;
  // The largest that the path search may reach (8.1). 65,507 is what IPv4 can carry.
  std::size_t max_datagram_size = 65'507;
  // The most octets in one train (Transmit); the kernel's limit for segmentation is 65,507.
  std::size_t max_train_size = 65'507;
  std::size_t max_train_segments = 60;
  LedbatOptions ledbat;
};

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

// Counters of what was refused, over the whole port.
struct EndpointCounters {
  std::uint64_t datagrams_in = 0;
  std::uint64_t datagrams_out = 0;
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;
  std::uint64_t unknown_channel = 0;
  std::uint64_t wrong_address = 0;
  std::uint64_t handshakes_refused = 0;   // not our swarm, or a failed check
  std::uint64_t handshakes_over_limit = 0;
  std::uint64_t decode_errors = 0;
  std::uint64_t peers_dropped = 0;        // for faults
  std::uint64_t peers_dead = 0;           // silent (3.12)
};

// One datagram, or a train: datagrams of `segment_size` octets each, the last one possibly shorter,
// one behind the other in the caller's buffer, all for one peer.
struct Transmit {
  TransportAddress to;
  std::size_t size = 0;          // octets in the buffer
  std::size_t segment_size = 0;  // == size for a single datagram
  bool probe = false;            // a path probe: must not be fragmented, and may be lost
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

class Endpoint {
 public:
  // `random` outlives the endpoint.
  Endpoint(const EndpointOptions& options, RandomSource& random, Now now);
  ~Endpoint();
  Endpoint(const Endpoint&) = delete;
  Endpoint& operator=(const Endpoint&) = delete;

  // Fails for metadata that does not validate, a swarm that is already joined, or a content state
  // that contradicts the metadata or the store's hashes.
  Result<SwarmHandle> join(const SwarmMetadata& metadata, std::unique_ptr<ChunkStore> store,
                           const SwarmContent& content, const JoinSettings& settings, Now now);
  // Queues a closing HANDSHAKE on every channel, gives the store back and forgets the swarm. Poll
  // transmits once more, so that the closing datagrams leave.
  std::unique_ptr<ChunkStore> leave(SwarmHandle swarm, Now now);
  void add_peer(SwarmHandle swarm, const TransportAddress& peer, Now now);

  // For a reader: chunks before `chunk` are of no interest any more, those after it are wanted in
  // order (PickPolicy::in_order from now on).
  void set_read_position(SwarmHandle swarm, ChunkIndex chunk, Now now);
  void set_limits(std::optional<std::uint64_t> upload, std::optional<std::uint64_t> download,
                  Now now);
  // The store has finished what it answered not_yet to.
  void store_ready(SwarmHandle swarm, Now now);

  // `datagram` stays as it is until flush() returns: chunks are views into it.
  void handle_datagram(std::span<const std::byte> datagram, const TransportAddress& from, Now now);
  void flush(Now now);
  void handle_deadline(Now now);

  // Writes the next datagram or train to `buffer`, which has room for max_train_size octets.
  std::optional<Transmit> poll_transmit(std::span<std::byte> buffer, Now now);
  std::optional<Event> poll_event();
  TimePoint deadline() const;  // kNever: none

  // The socket could not send a datagram of this size to that address (EMSGSIZE).
  void handle_too_big(const TransportAddress& to, std::size_t size, Now now);

  ChunkStore* store(SwarmHandle swarm);  // null if left
  std::optional<SwarmStatus> status(SwarmHandle swarm) const;
  std::vector<ChannelStatus> channels(SwarmHandle swarm) const;
  bool has_chunk(SwarmHandle swarm, ChunkIndex chunk) const;
  // The verified run that begins at `chunk`; empty if it is not there.
  ChunkRange verified_run(SwarmHandle swarm, ChunkIndex chunk) const;
  std::uint64_t chunk_count(SwarmHandle swarm) const;  // 0: not known
  const EndpointCounters& counters() const;
  // Bytes of state per table, and that all tables are empty: for tests and metrics.
  bool idle() const;  // no swarm, no channel, no half-open handshake

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ppspp
