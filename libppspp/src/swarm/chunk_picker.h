// Which chunks to ask a peer for (RFC 7574, 9.1). Policies answer one question; what is asked for
// twice near the end, or because a reader waits, is decided here as well.
#pragma once

#include <cstdint>
#include <span>

#include "bins/bin_set.h"
#include "channel/channel.h"
#include "ppspp/chunk_range.h"
#include "ppspp/swarm_types.h"

namespace ppspp {

// What a policy may look at.
struct PickQuestion {
  const Channel& from;
  std::span<Channel* const> channels;  // all of the swarm
  std::size_t turn;                    // where among them to begin to look
  const BinSet& verified;
  const BinSet& requested;  // asked of anybody
  std::uint64_t chunk_count;
  std::uint64_t max_chunks;
};

// The first chunks that are missing.
ChunkRange pick_in_order(const PickQuestion& question);

// Chunks that another peer owes and that this one is likely to bring sooner.
struct Takeover {
  ChunkRange chunks;        // empty: none
  Channel* from = nullptr;  // who owes them
  bool cancel = false;      // take them away from it, rather than ask twice
};
// Near the end of what there is to be asked for. At a bounded number of channels is looked.
Takeover pick_takeover(const PickQuestion& question, std::uint32_t chunk_size, Now now);
// Of what a reader waits for: chunks of `late`.
Takeover pick_late(const PickQuestion& question, ChunkRange late, std::uint32_t chunk_size,
                   Now now);

}  // namespace ppspp
