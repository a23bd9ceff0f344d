// Makes the hash tree of a content that is all there (a seeder's file).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "crypto/hasher.h"
#include "integrity/merkle_tree.h"
#include "ppspp/chunk_range.h"

namespace ppspp {

// The content comes in blocks: aligned runs of block_chunks() chunks, the last of which may be
// short. They may come in any order, and from several threads at once: each block has its nodes to
// itself. A thread brings its own Hasher. After all the blocks, one thread calls finish().
//
// Of a large tree not all is in memory at a time: who makes the nodes above the blocks at the end,
// one by one, waits for the disk for each. So blocks can be joined by groups: after all the blocks
// of a group, and only then, a thread calls join().
class TreeBuilder {
 public:
  static constexpr std::uint64_t kDefaultBlockChunks = 1024;

  // The tree outlives the builder. block_chunks and group_blocks are powers of two; with a group of
  // one block there is nothing to join.
  TreeBuilder(MerkleTree& tree, std::uint32_t chunk_size,
              std::uint64_t block_chunks = kDefaultBlockChunks, std::uint64_t group_blocks = 1);

  std::uint64_t block_chunks() const { return block_chunks_; }
  std::uint64_t block_count() const;

  // Makes the nodes of the block that begins with `first_chunk`. `data` is the whole block: full
  // chunks, but for the very last of the content.
  void add_block(ChunkIndex first_chunk, std::span<const std::byte> data, Hasher& hasher,
                 LazyMultiBuffer* together = nullptr);

  std::uint64_t group_count() const;
  // How many blocks it has: group_blocks, but for the last.
  std::uint64_t blocks_in(std::uint64_t group) const;
  // Makes the nodes above the blocks of the group.
  void join(std::uint64_t group, Hasher& hasher);

  // Makes the nodes above the groups, up to the peaks, and returns the root hash.
  Digest finish(Hasher& hasher);

 private:
  void hash_leaves(ChunkRange chunks, std::span<const std::byte> data, Hasher& hasher,
                   LazyMultiBuffer* together);
  void make_level(int height, ChunkRange chunks, Hasher& hasher);

  MerkleTree& tree_;
  std::uint32_t chunk_size_;
  std::uint64_t block_chunks_;
  std::uint64_t group_blocks_;
};

}  // namespace ppspp
