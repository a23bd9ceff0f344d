// What a channel asks of the swarm that it belongs to. The swarm implements it and hands itself in
// with each call; a channel does not keep it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "bins/bin_set.h"
#include "integrity/content_verifier.h"
#include "ppspp/chunk_range.h"
#include "ppspp/random_source.h"
#include "ppspp/swarm_metadata.h"
#include "ppspp/time.h"
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
  std::vector<ClaimedHash> hashes;
  std::vector<ChunkSlot> slots;
  std::vector<std::span<std::byte>> pieces;
  std::vector<ChunkRange> ranges;
};

enum class ReadOutcome : std::uint8_t { done, not_yet, failed };

class ChannelContext {
 public:
  virtual ~ChannelContext() = default;

  virtual const SwarmMetadata& metadata() const = 0;
  virtual const WireFormat& format() const = 0;
  virtual std::uint64_t chunk_count() const = 0;  // 0: not known yet
  virtual const BinSet& verified() const = 0;
  // The biggest interval around the chunk that may be acknowledged; empty if it is not here.
  virtual ChunkRange acknowledgeable(ChunkIndex chunk) const {
    return verified().run_around(chunk);
  }
  virtual bool complete() const = 0;
  virtual ChannelScratch& scratch() = 0;

  // Receiving.
  virtual bool is_wanted(ChunkIndex chunk) const = 0;            // of interest and not here yet
  virtual std::uint32_t note_hash(const ClaimedHash& hash) = 0;  // for the batch; its number
  virtual std::uint32_t next_hash_number() const = 0;
  virtual void receive_chunk(Channel& from, const ReceivedChunk& chunk) = 0;

  // Asking. `pick` marks what it returns as asked for; it is empty when this peer has nothing to
  // give. What is not outstanding any more, and has not come, is given back.
  virtual ChunkRange pick(Channel& from, std::uint64_t max_chunks, Now now) = 0;
  virtual void give_back(Channel& from, ChunkRange range) = 0;
  // Octets that one channel may have under way without overrunning our socket's buffer.
  virtual std::uint64_t receive_share() const = 0;

  // Serving.
  virtual bool can_serve() const = 0;
  virtual std::size_t payload_size(ChunkIndex chunk) const = 0;
  virtual const MerkleTree* tree() const = 0;  // null without integrity protection
  // Fills the slots from the store, and checks them against their hashes where the content is
  // suspect; chunks that fail are taken out of verified().
  virtual ReadOutcome read(std::span<const ChunkSlot> slots) = 0;
  virtual void prefetch(ChunkRange range) = 0;
  virtual void count_sent(std::uint64_t bytes, std::uint64_t resent_chunks) = 0;
};

}  // namespace ppspp
