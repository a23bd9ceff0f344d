// The Merkle hash tree of a content of known size (RFC 7574, section 5.1), in memory of the
// caller's (a mapped file), so that it does not grow with the content.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "bins/bin.h"
#include "crypto/hasher.h"
#include "ppspp/hash_function.h"

namespace ppspp {

// The verified nodes of the tree of a content of known size: the nodes of bins 0 to 2n - 2, each
// digest_size octets, in the order of their numbers (bin b at b * digest_size); all zeros: unknown.
// The nodes above the peaks are not kept: their places stay zero.
//
// Holds no state but the memory: threads may work on it at once if their nodes differ.
class MerkleTree {
 public:
  // Octets; the greatest number of all if the tree of so many chunks does not fit 64 bits.
  static std::uint64_t memory_size(std::uint64_t chunk_count, HashFunction function);

  // `memory` of at least memory_size() octets; it outlives the tree. What it already holds is
  // believed only after check(). chunk_count is not 0.
  MerkleTree(std::uint64_t chunk_count, HashFunction function, std::span<std::byte> memory);

  std::uint64_t chunk_count() const { return chunk_count_; }
  HashFunction function() const { return function_; }
  std::size_t digest_size() const { return digest_size_; }

  // Whether the node is one of this tree: it lies under a peak, or is one.
  bool contains(Bin bin) const;
  bool is_known(Bin bin) const;                        // not for bins beyond 2n - 2
  std::span<const std::byte> node(Bin bin) const;      // digest_size octets, zeros if unknown
  void set(Bin bin, std::span<const std::byte> hash);  // only for what contains()
  // The node and all below it, in the order of their numbers.
  void set_all(Bin top, std::span<const std::byte> nodes);
  // H(left child, right child) into the node's place. Not for leaves.
  void set_from_children(Bin bin, Hasher& hasher);

  bool peaks_known() const;
  // The root hash that the peaks make; none if a peak is unknown.
  std::optional<Digest> root() const;
  std::optional<Digest> root(Hasher& hasher) const;

  // For memory that was kept by an earlier run: forgets every node that does not hang together with
  // the root hash (both children known and hashing to it, from the top down). Returns false, with
  // everything forgotten, when the peaks do not make the root. One hash for each known pair of
  // children; unknown regions are passed at the speed of memory, and not written to, so that the
  // holes of a mapped file stay holes.
  bool check(std::span<const std::byte> root_hash);
  void forget_all();

 private:
  std::byte* place(Bin bin) const;
  bool has_true_children(Bin bin, Hasher& hasher) const;
  void check_below(Bin trusted, Hasher& hasher);
  void forget_above_peaks();
  void forget(Bin first, Bin last);  // both included

  std::uint64_t chunk_count_;
  HashFunction function_;
  std::size_t digest_size_;
  std::byte* memory_;
};

// The root hash of a content of `chunk_count` chunks with these peaks, from the left (5.6.1). Their
// number is that of peaks(chunk_count).
Digest root_of_peaks(std::span<const Digest> peak_hashes, std::uint64_t chunk_count,
                     Hasher& hasher);

}  // namespace ppspp
