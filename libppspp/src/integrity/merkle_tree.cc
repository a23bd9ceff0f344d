#include "integrity/merkle_tree.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>

#include "base/assert.h"
#include "base/bytes.h"
#include "bins/peaks.h"

namespace ppspp {
namespace {

constexpr std::size_t kZeroBlock = 4096;  // a page: what a mapped file reads and writes at once
constexpr std::array<std::byte, kZeroBlock> kZeros = {};

bool is_zero(const std::byte* octets, std::size_t size) {
  return std::memcmp(octets, kZeros.data(), size) == 0;
}

}  // namespace

std::uint64_t MerkleTree::memory_size(std::uint64_t chunk_count, HashFunction function) {
  if (chunk_count == 0) return 0;
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();
  const std::uint64_t size = ppspp::digest_size(function);
  if (chunk_count > kMost / size / 2) return kMost;
  return (2 * chunk_count - 1) * size;
}

MerkleTree::MerkleTree(std::uint64_t chunk_count, HashFunction function,
                       std::span<std::byte> memory)
    : chunk_count_(chunk_count),
      function_(function),
      digest_size_(ppspp::digest_size(function)),
      memory_(memory.data()) {
  PPSPP_ASSERT(chunk_count > 0);
  PPSPP_ASSERT(memory.size() >= memory_size(chunk_count, function));
}

bool MerkleTree::contains(Bin bin) const {
  return !bin.is_none() && bin.chunks().end <= chunk_count_;
}

bool MerkleTree::is_known(Bin bin) const {
  return !is_all_zero(node(bin));
}

std::span<const std::byte> MerkleTree::node(Bin bin) const {
  return {place(bin), digest_size_};
}

void MerkleTree::set(Bin bin, std::span<const std::byte> hash) {
  PPSPP_ASSERT(contains(bin));
  PPSPP_ASSERT(hash.size() == digest_size_);
  copy_digest(place(bin), hash.data(), digest_size_);
}

void MerkleTree::set_all(Bin top, std::span<const std::byte> nodes) {
  PPSPP_ASSERT(contains(top));
  PPSPP_ASSERT(nodes.size() == (2 * top.chunk_count() - 1) * digest_size_);
  std::memcpy(place(Bin::leaf(top.first_chunk())), nodes.data(), nodes.size());
}

void MerkleTree::set_from_children(Bin bin, Hasher& hasher) {
  PPSPP_ASSERT(contains(bin));
  hasher.hash_pair(place(bin.left()), place(bin.right()), place(bin));
}

bool MerkleTree::peaks_known() const {
  const BinList tops = peaks(chunk_count_);
  return std::all_of(tops.begin(), tops.end(), [this](Bin peak) { return is_known(peak); });
}

std::optional<Digest> MerkleTree::root() const {
  Hasher hasher(function_);
  return root(hasher);
}

std::optional<Digest> MerkleTree::root(Hasher& hasher) const {
  if (!peaks_known()) return std::nullopt;
  const BinList tops = peaks(chunk_count_);
  std::array<Digest, 64> hashes;
  for (std::size_t i = 0; i < tops.size(); ++i) hashes.at(i) = Digest(node(tops[i]));
  return root_of_peaks(std::span(hashes).first(tops.size()), chunk_count_, hasher);
}

bool MerkleTree::check(std::span<const std::byte> root_hash) {
  Hasher hasher(function_);
  const std::optional<Digest> made = root(hasher);
  if (!made || !std::ranges::equal(made->octets(), root_hash)) {
    forget_all();
    return false;
  }
  forget_above_peaks();
  for (const Bin peak : peaks(chunk_count_)) check_below(peak, hasher);
  return true;
}

void MerkleTree::forget_all() {
  forget(Bin{0}, Bin{2 * chunk_count_ - 2});
}

std::byte* MerkleTree::place(Bin bin) const {
  PPSPP_ASSERT(bin.number() <= 2 * chunk_count_ - 2);
  return memory_ + bin.number() * digest_size_;
}

bool MerkleTree::has_true_children(Bin bin, Hasher& hasher) const {
  if (!is_known(bin.left()) || !is_known(bin.right())) return false;
  std::array<std::byte, kMaxDigestSize> made;
  hasher.hash_pair(place(bin.left()), place(bin.right()), made.data());
  return std::memcmp(made.data(), place(bin), digest_size_) == 0;
}

// As deep as the tree is high.
void MerkleTree::check_below(Bin trusted, Hasher& hasher) {
  if (trusted.is_leaf()) return;
  if (has_true_children(trusted, hasher)) {
    check_below(trusted.left(), hasher);
    check_below(trusted.right(), hasher);
    return;
  }
  // The nodes below lie on both sides of it.
  const ChunkRange below = trusted.chunks();
  forget(Bin::leaf(below.begin), Bin{trusted.number() - 1});
  forget(Bin{trusted.number() + 1}, Bin::leaf(below.end - 1));
}

// Their places lie one before the first leaf of each peak but the first.
void MerkleTree::forget_above_peaks() {
  for (const Bin peak : peaks(chunk_count_)) {
    if (peak.first_chunk() == 0) continue;
    const Bin above{Bin::leaf(peak.first_chunk()).number() - 1};
    forget(above, above);
  }
}

void MerkleTree::forget(Bin first, Bin last) {
  std::byte* at = place(first);
  std::byte* const end = place(last) + digest_size_;
  while (at != end) {
    const std::size_t size = std::min(kZeroBlock, static_cast<std::size_t>(end - at));
    if (!is_zero(at, size)) std::memset(at, 0, size);
    at += size;
  }
}

Digest root_of_peaks(std::span<const Digest> peak_hashes, std::uint64_t chunk_count,
                     Hasher& hasher) {
  const BinList tops = peaks(chunk_count);
  PPSPP_ASSERT(!tops.empty());
  PPSPP_ASSERT(peak_hashes.size() == tops.size());
  const Digest empty = Digest::zero(hasher.size());
  // From the right: `node` covers all the peaks so far, and empty leaves up to a power of two.
  Digest node = peak_hashes.back();
  int height = tops[tops.size() - 1].height();
  for (std::size_t i = tops.size() - 1; i-- > 0; ++height) {
    for (; height < tops[i].height(); ++height) node = hasher.hash_pair(node, empty);
    node = hasher.hash_pair(peak_hashes[i], node);
  }
  return node;
}

}  // namespace ppspp
