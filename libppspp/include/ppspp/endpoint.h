// The protocol for one UDP port (RFC 7574). Owns all swarms and channels, and no socket, thread or
// clock. After each command or batch of input: flush, then poll_transmit and poll_event until they
// yield nothing, then sleep until deadline(). Spurious calls do no harm.
//
// Single-threaded, but for compute_part. Nothing here throws or blocks; what a peer does wrong is
// counted.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "ppspp/address_rules.h"
#include "ppspp/chunk_range.h"
#include "ppspp/chunk_store.h"
#include "ppspp/duration_histogram.h"
#include "ppspp/ledbat_options.h"
#include "ppspp/pex_counters.h"
#include "ppspp/random_source.h"
#include "ppspp/result.h"
#include "ppspp/signing_key.h"
#include "ppspp/swarm_metadata.h"
#include "ppspp/swarm_types.h"
#include "ppspp/time.h"
#include "ppspp/transport_address.h"

namespace ppspp {

struct EndpointOptions {
  std::size_t max_channels = 200;          // established, over all swarms
  std::size_t max_channels_per_swarm = 0;  // 0: only max_channels counts
  // Channels that a swarm should have where enough peers are known: it begins so many, less those
  // that came to it, but at least half. Peers that the user names come on top.
  std::size_t neighbours = 30;
  // Peers are asked for others, and told of others (3.10): with certificates where the swarm has an
  // authority, by bare addresses in private networks only, unless `pex_on_internet`.
  bool pex = true;
  bool pex_on_internet = false;
  std::size_t max_half_open = 4'096;            // first datagrams answered and not yet confirmed
  std::size_t max_half_open_per_address = 16;   // of one IP address
  std::optional<std::uint64_t> upload_limit;    // octets per second, of whole datagrams
  std::optional<std::uint64_t> download_limit;  // octets per second, of content asked for
  RateLimits per_peer;                          // of each channel, unless its swarm has its own
  // Chunks that one peer may have asked for and not got yet; what it asks for beyond that is
  // dropped without a word (12.6). 0: no such limit.
  std::uint64_t max_queued_chunks_per_peer = std::uint64_t{1} << 20;
  AddressRules rules;
  // What the socket can hold before it is read, in octets: so much may be asked for on a fast path.
  std::size_t receive_buffer = std::size_t{4} << 20;
  // The largest UDP payload of a path that nothing is known about: 1500 less the headers of IPv6.
  std::size_t base_datagram_size = 1452;
  // The largest that the path search may reach (8.1). 65,507 is what IPv4 can carry.
  std::size_t max_datagram_size = 65'507;
  // The most octets in one train (Transmit); the kernel's limit for segmentation is 65,507.
  std::size_t max_train_size = 65'507;
  std::size_t max_train_segments = 60;
  LedbatOptions ledbat;
  LedbatOptions live_ledbat = LedbatOptions::for_live();  // in live swarms
};

// Counters of what was refused, over the whole port.
struct EndpointCounters {
  std::uint64_t datagrams_in = 0;
  std::uint64_t datagrams_out = 0;
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;
  std::uint64_t unknown_channel = 0;
  std::uint64_t wrong_address = 0;
  std::uint64_t handshakes_refused = 0;  // not our swarm, or a failed check
  std::uint64_t handshakes_over_limit = 0;
  std::uint64_t handshakes_forbidden = 0;  // by the address rules or a ban
  std::uint64_t requests_over_limit = 0;   // chunks: EndpointOptions::max_queued_chunks_per_peer
  std::uint64_t decode_errors = 0;
  std::uint64_t peers_dropped = 0;   // for faults
  std::uint64_t peers_dead = 0;      // silent (3.12)
  std::uint64_t peers_replaced = 0;  // to try others, or as neither end had anything for the other
  PexCounters pex;
};

// What there is, and totals that never go back when a swarm is left.
struct EndpointStatistics {
  std::size_t swarms = 0;          // joined
  std::size_t swarms_active = 0;   // that have a channel
  std::size_t swarms_awaited = 0;  // that sleep
  std::size_t channels_connecting = 0;
  std::size_t channels_established = 0;
  std::size_t half_open = 0;
  std::size_t banned = 0;                                // by a command and automatically
  std::array<std::size_t, kPeerSources> addresses = {};  // known, by PeerSource
  std::uint64_t requests_queued = 0;       // chunks asked of us that have not left yet
  std::uint64_t requests_outstanding = 0;  // chunks that we asked for and that are not here yet

