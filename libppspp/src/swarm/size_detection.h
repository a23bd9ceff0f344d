// Automatic detection of the content's size (RFC 7574, 5.6), made safe: whose claim about the size
// is being examined, and for how long. One peer at a time is asked for a chunk and then for the
// last one; until both have been verified nothing is stored or allocated for the claim. A peer that
// does not prove its claim in time makes way for the next one, so that a liar cannot block others.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "channel/channel.h"
#include "integrity/size_claim.h"
#include "ppspp/chunk_range.h"
#include "ppspp/swarm_metadata.h"
#include "ppspp/time.h"
#include "ppspp/transport_address.h"

namespace ppspp {

class SizeDetection {
 public:
  explicit SizeDetection(const SwarmMetadata& metadata) : claim_(metadata) {}

  struct Held {  // verified under the claim, to be stored when that is proved
    ChunkIndex chunk;
    std::int64_t one_way_delay_us;
    std::vector<std::byte> octets;
  };

  // The peer that is being asked; null: nobody.
  Channel* turn() const { return turn_; }
  const SizeClaim& claim() const { return claim_; }
  // What to ask of it next.
  std::optional<ChunkIndex> next_chunk() const;
  // A chunk of the peer whose turn it is. What verifies is held.
  Verdict add(const ReceivedChunk& chunk, std::span<const ClaimedHash> hashes, Now now);
  // Whether the peer may be told that we have the chunk: it is genuine, and nothing but the last
  // one, which it has announced, is missing. Once told it sends no hashes for it any more, so the
  // channel has to end if the claim does.
  bool may_acknowledge(ChunkIndex chunk) const;
  void on_acknowledged() { acknowledged_ = true; }
  bool was_acknowledged() const { return acknowledged_; }
  std::vector<Held> take_held() { return std::move(held_); }

  // Turns. Those wait longest who were never examined and came first; then those whose claims
  // failed, the one that failed longest ago before the others.
  bool is_over(std::span<Channel* const> channels, Now now) const;
  Channel* begin_turn(std::span<Channel* const> channels, Now now);
  void end_turn();
  void end_failed_turn(Now now);
  // When to look again, in the absence of other inputs.
  TimePoint deadline(std::span<Channel* const> channels, Now now) const;

 private:
  struct Failure {
    TransportAddress peer;
    int times;
    TimePoint retry_at;
  };

  bool may_have_turn(const Channel& channel, Now now) const;
  bool others_wait(std::span<Channel* const> channels, Now now) const;
  Microseconds patience(std::span<Channel* const> channels, Now now) const;
  std::size_t place_of(const TransportAddress& peer) const;  // in failures_, or its size

  SizeClaim claim_;
  std::vector<Held> held_;
  Channel* turn_ = nullptr;
  TimePoint since_{};  // it began, or a chunk of it was verified
  bool acknowledged_ = false;
  std::vector<Failure> failures_;  // the oldest first
};

}  // namespace ppspp
