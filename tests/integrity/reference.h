// The tree of section 5.1, made the slow way: a row of leaves widened with empty hashes to a power
// of two, and row above row, the parent of two empty hashes being empty. Shares nothing with the
// code under test but the hash function and the numbers of bins.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <vector>

#include "bins/bin.h"
#include "crypto/hasher.h"
#include "integrity/content_verifier.h"
#include "integrity/merkle_tree.h"
#include "ppspp/random_source.h"
#include "ppspp/swarm_metadata.h"

namespace ppspp::test {

using Octets = std::vector<std::byte>;

// Octet i is i mod 251.
inline Octets counting_content(std::size_t size) {
  Octets content(size);
  for (std::size_t i = 0; i < size; ++i) content[i] = static_cast<std::byte>(i % 251);
  return content;
}

inline Octets random_content(std::size_t size, RandomSource& random) {
  Octets content(size);
  for (std::byte& octet : content) octet = static_cast<std::byte>(random.next_u64());
  return content;
}

class Reference {
 public:
  Reference(Octets content, std::size_t chunk_size, HashFunction function)
      : content_(std::move(content)), chunk_size_(chunk_size), function_(function) {
    Hasher hasher(function);
    std::vector<Digest> row;
    for (std::size_t i = 0; i < chunk_count(); ++i) row.push_back(hasher.hash(chunk(i)));
    row.resize(std::bit_ceil(row.size()), Digest::zero(hasher.size()));
    rows_.push_back(row);
    while (rows_.back().size() > 1) rows_.push_back(row_above(rows_.back(), hasher));
  }

  std::uint64_t chunk_count() const { return (content_.size() + chunk_size_ - 1) / chunk_size_; }
  std::size_t chunk_size() const { return chunk_size_; }
  HashFunction function() const { return function_; }
  std::span<const std::byte> content() const { return content_; }
  std::span<const std::byte> chunk(ChunkIndex index) const {
    const std::size_t begin = index * chunk_size_;
    return content().subspan(begin, std::min(chunk_size_, content_.size() - begin));
  }
  const Digest& root() const { return rows_.back().front(); }
  const Digest& node(Bin bin) const {
    return rows_.at(static_cast<std::size_t>(bin.height())).at(bin.offset());
  }
  ClaimedHash claim(Bin bin) const { return {bin, node(bin).octets()}; }

  // The memory that a MerkleTree which knows everything has: nothing above the peaks.
  Octets memory() const {
    const std::size_t size = digest_size(function_);
    Octets memory((2 * chunk_count() - 1) * size);
    for (std::uint64_t number = 0; number < 2 * chunk_count() - 1; ++number) {
      const Bin bin{number};
      if (bin.first_chunk() + bin.chunk_count() > chunk_count()) continue;
      std::ranges::copy(node(bin).octets(), memory.begin() + static_cast<long>(number * size));
    }
    return memory;
  }

  std::vector<ClaimedHash> peak_claims() const {
    std::vector<ClaimedHash> claims;
    ChunkIndex begin = 0;
    for (std::uint64_t size = std::bit_floor(chunk_count()); size != 0; size /= 2) {
      if ((chunk_count() & size) == 0) continue;
      claims.push_back(claim(Bin::node(std::countr_zero(size), begin / size)));
      begin += size;
    }
    return claims;
  }

  SwarmMetadata metadata(bool with_length = true) const {
    SwarmMetadata metadata;
    metadata.id = SwarmId(root().octets());
    metadata.chunk_size = static_cast<std::uint32_t>(chunk_size_);
    metadata.hash = function_;
    if (with_length) metadata.content_length = content_.size();
    return metadata;
  }

 private:
  static std::vector<Digest> row_above(const std::vector<Digest>& row, Hasher& hasher) {
    std::vector<Digest> above;
    for (std::size_t i = 0; i < row.size(); i += 2) {
      const bool empty = row[i].is_zero() && row[i + 1].is_zero();
      above.push_back(empty ? row[i] : hasher.hash_pair(row[i], row[i + 1]));
    }
    return above;
  }

  Octets content_;
  std::size_t chunk_size_;
  HashFunction function_;
  std::vector<std::vector<Digest>> rows_;
};

// Memory for a tree between guard octets, which must never change.
class GuardedMemory {
 public:
  GuardedMemory(std::uint64_t chunk_count, HashFunction function)
      : size_(MerkleTree::memory_size(chunk_count, function)), octets_(size_ + 2 * kGuard, kMark) {
    std::ranges::fill(span(), std::byte{0});
  }

  std::span<std::byte> span() { return std::span(octets_).subspan(kGuard, size_); }
  Octets copy() { return Octets(span().begin(), span().end()); }
  bool guards_intact() const {
    const auto is_mark = [](std::byte octet) { return octet == kMark; };
    return std::ranges::all_of(std::span(octets_).first(kGuard), is_mark) &&
           std::ranges::all_of(std::span(octets_).last(kGuard), is_mark);
  }

 private:
  static constexpr std::size_t kGuard = 256;
  static constexpr std::byte kMark{0xa5};
  std::size_t size_;
  Octets octets_;
};

// 1 to 300 chunks of 512 octets, powers of two and their neighbours more often than by chance; the
// last chunk is mostly short.
inline Reference random_reference(RandomSource& random) {
  constexpr std::size_t kChunk = 512;
  std::uint64_t count = 1 + random.below(300);
  if (random.below(2) == 0) {
    count = (std::uint64_t{1} << (1 + random.below(8))) + random.below(3) - 1;
  }
  const std::size_t last = random.below(4) == 0 ? kChunk : 1 + random.below(kChunk);
  const HashFunction function = kHashFunctions[random.below(5)];
  return Reference(random_content((count - 1) * kChunk + last, random), kChunk, function);
}

inline std::vector<ChunkIndex> shuffled(std::uint64_t count, RandomSource& random) {
  std::vector<ChunkIndex> order(count);
  for (std::uint64_t i = 0; i < count; ++i) order[i] = i;
  for (std::uint64_t i = count; i > 1; --i) std::swap(order[i - 1], order[random.below(i)]);
  return order;
}

}  // namespace ppspp::test