  struct Totals {
    std::uint64_t bytes_in = 0;   // content, verified
    std::uint64_t bytes_out = 0;  // content, resent included
    std::uint64_t chunks_verified = 0;
    std::uint64_t chunks_rejected = 0;      // wrong by their hashes
    std::uint64_t chunks_unverifiable = 0;  // dropped for want of a hash
    std::uint64_t chunks_duplicate = 0;
    std::uint64_t chunks_retransmitted = 0;
    std::uint64_t chunks_skipped = 0;       // live: given up
    std::uint64_t chokes = 0;               // peers that we began to choke (3.9)
    std::uint64_t optimistic_unchokes = 0;  // of those that we unchoked: by chance (decision 55)
  };
  Totals static_swarms;
  Totals live_swarms;
  DurationHistogram queueing_delay;  // LEDBAT's, of the acknowledgements
  // How often a swarm was looked at: what all events together have cost. That of one event does not
  // depend on how many swarms there are.
  std::uint64_t swarm_turns = 0;
};

// One datagram, or a train: datagrams of `segment_size` octets each, the last one possibly shorter,
// one behind the other in the caller's buffer, all for one peer.
struct Transmit {
  TransportAddress to;
  std::size_t size = 0;          // octets in the buffer
  std::size_t segment_size = 0;  // == size for a single datagram
  bool probe = false;            // a path probe: must not be fragmented, and may be lost
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
  // Joins a live swarm as the source of its feed (section 6). The metadata's ID is the signer's
  // DNSKEY; without chunks_per_signature it is chosen from the rate of the input. `store` keeps the
  // window, or everything where the settings say so (then `tree` memory grows with it). Handshakes
  // are answered from now on.
  Result<SwarmHandle> publish(const SwarmMetadata& metadata, std::unique_ptr<ChunkStore> store,
                              std::unique_ptr<Signer> signer, const LiveSourceSettings& settings,
                              Now now);
  // More of the feed: copied, signed when a subtree is full, then offered to the peers. Fails when
  // the store does, when the chunk addressing has no more numbers, or for a swarm that is no feed
  // of ours.
  Result<void> append(SwarmHandle feed, std::span<const std::byte> content, Now now);
  // The feed is over: what is left is signed, and the end is made known (decision 26).
  Result<void> end_feed(SwarmHandle feed, Now now);
  // Whether every peer that is here has all there is of a feed that has ended: nothing is left to
  // be done for them. False before the end.
  bool everybody_has_all(SwarmHandle swarm, Now now) const;
  // Live: where a reader at `chunk` goes on: `chunk` itself if it is here or still waited for, else
  // the next that is.
  ChunkIndex next_readable(SwarmHandle swarm, ChunkIndex chunk) const;

  // Live: the number of octets of a feed that has ended, once all that will come of it is here.
  std::optional<std::uint64_t> feed_length(SwarmHandle swarm) const;

  // Queues a closing HANDSHAKE on every channel, gives the store back and forgets the swarm. Poll
  // transmits once more, so that the closing datagrams leave.
  std::unique_ptr<ChunkStore> leave(SwarmHandle swarm, Now now);
  void add_peer(SwarmHandle swarm, const TransportAddress& peer, Now now,
                PeerSource source = PeerSource::user);

  // Our membership certificate in the swarm (8.13, 12.2.2), X.509 in DER, as its tracker issued it.
  // Shown to all peers, until it expires; replaces an older one. Errors: the swarm's metadata have
  // no authority, or it did not sign this for the swarm and the present time.
  Result<void> set_certificate(SwarmHandle swarm, std::span<const std::byte> der, Now now);

