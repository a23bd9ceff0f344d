// Decides whether a chunk of static content is genuine, and which hashes prove that to another peer
// (RFC 7574, section 5). One object per swarm; the tree's nodes live in memory that the caller
// provides (a mapped file), so that it does not grow with the content.
//
// Never holds a hash that was not verified: a node is written only when a path from it to a peak,
// and of the peaks to the root hash, has been computed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <utility>

#include "bins/bin.h"
#include "crypto/hasher.h"
#include "integrity/hash_path.h"
#include "integrity/merkle_tree.h"
#include "integrity/needed_uncles.h"
#include "ppspp/chunk_range.h"
#include "ppspp/swarm_metadata.h"

namespace ppspp {

class ContentVerifier {
 public:
  // Static content under a Merkle tree, size known (from `len`, a resume, or the seeder's file), or
  // not yet. Integrity method `none`: there is never a tree, and every chunk counts as genuine.
  explicit ContentVerifier(const SwarmMetadata& metadata);

  // Size detection (5.6.2): the number of chunks according to the peaks that a peer claims, which
  // stand at the front of `hashes`; the uncles of a chunk may follow. Nothing if they do not make
  // the root hash, or contradict the content's length where that is known. Keeps nothing.
  //
  // It is only a claim, and the claiming peer's alone until two chunks have been verified under it:
  // - any chunk of full size, for the height: the root hash itself passes as the peak of every
  // power
  //   of two, and two hashes in a row as a chunk, but not as one of full size (verify() refuses
  //   them as the only chunk);
  // - the last chunk, for the count: the parent of a chunk and an empty leaf passes as a peak, so
  //   five chunks can be claimed as six, but nobody has the sixth.
  // Too small a count never passes at the true height: of two claims with trees of one height the
  // smaller is nearer the truth.
  std::optional<std::uint64_t> check_peaks(std::span<const ClaimedHash> hashes);

  // Begins the tree, or replaces it after a disproved claim. `memory` holds zeros, or what an
  // earlier run left, and then tree().check() is called before anything else. `peaks` are set if
  // given: they passed check_peaks() with this count. A peak that is the root needs none.
  void start(std::uint64_t chunk_count, std::span<std::byte> memory,
             std::span<const ClaimedHash> peaks = {});
  // What writes many nodes at once to the tree's memory, from an offset on; false: it did not.
  using WriteNodes = std::function<bool(std::size_t offset, std::span<const std::byte> nodes)>;
  void set_write_nodes(WriteNodes write_nodes) { write_nodes_ = std::move(write_nodes); }
  // The peaks for a tree that was started without them (the length was known, no peer yet). False:
  // they are not this tree's. Harmless when they are known already.
  bool accept_peaks(std::span<const ClaimedHash> peaks);
  bool has_tree() const { return tree_.has_value(); }
  bool has_peaks();  // of the tree that was started
  MerkleTree& tree();
  const MerkleTree& tree() const;

  // Checks `chunk` with the hashes of its datagram and those known; keeps what was proved (atomic
  // datagram principle). O(height) at most, O(1) hashes on average when chunks come in order. What
  // has the wrong size for its place, or no place, is `wrong`; without a tree a hash is missing.
  Verdict verify(ChunkIndex chunk, std::span<const std::byte> payload,
                 std::span<const ClaimedHash> hashes);
  // The same with the chunk's hash, which was computed along with those of others.
  Verdict verify(ChunkIndex chunk, std::span<const std::byte> payload, const std::byte* leaf_hash,
                 std::span<const ClaimedHash> hashes);
  // All the chunks of `top` at once, of full size and with their hashes in a row; `hashes` came
  // with the first of them. Verified: all are genuine, and kept, whatever hashes came with the
  // others. Anything else does not tell which of them: they are to be verified one by one.
  static constexpr int kMaxHeight = 8;  // of `top`
  Verdict verify_all(Bin top, std::span<const std::byte> leaf_hashes,
                     std::span<const ClaimedHash> hashes);

  // Sender's side: is the payload still what the tree says? (For content_suspect stores.)
  bool matches(ChunkIndex chunk, std::span<const std::byte> payload);

 private:
  template <typename LeafHash>
  Verdict verify_leaf(ChunkIndex chunk, std::size_t size, std::span<const ClaimedHash> hashes,
                      const LeafHash& leaf_hash);
  std::span<const std::byte> hash_all(Bin top, std::span<const std::byte> leaf_hashes,
                                      std::span<std::byte> nodes) const;
  bool has_right_size(ChunkIndex chunk, std::size_t size) const;
  void set_peaks(std::span<const ClaimedHash> peaks);

  IntegrityMethod method_;
  std::uint32_t chunk_size_;
  std::uint64_t max_chunk_count_;
  std::optional<std::uint64_t> content_length_;
  Digest root_;
  Hasher hasher_;
  std::optional<MerkleTree> tree_;
  WriteNodes write_nodes_;
  bool has_peaks_ = false;  // once known, they stay so
  ClaimFinder finder_;
};

}  // namespace ppspp
