// What goes in and out of a swarm: how it is joined, what is known of it, what happens in it.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

#include "ppspp/chunk_range.h"
#include "ppspp/peer_source.h"
#include "ppspp/swarm_metadata.h"
#include "ppspp/time.h"
#include "ppspp/transport_address.h"

namespace ppspp {

// How chunks are chosen (9.1).
enum class PickPolicy : std::uint8_t {
  in_order,      // for a reader: next after the read position first, late chunks asked for twice
  rarest_first,  // for a file: within a window, what the fewest peers have
  on_demand,     // for readers: only what read windows want
};

// Octets per second. Absent or 0: no limit.
struct RateLimits {
  std::optional<std::uint64_t> upload;    // of whole datagrams with content
  std::optional<std::uint64_t> download;  // of content that is asked for
  friend bool operator==(const RateLimits&, const RateLimits&) = default;
};

// What one swarm may take of an Endpoint.
struct SwarmLimits {
  RateLimits total;     // over all its peers
  RateLimits per_peer;  // of each of its channels. Absent: the endpoint's; 0: none
  // Its share where the endpoint's limits bind, against that of the other swarms that have
  // something to send or to ask for: 1 to 10,000. What it does not use goes to the others.
  std::uint32_t weight = 100;
  std::size_t max_channels = 0;  // 0: EndpointOptions::max_channels_per_swarm
  friend bool operator==(const SwarmLimits&, const SwarmLimits&) = default;
};

// A reader of static content waits for chunk `begin`. Chunks before `urgent_end` go before all
// else; then those before `end`.
struct ReadWindow {
  ChunkIndex begin = 0;
  ChunkIndex urgent_end = 0;
  ChunkIndex end = 0;
  friend bool operator==(const ReadWindow&, const ReadWindow&) = default;
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
  std::uint64_t length = 0;          // octets; not for unknown
  std::vector<ChunkRange> verified;  // for partial: chunks on disk that match their hashes
};

// Where to enter a live swarm.
enum class TuneIn : std::uint8_t {
  live,    // behind the newest chunk by the buffer
  oldest,  // at the oldest chunk that a peer offers
};

// How a live swarm is followed.
struct LiveSettings {
  TuneIn tune_in = TuneIn::live;
  // How far behind the feed it is played, and so how long a missing chunk is waited for. Longer
  // survives worse networks.
  Microseconds buffer{1'500'000};
  // Chunks that are kept, also for others (7.9). 0: 32 MiB of them.
  std::uint64_t discard_window = 0;
};

// How a live feed is published. What depends on the rate of the input is chosen when a second of
// it, or 4 MiB, was measured.
struct LiveSourceSettings {
  // Chunks that are kept (7.9). 0: 30 s of the feed, from 32 to 256 MiB; kKeepAll: all of them.
  std::uint64_t discard_window = 0;
  static constexpr std::uint64_t kKeepAll = ~std::uint64_t{0};
  // The number of the first chunk: beyond all that were ever signed with this key. It is rounded up
  // to a whole subtree.
  ChunkIndex first_chunk = 0;
  // Chunks that are signed at once, where the metadata do not say: as it was in an earlier run with
  // the key. 0: by the rate.
  std::uint64_t chunks_per_signature = 0;
  // How much content one signature covers, where the metadata do not say how many chunks.
  Microseconds signature_interval{60'000};
  SwarmLimits limits = {};
};

struct JoinSettings {
  PickPolicy policy = PickPolicy::rarest_first;
  bool allow_unprotected = false;  // integrity `none` with peers outside private networks
  LiveSettings live = {};          // for a live swarm
  SwarmLimits limits = {};
};

// Times from the signature of a chunk to its verification, of those signed after we tuned in, by
// the clocks of the two ends: between hosts they are as good as the clocks agree.
struct LatencySummary {
  std::uint64_t chunks = 0;  // how many were measured
  Microseconds least{0};
  Microseconds median{0};
  Microseconds p99{0};
  Microseconds most{0};
};

struct LiveStatus {
  bool source = false;                     // we publish it
  std::uint64_t chunks_per_signature = 0;  // 0: not known yet; 1: every chunk is signed
  std::uint64_t discard_window = 0;        // chunks, ours
  ChunkRange window;                       // the chunks that may be here
  ChunkIndex position = 0;                 // what comes before was verified, or given up
  bool tuned_in = false;
  bool ended = false;                 // the feed is over, and all of it that will ever come is here
  std::uint64_t munros_verified = 0;  // signed munros, or chunks with Sign All
  std::uint64_t signatures_checked = 0;   // by computing
  std::uint64_t signatures_rejected = 0;  // wrong: their senders' fault
  std::uint64_t signatures_refused = 0;   // not looked at: too old, from the future, over the limit
  std::uint64_t chunks_late = 0;          // came after they had been given up
  std::uint64_t chunks_skipped = 0;       // given up
  std::uint64_t chunks_pushed = 0;        // sent without being asked for (3.7)
  LatencySummary latency;
};

struct SwarmStatus {
  std::optional<std::uint64_t> content_length;  // octets; absent until size detection
  std::uint64_t verified_bytes = 0;
  std::uint64_t downloaded_bytes = 0;     // content received and verified in this run
  std::uint64_t uploaded_bytes = 0;       // content sent, resent included
  std::uint64_t chunks_rejected = 0;      // wrong by their hashes
  std::uint64_t chunks_unverifiable = 0;  // dropped for want of a hash (5.3)
  std::uint64_t chunks_duplicate = 0;
  std::uint64_t chunks_retransmitted = 0;  // sent again after a presumed loss
  std::uint64_t chunks_rotten = 0;         // on disk no longer what was verified: not sent
  std::size_t channels = 0;                // established
  std::size_t peers_seen = 0;              // that ever completed a handshake here
  bool complete = false;
  bool store_failed = false;
  bool content_changed = false;    // it is no longer what was hashed (what fails is not served)
  std::optional<LiveStatus> live;  // of a live swarm
};

enum class ChannelState : std::uint8_t {
  connecting,   // our first datagram was not answered yet
  established,  // the handshake is complete
  closing,      // it will be gone with the next batch
};

struct ChannelStatus {
  TransportAddress peer;
  ChannelState state = ChannelState::connecting;
  bool inbound = false;  // the peer came to us
  bool established = false;
  bool peer_complete = false;
  bool choked_by_peer = false;
  bool choked_by_us = false;
  std::uint64_t bytes_received = 0;  // verified content
  std::uint64_t bytes_sent = 0;      // content
  std::size_t window = 0;            // LEDBAT's, octets
  std::size_t flight_size = 0;       // octets
  std::size_t datagram_size = 0;     // octets that the path is known to carry
  Microseconds rtt{0};
  Microseconds queueing_delay{0};
  // The least one-way delay of the last minutes: as the clocks of the two ends are not in step, its
  // changes tell something, and it may be negative.
  Microseconds base_delay{0};
  Microseconds connected_for{0};       // since the handshake was completed
  std::uint64_t upload_rate = 0;       // octets of content per second, lately
  std::uint64_t download_rate = 0;     // verified
  std::uint64_t requested_chunks = 0;  // asked of this peer and not here yet
  std::uint64_t queued_chunks = 0;     // that it asked for and that have not left yet
  std::uint64_t chunks_rejected = 0;   // of this peer's
  std::uint64_t peer_chunks = 0;       // that it is known to have
};

namespace event {
struct SizeKnown {
  std::uint64_t content_length;
};  // exact (5.6)
struct ChunksVerified {
  ChunkRange chunks;
};  // stored; each chunk once
struct Complete {};
struct PeerJoined {
  TransportAddress peer;
};
struct PeerLeft {
  TransportAddress peer;
};
struct StoreFailed {};  // the store says why
struct PeerUnreachable {
  TransportAddress peer;
};  // a handshake that was given up
// Live swarms.
struct TunedIn {
  ChunkIndex chunk;
};  // reading begins here
struct Skipped {
  ChunkRange chunks;
  std::uint64_t missing;
};  // given up: so many of them are not here
struct FeedEnded {
  std::uint64_t length;
};  // octets; nothing comes after them
// Somebody asks for a swarm that sleeps (Endpoint::await). Event::swarm is 0.
struct Wanted {
  SwarmId id;
};
}  // namespace event

struct Event {
  SwarmHandle swarm;
  std::variant<event::SizeKnown, event::ChunksVerified, event::Complete, event::PeerJoined,
               event::PeerLeft, event::StoreFailed, event::PeerUnreachable, event::TunedIn,
               event::Skipped, event::FeedEnded, event::Wanted>
      what;
};

}  // namespace ppspp
