// What one peer claims about the size of a content whose length is not known (RFC 7574, 5.6.2),
// until it is proved. Neither the peaks nor one chunk do that:
// - Leaves and inner nodes hash alike, so the root passes as the one peak of every power of two,
//   and two hashes in a row as a chunk. A chunk of full size, which is longer than two hashes, has
//   its preimage at the true height only: it proves the height of the tree.
// - The parent of a chunk and an empty leaf passes as a peak, so five chunks can be claimed as six.
//   Nobody has the sixth: the last chunk proves the count, and tells the exact length. At the true
//   height a smaller count than the true one never passes.
//
// Keeps no more than the peaks and the uncles of two chunks, however large the content may be.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "bins/bin.h"
#include "crypto/hasher.h"
#include "integrity/content_verifier.h"
#include "ppspp/chunk_range.h"
#include "ppspp/swarm_metadata.h"

namespace ppspp {

class SizeClaim {
 public:
  // Of static content under a Merkle tree, whose metadata name no length.
  explicit SizeClaim(const SwarmMetadata& metadata);

  // Checks a chunk with what its peer sent along. The first one has to come with the peaks, and
  // begins the claim if it verifies; the second has to be wanted(). `wrong`: made up, or damaged.
  Verdict add(ChunkIndex chunk, std::span<const std::byte> payload,
              std::span<const ClaimedHash> hashes);
  void clear();

  std::uint64_t chunk_count() const { return chunk_count_; }  // as claimed; 0: nothing yet
  bool has_last() const { return holds(chunk_count_ - 1); }
  bool holds(ChunkIndex chunk) const;
  // It is the content's, whatever the count: its preimage lies at the height of the leaves.
  bool is_genuine(ChunkIndex chunk) const;
  // Of use for the proof: the last chunk, or, where that came first and is short, any other.
  bool wanted(ChunkIndex chunk) const;

  bool proved() const;
  std::uint64_t length() const;  // if proved
  // Peaks and uncles: what a ContentVerifier needs to verify the same chunks. Views.
  std::vector<ClaimedHash> hashes() const;

 private:
  struct Node {
    Bin bin;
    Digest hash;
  };
  struct Chunk {
    ChunkIndex index;
    std::size_t size;
  };

  bool take_peaks(std::span<const ClaimedHash> hashes);
  bool take_only_chunk(ChunkIndex chunk, std::span<const std::byte> payload);
  bool has_right_size(ChunkIndex chunk, std::size_t size) const;
  Verdict climb(ChunkIndex chunk, std::span<const std::byte> payload,
                std::span<const ClaimedHash> hashes, std::vector<Node>& uncles);
  const Digest* find(Bin bin) const;

  ContentVerifier peak_check_;
  Hasher hasher_;
  Digest root_;
  std::uint32_t chunk_size_;
  std::uint64_t chunk_count_ = 0;
  std::vector<Node> nodes_;    // the peaks, then uncles
  std::vector<Chunk> chunks_;  // at most two
};

}  // namespace ppspp
