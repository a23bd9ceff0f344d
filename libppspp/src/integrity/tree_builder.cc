#include "integrity/tree_builder.h"

#include <algorithm>
#include <array>
#include <bit>

#include "base/assert.h"

namespace ppspp {

TreeBuilder::TreeBuilder(MerkleTree& tree, std::uint32_t chunk_size, std::uint64_t block_chunks,
                         std::uint64_t group_blocks)
    : tree_(tree),
      chunk_size_(chunk_size),
      block_chunks_(block_chunks),
      group_blocks_(group_blocks) {
  PPSPP_ASSERT(chunk_size > 0);
  PPSPP_ASSERT(std::has_single_bit(block_chunks));
  PPSPP_ASSERT(std::has_single_bit(group_blocks));
}

std::uint64_t TreeBuilder::block_count() const {
  return (tree_.chunk_count() - 1) / block_chunks_ + 1;
}

void TreeBuilder::add_block(ChunkIndex first_chunk, std::span<const std::byte> data, Hasher& hasher,
                            LazyMultiBuffer* together) {
  PPSPP_ASSERT(first_chunk % block_chunks_ == 0);
  PPSPP_ASSERT(first_chunk < tree_.chunk_count());
  PPSPP_ASSERT(hasher.function() == tree_.function());
  const std::uint64_t count = std::min(block_chunks_, tree_.chunk_count() - first_chunk);
  const ChunkRange chunks{first_chunk, first_chunk + count};
  hash_leaves(chunks, data, hasher, together);
  for (int height = 1; (std::uint64_t{1} << height) <= count; ++height) {
    make_level(height, chunks, hasher);
  }
}

std::uint64_t TreeBuilder::group_count() const {
  return (block_count() - 1) / group_blocks_ + 1;
}

std::uint64_t TreeBuilder::blocks_in(std::uint64_t group) const {
  return std::min(group_blocks_, block_count() - group * group_blocks_);
}

void TreeBuilder::join(std::uint64_t group, Hasher& hasher) {
  const std::uint64_t size = block_chunks_ * group_blocks_;
  const ChunkRange chunks{group * size, std::min((group + 1) * size, tree_.chunk_count())};
  for (int height = std::countr_zero(block_chunks_) + 1; height <= std::countr_zero(size);
       ++height) {
    make_level(height, chunks, hasher);
  }
}

Digest TreeBuilder::finish(Hasher& hasher) {
  const ChunkRange all{0, tree_.chunk_count()};
  const int lowest = std::countr_zero(block_chunks_ * group_blocks_) + 1;
  for (int height = lowest; (std::uint64_t{1} << height) <= all.size(); ++height) {
    make_level(height, all, hasher);
  }
  const std::optional<Digest> root = tree_.root(hasher);
  PPSPP_ASSERT(root.has_value());
  return *root;
}

void TreeBuilder::hash_leaves(ChunkRange chunks, std::span<const std::byte> data, Hasher& hasher,
                              LazyMultiBuffer* together) {
  PPSPP_ASSERT(!data.empty());
  PPSPP_ASSERT((data.size() - 1) / chunk_size_ + 1 == chunks.size());
  PPSPP_ASSERT(chunks.end == tree_.chunk_count() || data.size() % chunk_size_ == 0);
  // Several at a time, which a processor can do faster than one by one.
  constexpr std::size_t kAtOnce = 64;
  std::array<std::byte, kAtOnce * kMaxDigestSize> hashes;
  const std::size_t size = hasher.size();
  for (ChunkIndex chunk = chunks.begin; chunk < chunks.end;) {
    const std::size_t full = std::min(kAtOnce, data.size() / chunk_size_);
    const std::size_t count = std::max<std::size_t>(full, 1);
    const std::size_t message = full > 0 ? chunk_size_ : data.size();
    const std::span out = std::span(hashes).first(count * size);
    hasher.hash_many(data.first(count * message), message, out, together);
    for (std::size_t i = 0; i < count; ++i, ++chunk) {
      tree_.set(Bin::leaf(chunk), out.subspan(i * size, size));
    }
    data = data.subspan(count * message);
  }
}

// The filled nodes of this height over `chunks`, whose begin is a multiple of their size.
void TreeBuilder::make_level(int height, ChunkRange chunks, Hasher& hasher) {
  for (std::uint64_t offset = chunks.begin >> height; offset < chunks.end >> height; ++offset) {
    tree_.set_from_children(Bin::node(height, offset), hasher);
  }
}

}  // namespace ppspp
