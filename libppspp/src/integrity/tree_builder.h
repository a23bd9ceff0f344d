// Makes the hash tree of a content that is all there (a seeder's file).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "crypto/hasher.h"
#include "integrity/merkle_tree.h"
#include "ppspp/chunk_range.h"

namespace ppspp {

// The content comes in blocks: aligned runs of block_chunks() chunks, the last of which may be
// short. They may come in any order, and from several threads at once: each block has its nodes to
// itself. A thread brings its own Hasher. Each comes once; after all of them, one thread calls
// finish().
//
// Whoever brings the last block of a group makes what is above it at once, while those nodes are in
// memory: one by one at the end, each of them would have to come from the disk where the tree is
// larger than the memory.
class TreeBuilder {
 public:
  static constexpr std::uint64_t kDefaultBlockChunks = 1024;

  // The tree outlives the builder. block_chunks is a power of two.
  TreeBuilder(MerkleTree& tree, std::uint32_t chunk_size,
              std::uint64_t block_chunks = kDefaultBlockChunks);

  std::uint64_t block_chunks() const { return block_chunks_; }
  std::uint64_t block_count() const;

  // Makes the nodes of the block that begins with `first_chunk`. `data` is the whole block: full
  // chunks, but for the very last of the content.
  void add_block(ChunkIndex first_chunk, std::span<const std::byte> data, Hasher& hasher,
                 LazyMultiBuffer* together = nullptr);

  // Makes the nodes above the blocks, up to the peaks, and returns the root hash.
  Digest finish(Hasher& hasher);

 private:
  void hash_leaves(ChunkRange chunks, std::span<const std::byte> data, Hasher& hasher,
                   LazyMultiBuffer* together);
  void make_level(int height, ChunkRange chunks, Hasher& hasher);
  void make_group(std::uint64_t group, Hasher& hasher);
  ChunkRange group_chunks(std::uint64_t group) const;

  static constexpr int kGroupHeight = 6;  // 64 blocks

  MerkleTree& tree_;
  std::uint32_t chunk_size_;
  std::uint64_t block_chunks_;
  std::vector<std::atomic<std::uint8_t>> blocks_here_;  // by group
};

}  // namespace ppspp
