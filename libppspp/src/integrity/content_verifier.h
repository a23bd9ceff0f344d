// Decides whether a chunk of static content is genuine, and which hashes prove that to another peer
// (RFC 7574, section 5). One object per swarm; the tree's nodes live in memory that the caller
// provides (a mapped file), so that it does not grow with the content.
//
// Never holds a hash that was not verified: a node is written only when a path from it to a peak,
// and of the peaks to the root hash, has been computed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "bins/bin.h"
#include "bins/peaks.h"
#include "crypto/hasher.h"
#include "ppspp/chunk_range.h"
#include "ppspp/swarm_metadata.h"

namespace ppspp {

// A hash as it came with a datagram, not verified.
struct ClaimedHash {
  Bin bin;
  std::span<const std::byte> hash;
};

// The verified nodes of the tree of a content of known size: the nodes of bins 0 to 2n - 2, each
// digest_size octets, in the order of their numbers (bin b at b * digest_size); all zeros: unknown.
// The nodes above the peaks are not kept.
class MerkleTree {
 public:
  static std::uint64_t memory_size(std::uint64_t chunk_count, HashFunction function);

  // `memory` of memory_size() octets; it outlives the tree. What it already holds is believed only
  // after check().
  MerkleTree(std::uint64_t chunk_count, HashFunction function, std::span<std::byte> memory);

  std::uint64_t chunk_count() const;
  HashFunction function() const;
  std::size_t digest_size() const;
  bool is_known(Bin bin) const;                      // not for bins beyond 2n - 2
  std::span<const std::byte> node(Bin bin) const;    // digest_size octets, zeros if unknown
  void set(Bin bin, std::span<const std::byte> hash);

  // The root hash that the peaks make; none if a peak is unknown.
  std::optional<Digest> root() const;

  // For memory that was kept by an earlier run: forgets every node that does not hang together with
  // the root hash (both children known and hashing to it, from the top down). Returns false, with
  // everything forgotten, when the peaks do not make the root.
  bool check(std::span<const std::byte> root_hash);
};

// The root hash of a content of `chunk_count` chunks with these peaks, from the left (5.6.1).
Digest root_of_peaks(std::span<const Digest> peak_hashes, std::uint64_t chunk_count, Hasher& hasher);

enum class Verdict : std::uint8_t {
  verified,       // genuine; its hashes are kept
  missing_hash,   // cannot be checked with what is known: to be dropped, no fault (5.3, #99)
  wrong,          // chunk or hashes are not the content's: the sender's fault (12.6.5)
};

class ContentVerifier {
 public:
  // Static content under a Merkle tree, size known (from `len`, a resume, or the seeder's file), or
  // not yet.
  explicit ContentVerifier(const SwarmMetadata& metadata);

  // Size detection (5.6): the peaks that a peer claims. nothing: they do not make the root hash.
  std::optional<std::uint64_t> check_peaks(std::span<const ClaimedHash> peaks);

  // Begins (or replaces, after a disproved claim) the tree. The peaks are set where given.
  void start(std::uint64_t chunk_count, std::span<std::byte> memory);
  bool has_tree() const;
  MerkleTree& tree();
  const MerkleTree& tree() const;

  // Checks `chunk` with the hashes of its datagram and those known; keeps what was proved (atomic
  // datagram principle). O(height) at most, O(1) hashes on average when chunks come in order.
  Verdict verify(ChunkIndex chunk, std::span<const std::byte> payload,
                 std::span<const ClaimedHash> hashes);

  // Sender's side: is the payload still what the tree says? (For content_suspect stores.)
  bool matches(ChunkIndex chunk, std::span<const std::byte> payload);

 private:
  // of the integrity module
};

// The uncle hashes (bins, from the highest to the leaf's sibling, 5.4) that a receiver needs for
// `chunk`, when `knows(range)` says whether it has, or is sure to get, any chunk of a range: at most
// up to the peak above the chunk, whose hash it has. Template over the predicate: no allocation.
template <typename Knows>
BinList needed_uncles(ChunkIndex chunk, std::uint64_t chunk_count, const Knows& knows) {
  BinList upwards;
  const Bin peak = peak_of(chunk, chunk_count);
  for (Bin node = Bin::leaf(chunk); node != peak; node = node.parent()) {
    if (knows(node.parent().chunks())) break;
    upwards.push_back(node.sibling());
  }
  return upwards;  // from the leaf's sibling upwards: written in reverse
}

}  // namespace ppspp