  // For a reader: chunks before `chunk` are of no interest any more, those after it are wanted in
  // order (PickPolicy::in_order from now on).
  void set_read_position(SwarmHandle swarm, ChunkIndex chunk, Now now);
  // What the readers of a static content wait for, in the order of their importance. Replaces what
  // was set before.
  void set_read_windows(SwarmHandle swarm, std::span<const ReadWindow> windows, Now now);
  // Limits of all swarms together; absent or 0: none. All limits may be changed at any time.
  void set_limits(std::optional<std::uint64_t> upload, std::optional<std::uint64_t> download,
                  Now now);
  void set_peer_limits(const RateLimits& limits, Now now);
  void set_swarm_limits(SwarmHandle swarm, const SwarmLimits& limits, Now now);

  // Who is talked to. Channels to addresses that are forbidden from now on are closed without a
  // word; nothing is sent to such addresses, and what comes from them is not looked at.
  void set_address_rules(const AddressRules& rules, Now now);
  // Besides the rules: for `duration`, or for good. Replaces what was set for the same network.
  void ban(const Network& network, std::optional<Microseconds> duration, Now now);
  // Lifts the ban of exactly this network, and the automatic ones of addresses in it. False: there
  // was none.
  bool unban(const Network& network);
  std::vector<Ban> bans(Now now) const;

  // A swarm that sleeps: it costs its ID. The first handshake for it is kept (few, for seconds) and
  // event::Wanted said; when the ID is joined or published, it is answered as if it had just come.
  // A swarm that is joined is not asleep, but sleeps again when it is left.
  void await(const SwarmId& id);
  void stop_awaiting(const SwarmId& id);  // nor is an event::Wanted of it said any more

  // The store has finished what it answered not_yet to.
  void store_ready(SwarmHandle swarm, Now now);

  // `datagram` stays as it is until flush() returns: chunks are views into it.
  void handle_datagram(std::span<const std::byte> datagram, const TransportAddress& from, Now now);
  void flush(Now now);
  // For a driver with threads to spare, before flush(): gathers what that will have to compute,
  // hashes and signatures, and cuts it into parts. 0: too little. Then compute_part may be called
  // for each, in any order, on as many threads as there are `lanes`, each with a lane of its own
  // (from 0 on), and nothing else until they have returned. What flush() does is the same whether
  // or not: what was not computed it computes itself.
  std::size_t prepare_flush(std::size_t lanes, Now now);
  void compute_part(std::size_t part, std::size_t lane);
  void handle_deadline(Now now);

  // Writes the next datagram or train to `buffer`, which has room for max_train_size octets.
  std::optional<Transmit> poll_transmit(std::span<std::byte> buffer, Now now);
  std::optional<Event> poll_event();
  TimePoint deadline() const;  // kNever: none

  // The socket could not send a datagram of this size to that address (EMSGSIZE).
  void handle_too_big(const TransportAddress& to, std::size_t size, Now now);

  ChunkStore* store(SwarmHandle swarm);  // null if left
  // Whether the octets that the store gave are still the chunk. If not, it counts as not there, and
  // is asked for again where the content is not complete.
  bool still_genuine(SwarmHandle swarm, ChunkIndex chunk, std::span<const std::byte> payload);
  std::optional<SwarmStatus> status(SwarmHandle swarm) const;
  std::vector<ChannelStatus> channels(SwarmHandle swarm, Now now) const;
  bool has_chunk(SwarmHandle swarm, ChunkIndex chunk) const;
  // The verified run that begins at `chunk`; empty if it is not there.
  ChunkRange verified_run(SwarmHandle swarm, ChunkIndex chunk) const;
  std::uint64_t chunk_count(SwarmHandle swarm) const;  // 0: not known
  // Which parts of the content are here: `buckets` equal ones, 0 (nothing) to 255 (all). Of a live
  // swarm: of its window. Empty where the size is not known.
  std::vector<std::uint8_t> availability(SwarmHandle swarm, std::size_t buckets) const;
  const EndpointCounters& counters() const;
  // A datagram like this comes next but one, or (empty) some: what it will need is fetched from
  // memory meanwhile. For a driver with more channels than a processor's cache can hold.
  void anticipate(std::span<const std::byte> datagram) const;

  EndpointStatistics statistics(Now now) const;  // takes a look at every channel
  bool idle() const;  // no swarm, no channel, no half-open handshake: for tests and metrics
  void check_invariants() const;  // slow; ends the program if one is broken: for tests

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ppspp
