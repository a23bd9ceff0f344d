// From a chunk up to a node that is known: what decides whether the chunk is genuine (RFC 7574,
// 5.3), in the tree of static content and in the subtrees of a live feed alike.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "base/bytes.h"
#include "bins/bin.h"
#include "crypto/hasher.h"

namespace ppspp {

// A hash as it came with a datagram, not verified.
struct ClaimedHash {
  Bin bin;
  std::span<const std::byte> hash;
};

enum class Verdict : std::uint8_t {
  verified,      // genuine; its hashes are kept
  missing_hash,  // cannot be checked with what is known: to be dropped, no fault (5.3, #99)
  wrong,         // chunk or hashes are not the content's: the sender's fault (12.6.5)
};

// All zeros: the hash of empty leaves, and of nodes with nothing else below (5.1).
inline bool is_empty_hash(std::span<const std::byte> hash) {
  return is_all_zero(hash);
}

// Finds hashes by their node. One object for a stream of datagrams: remembers where it was.
class ClaimFinder {
 public:
  // The first found of this node and size, or nullptr.
  const ClaimedHash* find(Bin bin, std::size_t size, std::span<const ClaimedHash> hashes);

 private:
  std::size_t hint_ = 0;  // where find() succeeded last
};

// From a leaf to just below a known node: the nodes' hashes as computed, and their siblings'. Not
// cleared: only what was written is read.
struct HashPath {
  std::array<std::array<std::byte, kMaxDigestSize>, 64> computed;  // [0]: the chunk's, set by whom
                                                                   // climb() is called by
  std::array<const std::byte*, 64> siblings;
  std::size_t height = 0;      // levels below the known node
  bool claimed_empty = false;  // one of the claims that were used is the hash of empty leaves
};

// Computes upwards from path.computed[0], the hash of `leaf`, until a node of `tree` is known,
// which then decides; `top` is the last to be looked at. Siblings are the tree's where it knows
// them, else those of `hashes`. The tree answers is_known(Bin), node(Bin), and may_be_empty(Bin):
// whether an empty sibling there is not wrong in itself. Keeps nothing.
template <typename Tree>
Verdict climb(const Tree& tree, Bin leaf, Bin top, std::span<const ClaimedHash> hashes,
              ClaimFinder& finder, Hasher& hasher, HashPath& path) {
  path.claimed_empty = false;
  std::size_t level = 0;
  for (Bin node = leaf;; node = node.parent(), ++level) {
    const std::byte* computed = path.computed[level].data();
    if (tree.is_known(node)) {
      path.height = level;
      const bool same = std::memcmp(computed, tree.node(node).data(), hasher.size()) == 0;
      return same ? Verdict::verified : Verdict::wrong;
    }
    if (node == top) return Verdict::missing_hash;
    const Bin sibling = node.sibling();
    if (tree.is_known(sibling)) {
      path.siblings[level] = tree.node(sibling).data();
    } else {
      const ClaimedHash* claim = finder.find(sibling, hasher.size(), hashes);
      if (claim == nullptr) return Verdict::missing_hash;
      if (is_empty_hash(claim->hash)) {
        if (!tree.may_be_empty(sibling)) return Verdict::wrong;
        path.claimed_empty = true;
      }
      path.siblings[level] = claim->hash.data();
    }
    const bool is_left = node.is_left();
    hasher.hash_pair(is_left ? computed : path.siblings[level],
                     is_left ? path.siblings[level] : computed, path.computed[level + 1].data());
  }
}

// Sets the nodes of a path that was verified, and their siblings, in a tree that has
// set(Bin, hash). Empty siblings are not set.
template <typename Tree>
void keep(Tree& tree, Bin leaf, std::size_t digest_size, const HashPath& path) {
  Bin node = leaf;
  for (std::size_t level = 0; level < path.height; ++level, node = node.parent()) {
    tree.set(node, std::span(path.computed[level]).first(digest_size));
    if (tree.is_known(node.sibling())) continue;
    tree.set(node.sibling(), {path.siblings[level], digest_size});
  }
}

}  // namespace ppspp
