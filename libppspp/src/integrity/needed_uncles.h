// Which hashes a sender adds to a chunk (RFC 7574, sections 5.3 to 5.5).
#pragma once

#include <cstdint>

#include "bins/bin.h"
#include "bins/peaks.h"
#include "ppspp/chunk_range.h"

namespace ppspp {

// The nodes whose hashes a receiver needs for `chunk`, in the order of the wire: from the highest
// to the leaf's sibling (5.4). `top` is the lowest node above the chunk whose hash the receiver has
// in any case: the chunk's peak, the root where it knows nothing else, or a munro. `knows(range)`
// says whether the receiver has, or is sure to get, any chunk of the range: it then has computed
// both children of the node over that range. A template, so that no question costs an allocation.
template <typename Knows>
BinList needed_uncles_below(Bin top, ChunkIndex chunk, const Knows& knows) {
  BinList upwards;
  for (Bin node = Bin::leaf(chunk); node != top; node = node.parent()) {
    if (knows(node.parent().chunks())) break;
    upwards.push_back(node.sibling());
  }
  BinList uncles;
  for (std::size_t i = upwards.size(); i-- > 0;) uncles.push_back(upwards[i]);
  return uncles;
}

// The same for a receiver that has the peaks of a content of `chunk_count` chunks.
template <typename Knows>
BinList needed_uncles(ChunkIndex chunk, std::uint64_t chunk_count, const Knows& knows) {
  return needed_uncles_below(peak_of(chunk, chunk_count), chunk, knows);
}

}  // namespace ppspp
