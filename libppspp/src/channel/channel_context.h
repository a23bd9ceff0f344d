// What a channel asks of the swarm that it belongs to. The swarm implements it and hands itself in
// with each call; a channel does not keep it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "bins/bin_set.h"
#include "integrity/batch_work.h"
#include "integrity/content_verifier.h"
#include "integrity/unified_merkle_tree.h"
#include "ppspp/chunk_range.h"
#include "ppspp/pex_counters.h"
#include "ppspp/random_source.h"
#include "ppspp/swarm_metadata.h"
#include "ppspp/time.h"
#include "ppspp/transport_address.h"
#include "wire/message.h"

namespace ppspp {

class Channel;

// A DATA message that was asked for, until the end of the receive batch.
struct ReceivedChunk {
  ChunkIndex chunk = 0;
  std::span<const std::byte> payload;  // a view into the datagram
  std::int64_t one_way_delay_us = 0;   // the sample for its ACK
  bool asked = true;                   // outstanding at this peer when it came
  std::uint32_t hashes_begin = 0;      // the INTEGRITY messages of its datagram that came before
  std::uint32_t hashes_own = 0;        // it: [begin, end), those right before it from `own` on
  std::uint32_t hashes_end = 0;
};

// The place of one chunk in a datagram that is being filled.
struct ChunkSlot {
  ChunkIndex chunk = 0;
  std::span<std::byte> payload;
  std::span<std::byte> timestamp;
};

// Working memory for one call, shared by all channels so that an idle one is small.
struct ChannelScratch {
  // The INTEGRITY messages of the receive batch, as far as there is room for them.
  std::vector<ClaimedHash> hashes;
  void note_hash(const ClaimedHash& hash) {
    constexpr std::size_t kMost = 1 << 16;
    if (hashes.size() < kMost) hashes.push_back(hash);
  }
  std::uint32_t next_hash_number() const { return static_cast<std::uint32_t>(hashes.size()); }

  std::vector<ChunkSlot> slots;
  std::vector<std::span<std::byte>> pieces;
  std::vector<ChunkRange> ranges;
  BatchWork work;   // of the receive batch, of all swarms
  PexCounters pex;  // of all channels
};

// Whom to tell a peer of (3.10): by its address, or by a certificate that is looked up when it
// leaves.
struct PeerToTell {
  TransportAddress address;  // unspecified: ourselves, by our own certificate
  bool certified = false;
};

enum class ReadOutcome : std::uint8_t { done, not_yet, failed };

class ChannelContext {
 public:
  virtual ~ChannelContext() = default;

  virtual const SwarmMetadata& metadata() const = 0;
  virtual const WireFormat& format() const = 0;
  virtual std::uint64_t chunk_count() const = 0;  // 0: not known (yet)
  virtual ChunkRange extent() const = 0;          // the chunks that there may be
  virtual const BinSet& verified() const = 0;
  // The biggest interval around the chunk that may be acknowledged; empty if it is not here.
  virtual ChunkRange acknowledgeable(ChunkIndex chunk) const {
    return verified().run_around(chunk);
  }
  virtual bool complete() const = 0;
  // Of what is here, what peers are told of.
  virtual const BinSet& announced() const { return verified(); }
  virtual const BinSet& announced_to(const Channel& peer) const {
    static_cast<void>(peer);
    return announced();
  }
  // Chunks that we keep of a live feed (7.9).
  virtual std::uint64_t discard_window() const { return HandshakeOptions::kKeepsAll; }
  virtual ChannelScratch& scratch() = 0;

  // Receiving.
  virtual bool is_wanted(ChunkIndex chunk) const = 0;  // of interest and not here yet
  // A place in the batch for a chunk that has come; what else there is to say of it is filled in by
  // the caller, at once (a copy of what was just written makes the processor wait).
  virtual ReceivedChunk& receive_chunk(Channel& from, ChunkIndex chunk, bool asked) = 0;

  // Live: a signature, with the hashes of its datagram that came before it, from `hashes_begin` on.
  // Looked at when the batch ends, before its chunks.
  virtual void receive_signature(Channel& from, const SignedIntegrity& message,
                                 std::uint32_t hashes_begin) {
    static_cast<void>(from);
    static_cast<void>(message);
    static_cast<void>(hashes_begin);
  }

