// The Unified Merkle Tree of a live feed (RFC 7574, 6.1.2): a tree that grows by subtrees of
// NCHUNKS_PER_SIG chunks, each under a munro whose hash the source signed. What lies before the
// window is forgotten, subtree by subtree. Signatures are not its business: it is told a munro once
// that was verified, and keeps what was signed, to be handed on.
//
// Never holds a hash that does not hang together with its munro, nor a munro that it was not told.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "bins/bin.h"
#include "crypto/hasher.h"
#include "integrity/chunk_signatures.h"
#include "integrity/hash_path.h"
#include "integrity/subtree_nodes.h"
#include "ppspp/chunk_range.h"
#include "ppspp/hash_function.h"
#include "ppspp/swarm_metadata.h"

namespace ppspp {

// A munro as it was signed; views into the tree, until it changes.
struct SignedMunro {
  Bin bin;
  std::span<const std::byte> hash;
  std::uint64_t ntp_timestamp = 0;
  std::span<const std::byte> signature;
};

class UnifiedMerkleTree {
 public:
  // A subtree's nodes are allocated at once: its width is to be bounded where it is learned.
  static constexpr std::uint64_t kMaxWidth = kMaxChunksPerSignature;

  struct Shape {
    HashFunction hash = HashFunction::sha256;
    std::uint32_t chunk_size = 1024;
    std::uint64_t chunks_per_signature = 2;  // a power of two, 2 to kMaxWidth
    std::size_t signature_size = 64;
    // Subtrees that are kept before the oldest is forgotten, at least 2; kAll: none is forgotten,
    // and the nodes stand in memory of the caller's as MerkleTree lays them out.
    std::uint64_t subtrees = 2;
    // For kAll: the first chunk that is kept, a multiple of chunks_per_signature. The memory holds
    // the tree of a content that begins with it, so that a recording from there on is a static
    // content. Munros before it are not taken.
    ChunkIndex first_chunk = 0;
  };
  static constexpr std::uint64_t kAll = ~std::uint64_t{0};

  explicit UnifiedMerkleTree(const Shape& shape);

  const Shape& shape() const { return shape_; }
  std::uint64_t width() const { return shape_.chunks_per_signature; }
  std::uint64_t subtree_of(ChunkIndex chunk) const { return chunk / width(); }
  Bin munro_bin(std::uint64_t subtree) const;

  // For kAll: the nodes' memory, zeros beyond what was used before, enough for subtree `subtree`;
  // what it held so far was copied or has stayed in place. To be had before a chunk of the subtree
  // is added, or its munro set; the mark of the end (all zeros) needs none. needed_memory: octets;
  // the greatest number of all if they do not fit 64 bits.
  std::uint64_t needed_memory(std::uint64_t subtree) const;
  void set_memory(std::span<std::byte> memory);

  // --- The window: subtrees [begin, end), end being one past the highest munro that was set.
  std::uint64_t first_subtree() const { return begin_; }
  std::uint64_t end_subtree() const { return end_; }
  bool in_window(std::uint64_t subtree) const { return subtree >= begin_ && subtree < end_; }

  // A munro that was verified, or that the source has signed. Beyond the window it moves the window
  // forward, and what falls out is forgotten; before it: nothing is done. A munro that is set
  // already stays as it is. An all-zero hash is that of a subtree without chunks: the feed has
  // ended before it (decision 26), unless a munro of a later subtree with chunks says that it goes
  // on.
  void set_munro(std::uint64_t subtree, std::span<const std::byte> hash, std::uint64_t ntp,
                 std::span<const std::byte> signature);
  bool has_munro(std::uint64_t subtree) const { return signatures_.contains(subtree); }
  SignedMunro munro(std::uint64_t subtree) const;  // has_munro()
  // The highest munro of a subtree that may have chunks: not the mark of the end.
  std::optional<std::uint64_t> newest_munro() const;

