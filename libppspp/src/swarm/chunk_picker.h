// Which chunks to ask a peer for (RFC 7574, 9.1). Policies answer one question; what is asked for
// twice near the end, or because a reader waits, is decided here as well.
#pragma once

#include <cstdint>
#include <span>

#include "bins/bin_set.h"
#include "channel/channel.h"
#include "ppspp/chunk_range.h"
#include "ppspp/random_source.h"
#include "ppspp/swarm_types.h"

namespace ppspp {

// What a policy may look at.
struct PickQuestion {
  const Channel& from;
  std::span<Channel* const> channels;  // all of the swarm
  const BinSet& verified;
  const BinSet& requested;  // asked of anybody
  std::uint64_t chunk_count;
  std::uint64_t max_chunks;
};

// The first chunks that are missing.
ChunkRange pick_in_order(const PickQuestion& question);
// What the fewest peers have, within a window that begins at the first missing chunk: a group of
// chunks under one node of the tree, so that few hashes are needed. With peers that have everything
// it is the order of the file; among peers that fetch as well, it is drawn, so that they come to
// have different chunks for each other.
ChunkRange pick_rarest_first(const PickQuestion& question, RandomSource& random);

// Chunks that another peer owes and that this one is likely to bring sooner.
struct Takeover {
  ChunkRange chunks;        // empty: none
  Channel* from = nullptr;  // who owes them
  bool cancel = false;      // take them away from it, rather than ask twice
};
// Near the end of what there is to be asked for.
Takeover pick_takeover(const PickQuestion& question, std::uint32_t chunk_size, Now now);
// Of what a reader waits for: chunks of `late`.
Takeover pick_late(const PickQuestion& question, ChunkRange late, std::uint32_t chunk_size,
                   Now now);

}  // namespace ppspp