  // The peer has announced these, some of which it had not before.
  virtual void on_peer_has(Channel& from, ChunkRange range, Now now) {
    static_cast<void>(from);
    static_cast<void>(range);
    static_cast<void>(now);
  }

  // Asking. `pick` marks what it returns as asked for; it is empty when this peer has nothing to
  // give. What is not outstanding any more, and has not come, is given back.
  virtual ChunkRange pick(Channel& from, std::uint64_t max_chunks, Now now) = 0;
  virtual void give_back(Channel& from, ChunkRange range) = 0;
  // Octets that one channel may have under way without overrunning our socket's buffer.
  virtual std::uint64_t receive_share() const = 0;
  // How long a peer may wait for HAVEs that cannot ask for the chunks now.
  virtual Microseconds lazy_have_delay() const { return Microseconds(0); }
  // Live: how long after one munro was told without its chunks the next may be: among many peers
  // the chunks bring theirs along.
  virtual Microseconds munro_pause() const { return Microseconds(0); }
  // Live, among many: what a peer may owe whatever it has delivered, in chunks.
  virtual std::uint64_t least_owed() const { return 4; }
  // What the peer has to send is scarce, and others wait for it: it shall have a choice.
  virtual bool is_scarce_source(const Channel& peer) const {
    static_cast<void>(peer);
    return false;
  }
  // Channels of the swarm, this one included: how many there may be to ask.
  virtual std::size_t neighbours() const = 0;

  // Serving.
  virtual bool can_serve() const = 0;
  virtual std::size_t payload_size(ChunkIndex chunk) const = 0;
  // The node whose hash whoever asks for the chunk has in any case, and below which it needs
  // uncles: the chunk's peak. None: chunks are not proved by hashes.
  virtual Bin proof_top(ChunkIndex chunk) const = 0;
  virtual std::span<const std::byte> hash(Bin bin) const = 0;
  // Live: what was signed that covers the chunk, its munro, or with Sign All the chunk itself
  // (which then has no hash); and the rightmost munro, or the mark of the feed's end (6.1.2.4).
  virtual std::optional<SignedMunro> signature_for(ChunkIndex chunk) const {
    static_cast<void>(chunk);
    return std::nullopt;
  }
  virtual std::optional<SignedMunro> rightmost_munro() const { return std::nullopt; }
  // Fills the slots from the store, and checks them against their hashes where the content is
  // suspect; chunks that fail are taken out of verified().
  virtual ReadOutcome read(std::span<const ChunkSlot> slots) = 0;
  virtual void prefetch(ChunkRange range) = 0;
  virtual void count_sent(std::uint64_t bytes, std::uint64_t resent_chunks) = 0;
  // Chunks of which this peer is asked to get its copy of others, who have been sent one: they go
  // last (3.7: answering is optional, and so is the order). Null: no such.
  virtual const BinSet* spread_to_others(const Channel& to) const {
    static_cast<void>(to);
    return nullptr;
  }
  // Whether the peer, which asks for nothing but those, waits while others are served.
  virtual bool makes_way(const Channel& channel, Now now) {
    static_cast<void>(channel);
    static_cast<void>(now);
    return false;
  }
  virtual void note_sent(Channel& to, ChunkIndex chunk, Now now) {
    static_cast<void>(to);
    static_cast<void>(chunk);
    static_cast<void>(now);
  }

  // Peer exchange (3.10). Whom to tell this peer of, within the limits of PexLimits.
  virtual void collect_peers(const Channel& asking, std::vector<PeerToTell>& peers, Now now) {
    static_cast<void>(asking);
    static_cast<void>(peers);
    static_cast<void>(now);
  }
  // The certificate of this peer, ours for the unspecified address; empty: there is none (any
  // more).
  virtual std::span<const std::byte> certificate_of(const TransportAddress& peer, Now now) const {
    static_cast<void>(peer);
    static_cast<void>(now);
    return {};
  }
  // What a peer told.
  enum class Told : std::uint8_t { fresh, known, useless, defective };
  virtual Told receive_address(Channel& from, const TransportAddress& address, Now now) {
    static_cast<void>(from);
    static_cast<void>(address);
    static_cast<void>(now);
    return Told::useless;
  }
  virtual Told receive_certificate(Channel& from, std::span<const std::byte> der, Now now) {
    static_cast<void>(from);
    static_cast<void>(der);
    static_cast<void>(now);
    return Told::useless;
  }
};

}  // namespace ppspp
