// A live feed as it is in truth, with the hashes of its tree computed the slow way, node by node
// from the definition of section 5.1. Shares nothing with the code under test but the hash function
// and the numbers of bins.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "bins/bin.h"
#include "crypto/hasher.h"
#include "integrity/hash_path.h"
#include "integrity/unified_merkle_tree.h"
#include "ppspp/chunk_range.h"

namespace ppspp::test {

class LiveFeed {
 public:
  using Octets = std::vector<std::byte>;

  // The chunks of `runs` exist, and no others: a source that starts again leaves a gap.
  LiveFeed(const UnifiedMerkleTree::Shape& shape, std::vector<ChunkRange> runs)
      : shape_(shape), runs_(std::move(runs)), hasher_(shape.hash) {}

  const UnifiedMerkleTree::Shape& shape() const { return shape_; }
  std::uint64_t width() const { return shape_.chunks_per_signature; }
  const std::vector<ChunkRange>& runs() const { return runs_; }
  bool has(ChunkIndex chunk) const {
    return std::ranges::any_of(runs_, [&](ChunkRange run) { return run.contains(chunk); });
  }
  bool has_any(ChunkRange range) const {
    return std::ranges::any_of(runs_, [&](ChunkRange run) { return run.intersects(range); });
  }
  // The last chunk of a run is short where it can be.
  Octets chunk(ChunkIndex chunk) const {
    const bool is_last = !has(chunk + 1) && chunk % 3 != 0;
    Octets octets(is_last ? (shape_.chunk_size + 1) / 2 : shape_.chunk_size);
    for (std::size_t i = 0; i < octets.size(); ++i) {
      octets[i] = static_cast<std::byte>(i < 8 ? chunk >> 8 * i : i * 7 + chunk);
    }
    return octets;
  }

  // All zeros for what does not exist.
  const Digest& node(Bin bin) const {
    const auto found = nodes_.find(bin);
    if (found != nodes_.end()) return found->second;
    Digest made = Digest::zero(hasher_.size());
    if (bin.is_leaf() && has(bin.first_chunk())) {
      made = hasher_.hash(chunk(bin.first_chunk()));
    } else if (!bin.is_leaf() && has_any(bin.chunks())) {
      made = hasher_.hash_pair(node(bin.left()), node(bin.right()));
    }
    return nodes_.emplace(bin, made).first->second;
  }
  ClaimedHash claim(Bin bin) const { return {bin, node(bin).octets()}; }

  Bin munro_bin(std::uint64_t subtree) const {
    return Bin::node(std::countr_zero(width()), subtree);
  }
  // All uncles of the chunk up to its munro, the highest first.
  std::vector<ClaimedHash> uncles(ChunkIndex chunk) const {
    std::vector<ClaimedHash> claims;
    for (Bin bin = Bin::leaf(chunk); bin != munro_bin(chunk / width()); bin = bin.parent()) {
      claims.insert(claims.begin(), claim(bin.sibling()));
    }
    return claims;
  }

  // Any octets that differ from munro to munro.
  Octets signature(std::uint64_t subtree) const {
    Octets octets(shape_.signature_size);
    for (std::size_t i = 0; i < octets.size(); ++i) {
      octets[i] = static_cast<std::byte>(subtree + i);
    }
    return octets;
  }
  static std::uint64_t ntp(std::uint64_t subtree) { return 1'000'000 + subtree * 60; }

  void set_munro(UnifiedMerkleTree& tree, std::uint64_t subtree) const {
    tree.set_munro(subtree, node(munro_bin(subtree)).octets(), ntp(subtree), signature(subtree));
  }
  Verdict verify(UnifiedMerkleTree& tree, ChunkIndex index) const {
    return tree.verify(index, chunk(index), uncles(index));
  }

 private:
  UnifiedMerkleTree::Shape shape_;
  std::vector<ChunkRange> runs_;
  mutable Hasher hasher_;
  mutable std::map<Bin, Digest> nodes_;
};

inline UnifiedMerkleTree::Shape small_shape(std::uint64_t width, std::uint64_t subtrees,
                                            HashFunction hash = HashFunction::sha256) {
  return {.hash = hash,
          .chunk_size = 96,
          .chunks_per_signature = width,
          .signature_size = 16,
          .subtrees = subtrees};
}

// Fills and signs a subtree as a source does.
inline void publish(UnifiedMerkleTree& tree, const LiveFeed& feed, std::uint64_t subtree) {
  const ChunkIndex begin = subtree * feed.width();
  std::uint64_t count = 0;
  for (; count < feed.width() && feed.has(begin + count); ++count) {
    tree.add_chunk(begin + count, feed.chunk(begin + count));
  }
  const Digest hash = tree.finish_subtree(subtree, count);
  tree.set_munro(subtree, hash.octets(), LiveFeed::ntp(subtree), feed.signature(subtree));
}

}  // namespace ppspp::test
