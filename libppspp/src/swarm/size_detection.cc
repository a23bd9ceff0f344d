#include "swarm/size_detection.h"

#include <algorithm>
#include <array>

#include "bins/peaks.h"
#include "crypto/hasher.h"

namespace ppspp {
namespace {

const ClaimedHash* find(std::span<const ClaimedHash> hashes, Bin bin) {
  const auto found = std::find_if(hashes.begin(), hashes.end(),
                                  [bin](const ClaimedHash& hash) { return hash.bin == bin; });
  return found == hashes.end() ? nullptr : &*found;
}

// Climbs from the chunk to its peak with claimed hashes alone.
Verdict climb(const SwarmMetadata& metadata, ChunkIndex chunk, Bin peak,
              std::span<const std::byte> payload, std::span<const ClaimedHash> hashes) {
  Hasher hasher(metadata.hash);
  std::array<std::byte, kMaxDigestSize> digest = {};
  hasher.hash(payload, digest.data());
  Bin node = Bin::leaf(chunk);
  for (; node != peak; node = node.parent()) {
    const ClaimedHash* sibling = find(hashes, node.sibling());
    if (sibling == nullptr) return Verdict::missing_hash;
    if (node.is_left()) {
      hasher.hash_pair(digest.data(), sibling->hash.data(), digest.data());
    } else {
      hasher.hash_pair(sibling->hash.data(), digest.data(), digest.data());
    }
  }
  const ClaimedHash* claimed = find(hashes, peak);
  if (claimed == nullptr) return Verdict::missing_hash;
  const auto computed = std::span<const std::byte>(digest).first(hasher.size());
  return std::ranges::equal(computed, claimed->hash) ? Verdict::verified : Verdict::wrong;
}

}  // namespace

SizeClaim prove_size(ContentVerifier& verifier, const SwarmMetadata& metadata, ChunkIndex chunk,
                     std::span<const std::byte> payload, std::span<const ClaimedHash> hashes) {
  const auto chunk_count = verifier.check_peaks(hashes);
  if (!chunk_count || chunk >= *chunk_count) return {};
  const bool only_chunk = *chunk_count == 1;
  if (only_chunk && payload.size() == 2 * digest_size(metadata.hash)) return {Verdict::wrong, 0};
  if (!only_chunk && payload.size() != metadata.chunk_size) return {};
  const Verdict verdict =
      climb(metadata, chunk, peak_of(chunk, *chunk_count), payload, hashes);
  return {verdict, verdict == Verdict::verified ? *chunk_count : 0};
}

}  // namespace ppspp
