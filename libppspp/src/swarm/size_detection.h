// Automatic detection of the content's size (RFC 7574, 5.6), with the check that makes it safe: the
// peaks alone do not prove the tree's height, since the root hash passes as the one peak of any
// smaller power of two, and `left hash || right hash` as a content of one chunk (decision 17).
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "integrity/content_verifier.h"
#include "ppspp/swarm_metadata.h"

namespace ppspp {

struct SizeClaim {
  Verdict verdict = Verdict::missing_hash;
  std::uint64_t chunk_count = 0;  // for verified
};

// Whether `payload`, as chunk `chunk`, proves the number of chunks that the peaks in front of
// `hashes` claim: only a chunk of full size does, or the only chunk of the content.
SizeClaim prove_size(ContentVerifier& verifier, const SwarmMetadata& metadata, ChunkIndex chunk,
                     std::span<const std::byte> payload, std::span<const ClaimedHash> hashes);

}  // namespace ppspp
