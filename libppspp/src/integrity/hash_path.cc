#include "integrity/hash_path.h"

#include <algorithm>

namespace ppspp {

// Hashes that are asked for one after the other stand near each other in a datagram, whose chunks
// may share them: looking from the last place outwards takes a few steps, however long the list.
const ClaimedHash* ClaimFinder::find(Bin bin, std::size_t size,
                                     std::span<const ClaimedHash> hashes) {
  const auto is_it = [&](std::size_t i) {
    return hashes[i].bin == bin && hashes[i].hash.size() == size;
  };
  const std::size_t from = std::min(hint_, hashes.size());
  for (std::size_t distance = 0; distance <= hashes.size(); ++distance) {
    if (distance <= from && from - distance < hashes.size() && is_it(from - distance)) {
      return &hashes[hint_ = from - distance];
    }
    if (from + distance < hashes.size() && is_it(from + distance)) {
      return &hashes[hint_ = from + distance];
    }
  }
  return nullptr;
}

}  // namespace ppspp