  // --- A receiver's side. O(log width) at most.
  // Checks `chunk` with the hashes of its datagram and those known, up to its munro; keeps what was
  // proved. missing_hash: no munro, or an uncle is missing. A chunk shorter than chunk_size is
  // genuine only where everything to its right in the subtree is empty; all-zero hashes are the
  // empty leaves behind the end of the feed, and to the left of a chunk they are wrong.
  //
  // Two hashes in a row do not pass as a short chunk, as they may in static content of unknown size
  // (decision 17): the height of the munro is part of what was signed.
  Verdict verify(ChunkIndex chunk, std::span<const std::byte> payload,
                 std::span<const ClaimedHash> hashes);
  // The same with the chunk's hash, which was computed along with those of others.
  Verdict verify(ChunkIndex chunk, std::span<const std::byte> payload, const std::byte* leaf_hash,
                 std::span<const ClaimedHash> hashes);

  // --- The source's side: the leaves of the subtree that is being filled, in order.
  // Hashes the chunk into its leaf; the subtree (of chunk / width) need not have a munro yet, and
  // is then kept beside the window until set_munro. For one subtree at a time: the first chunk of
  // another drops what was added without a munro. The chunks of a subtree that has a munro cannot
  // be added again.
  void add_chunk(ChunkIndex chunk, std::span<const std::byte> payload);
  // The hash of the munro over the `chunks` leaves that were added to `subtree`, the rest of its
  // leaves being empty (5.1: all-zero); all inner nodes are computed. With 0 chunks: all-zero.
  Digest finish_subtree(std::uint64_t subtree, std::uint64_t chunks);

  // --- Both. Nodes above the munros are not known.
  std::span<const std::byte> node(Bin bin) const;  // zeros: unknown, or empty
  bool is_known(Bin bin) const;                    // empty ones included
  // The number of chunks in the whole feed, once that is proved: an empty node right behind the
  // last chunk. Nothing: not known, or the feed goes on.
  std::optional<ChunkIndex> end_of_feed() const { return end_of_feed_; }
  // The feed has ended at or before this chunk: the first chunk of the lowest node known to be
  // empty.
  std::optional<ChunkIndex> empty_from() const { return empty_from_; }

  std::size_t memory() const;  // octets that it holds; the caller's not counted
  void check_invariants() const;

 private:
  using Nodes = std::map<std::uint64_t, std::vector<std::byte>>;  // by subtree

  // The subtree that the source is filling, which has no munro yet.
  struct Filling {
    std::uint64_t subtree = 0;
    std::uint64_t chunks = 0;  // 0: none is being filled
    bool finished = false;
    std::vector<std::byte> nodes;  // unless they stand in the caller's memory
  };

  template <typename LeafHash>
  Verdict verify_leaf(ChunkIndex chunk, std::size_t size, std::span<const ClaimedHash> hashes,
                      const LeafHash& leaf_hash);
  bool keeps_all() const { return shape_.subtrees == kAll; }
  std::size_t nodes_size() const;
  std::uint64_t subtrees_before(std::uint64_t subtree) const;
  std::span<std::byte> nodes_in_memory(std::uint64_t subtree) const;
  std::span<std::byte> filling_nodes();
  ChunkIndex empty_from(std::uint64_t subtree) const;
  SubtreeNodes<const std::byte> view(std::uint64_t subtree) const;
  SubtreeNodes<std::byte> view(std::uint64_t subtree);

  void move_window(std::uint64_t end);
  void make_nodes(std::uint64_t subtree, std::span<const std::byte> hash);
  std::vector<std::byte>& place_for_nodes(std::uint64_t subtree);
  bool adopt_filling(std::uint64_t subtree, std::span<const std::byte> hash);
  void start_filling(std::uint64_t subtree);
  void drop_filling();
  void make_parents(std::uint64_t subtree);
  void update_end();
  void check_subtree(std::uint64_t subtree, Hasher& hasher) const;

  Shape shape_;
  Hasher hasher_;
  ClaimFinder finder_;
  std::span<std::byte> memory_;  // for kAll
  std::uint64_t begin_ = 0;
  std::uint64_t end_ = 0;
  ChunkSignatures signatures_;  // of the munros, by subtree
  Nodes nodes_;                 // unless kAll; not of subtrees without chunks
  std::vector<Nodes::node_type> spare_nodes_;
  Filling filling_;
  // The first empty chunk of each subtree that is known to have one: usually a single subtree.
  std::map<std::uint64_t, ChunkIndex> empties_;
  std::optional<std::uint64_t> newest_;  // the highest subtree with chunks, forgotten or not
  std::optional<ChunkIndex> end_of_feed_;
  std::optional<ChunkIndex> empty_from_;
};

}  // namespace ppspp
