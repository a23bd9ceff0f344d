#include "integrity/content_verifier.h"

#include <algorithm>
#include <array>
#include <bit>

#include "base/assert.h"
#include "bins/peaks.h"

namespace ppspp {
namespace {

// A live swarm's ID is a key, which is no root hash.
Digest root_hash_of(const SwarmMetadata& metadata) {
  const bool is_hash = metadata.id.size() == digest_size(metadata.hash);
  return is_hash ? Digest(metadata.id.octets()) : Digest();
}

// The peaks at the front of `hashes`: each begins where the one before ended, and is smaller. An
// uncle lies below a peak, so it never carries on where the last peak ended.
std::span<const ClaimedHash> leading_peaks(std::span<const ClaimedHash> hashes) {
  std::size_t count = 0;
  ChunkIndex end = 0;
  int height = 64;
  for (const ClaimedHash& claim : hashes) {
    if (claim.bin.is_none() || claim.bin.first_chunk() != end) break;
    if (claim.bin.height() >= height) break;
    height = claim.bin.height();
    end = claim.bin.chunks().end;
    ++count;
  }
  return hashes.first(count);
}

// A Merkle tree as climb() asks it: below a peak there is no empty leaf, hence no empty hash
// (5.6.1).
struct FullTree {
  const MerkleTree& tree;
  bool is_known(Bin bin) const { return tree.is_known(bin); }
  std::span<const std::byte> node(Bin bin) const { return tree.node(bin); }
  static bool may_be_empty(Bin) { return false; }
};

}  // namespace

ContentVerifier::ContentVerifier(const SwarmMetadata& metadata)
    : method_(metadata.integrity),
      chunk_size_(metadata.chunk_size),
      max_chunk_count_(max_chunk_count(metadata.addressing, metadata.chunk_size)),
      content_length_(metadata.content_length),
      root_(root_hash_of(metadata)),
      hasher_(metadata.hash) {
  PPSPP_ASSERT(chunk_size_ > 0);
  PPSPP_ASSERT(content_length_ != 0);
}

std::optional<std::uint64_t> ContentVerifier::check_peaks(std::span<const ClaimedHash> hashes) {
  const std::span<const ClaimedHash> claims = leading_peaks(hashes);
  std::array<Bin, 64> bins;
  std::array<Digest, 64> digests;
  for (std::size_t i = 0; i < claims.size(); ++i) {
    if (claims[i].hash.size() != hasher_.size()) return std::nullopt;
    bins.at(i) = claims[i].bin;
    digests.at(i) = Digest(claims[i].hash);
  }
  const std::uint64_t count = chunk_count_of(std::span(bins).first(claims.size()));
  if (count == 0 || count > max_chunk_count_) return std::nullopt;
  if (content_length_ && count - 1 != (*content_length_ - 1) / chunk_size_) return std::nullopt;
  if (root_of_peaks(std::span(digests).first(claims.size()), count, hasher_) != root_) {
    return std::nullopt;
  }
  return count;
}

void ContentVerifier::start(std::uint64_t chunk_count, std::span<std::byte> memory,
                            std::span<const ClaimedHash> claims) {
  PPSPP_ASSERT(method_ != IntegrityMethod::none);
  tree_.emplace(chunk_count, hasher_.function(), memory);
  has_peaks_ = false;
  set_peaks(claims);
  if (std::has_single_bit(chunk_count) && root_.size() == hasher_.size()) {
    tree_->set(peak_of(0, chunk_count), root_.octets());
  }
}

bool ContentVerifier::accept_peaks(std::span<const ClaimedHash> claims) {
  if (!tree_ || check_peaks(claims) != tree_->chunk_count()) return false;
  set_peaks(claims);
  return true;
}

void ContentVerifier::set_peaks(std::span<const ClaimedHash> claims) {
  for (const ClaimedHash& peak : leading_peaks(claims)) tree_->set(peak.bin, peak.hash);
}

bool ContentVerifier::has_peaks() {
  has_peaks_ = has_peaks_ || (tree_ && tree_->peaks_known());
  return has_peaks_;
}

MerkleTree& ContentVerifier::tree() {
  PPSPP_ASSERT(tree_.has_value());
  return *tree_;
}

const MerkleTree& ContentVerifier::tree() const {
  PPSPP_ASSERT(tree_.has_value());
  return *tree_;
}

Verdict ContentVerifier::verify(ChunkIndex chunk, std::span<const std::byte> payload,
                                std::span<const ClaimedHash> hashes) {
  return verify_leaf(chunk, payload.size(), hashes,
                     [&](std::byte* out) { hasher_.hash(payload, out); });
}

Verdict ContentVerifier::verify(ChunkIndex chunk, std::span<const std::byte> payload,
                                const std::byte* leaf_hash, std::span<const ClaimedHash> hashes) {
  return verify_leaf(chunk, payload.size(), hashes,
                     [&](std::byte* out) { copy_digest(out, leaf_hash, hasher_.size()); });
}

// `leaf_hash` writes the chunk's hash, if it comes to that.
template <typename LeafHash>
Verdict ContentVerifier::verify_leaf(ChunkIndex chunk, std::size_t size,
                                     std::span<const ClaimedHash> hashes,
                                     const LeafHash& leaf_hash) {
  if (method_ == IntegrityMethod::none) return Verdict::verified;
  if (!tree_) return Verdict::missing_hash;
  if (chunk >= tree_->chunk_count()) return Verdict::wrong;
  if (!has_right_size(chunk, size)) return Verdict::wrong;
  HashPath path;
  leaf_hash(path.computed[0].data());
  const Bin leaf = Bin::leaf(chunk);
  const Bin peak = peak_of(chunk, tree_->chunk_count());
  const Verdict verdict = climb(FullTree{*tree_}, leaf, peak, hashes, finder_, hasher_, path);
  if (verdict == Verdict::verified) keep(*tree_, leaf, hasher_.size(), path);
  return verdict;
}

Verdict ContentVerifier::verify_all(Bin top, std::span<const std::byte> leaf_hashes,
                                    std::span<const ClaimedHash> hashes) {
  PPSPP_ASSERT(top.height() <= kMaxHeight);
  if (!tree_ || !tree_->contains(top)) return Verdict::missing_hash;
  if (!has_right_size(top.chunks().end - 1, chunk_size_)) return Verdict::wrong;
  std::array<std::byte, ((2U << kMaxHeight) - 1) * kMaxDigestSize> room;
  const auto nodes = hash_all(top, leaf_hashes, room);
  HashPath path;
  const std::size_t top_place = (top.chunk_count() - 1) * hasher_.size();
  copy_digest(path.computed[0].data(), &nodes[top_place], hasher_.size());
  const Bin peak = peak_of(top.first_chunk(), tree_->chunk_count());
  const Verdict verdict = climb(FullTree{*tree_}, top, peak, hashes, finder_, hasher_, path);
  if (verdict != Verdict::verified) return verdict;
  keep(*tree_, top, hasher_.size(), path);
  const std::size_t offset = Bin::leaf(top.first_chunk()).number() * hasher_.size();
  if (!write_nodes_ || !write_nodes_(offset, nodes)) tree_->set_all(top, nodes);
  return verdict;
}

// The nodes from `top` down, in the order of their numbers.
std::span<const std::byte> ContentVerifier::hash_all(Bin top,
                                                     std::span<const std::byte> leaf_hashes,
                                                     std::span<std::byte> room) const {
  const std::size_t size = hasher_.size();
  const std::size_t count = top.chunk_count();
  PPSPP_ASSERT(leaf_hashes.size() == count * size);
  const auto nodes = room.first((2 * count - 1) * size);
  for (std::size_t leaf = 0; leaf < count; ++leaf) {
    copy_digest(&nodes[2 * leaf * size], &leaf_hashes[leaf * size], size);
  }
  for (std::size_t half = 1; half < count; half *= 2) {  // from a node to its children
    for (std::size_t node = 2 * half - 1; node < 2 * count - 1; node += 4 * half) {
      hasher_.hash_pair(&nodes[(node - half) * size], &nodes[(node + half) * size],
                        &nodes[node * size]);
    }
  }
  return nodes;
}

bool ContentVerifier::matches(ChunkIndex chunk, std::span<const std::byte> payload) {
  if (method_ == IntegrityMethod::none) return true;
  const Digest hash = hasher_.hash(payload);
  return std::ranges::equal(hash.octets(), tree().node(Bin::leaf(chunk)));
}

// Nothing separates leaves from inner nodes in this tree: two hashes in a row pass as the chunk
// whose hash is their parent's. A full chunk is longer than that, so only the last one is in doubt,
// and only the only one cannot be told by the others (ambiguous in 5.6.1).
bool ContentVerifier::has_right_size(ChunkIndex chunk, std::size_t size) const {
  const std::uint64_t count = tree_->chunk_count();
  if (chunk + 1 < count) return size == chunk_size_;
  if (content_length_) return size == *content_length_ - chunk * chunk_size_;
  if (count == 1 && size == 2 * hasher_.size()) return false;
  return size > 0 && size <= chunk_size_;
}

}  // namespace ppspp
