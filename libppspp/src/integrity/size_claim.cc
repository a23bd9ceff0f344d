#include "integrity/size_claim.h"

#include <algorithm>

#include "base/assert.h"
#include "bins/peaks.h"

namespace ppspp {
namespace {

// Places in a list where peaks are looked for: hashes that came ahead may hold others before them.
constexpr int kMaxTries = 8;

}  // namespace

SizeClaim::SizeClaim(const SwarmMetadata& metadata)
    : peak_check_(metadata),
      hasher_(metadata.hash),
      root_(metadata.id.octets()),
      chunk_size_(metadata.chunk_size) {}

void SizeClaim::clear() {
  chunk_count_ = 0;
  nodes_ = {};
  chunks_.clear();
}

bool SizeClaim::holds(ChunkIndex chunk) const {
  return std::ranges::any_of(chunks_, [chunk](const Chunk& held) { return held.index == chunk; });
}

bool SizeClaim::is_genuine(ChunkIndex chunk) const {
  return std::ranges::any_of(chunks_, [&](const Chunk& held) {
    return held.index == chunk && (held.size == chunk_size_ || chunk_count_ == 1);
  });
}

bool SizeClaim::wanted(ChunkIndex chunk) const {
  if (chunk_count_ == 0) return true;
  if (chunk >= chunk_count_ || proved() || holds(chunk)) return false;
  return has_last() || chunk + 1 == chunk_count_;
}

bool SizeClaim::proved() const {
  if (chunk_count_ == 0 || !has_last()) return false;
  return std::ranges::any_of(chunks_, [this](const Chunk& held) { return is_genuine(held.index); });
}

std::uint64_t SizeClaim::length() const {
  PPSPP_ASSERT(proved());
  const auto last = std::ranges::find_if(
      chunks_, [this](const Chunk& held) { return held.index + 1 == chunk_count_; });
  return last->index * chunk_size_ + last->size;
}

std::vector<ClaimedHash> SizeClaim::hashes() const {
  std::vector<ClaimedHash> all;
  all.reserve(nodes_.size());
  for (const Node& node : nodes_) all.push_back({node.bin, node.hash.octets()});
  return all;
}

Verdict SizeClaim::add(ChunkIndex chunk, std::span<const std::byte> payload,
                       std::span<const ClaimedHash> hashes) {
  const bool first = chunk_count_ == 0;
  if (first && !take_peaks(hashes) && !take_only_chunk(chunk, payload)) {
    return Verdict::missing_hash;
  }
  std::vector<Node> uncles;
  Verdict verdict = Verdict::missing_hash;
  if (chunk >= chunk_count_ || !has_right_size(chunk, payload.size())) {
    verdict = Verdict::wrong;
  } else if (first || wanted(chunk)) {
    verdict = climb(chunk, payload, hashes, uncles);
  }
  if (verdict != Verdict::verified) {
    if (first) clear();
    return verdict;
  }
  // Where the way up from the other chunk meets this one's, its sender takes an uncle for known.
  nodes_.insert(nodes_.end(), uncles.begin(), uncles.end());
  chunks_.push_back({chunk, payload.size()});
  return Verdict::verified;
}

// Peaks stand in front of the uncles, but behind what may have come ahead in other datagrams.
bool SizeClaim::take_peaks(std::span<const ClaimedHash> hashes) {
  int tries = 0;
  for (; !hashes.empty() && tries < kMaxTries; hashes = hashes.subspan(1)) {
    if (hashes.front().bin.is_none() || hashes.front().bin.first_chunk() != 0) continue;
    ++tries;
    const auto count = peak_check_.check_peaks(hashes);
    if (!count) continue;
    chunk_count_ = *count;
    for (const ClaimedHash& peak : hashes.first(peaks(*count).size())) {
      nodes_.push_back({peak.bin, Digest(peak.hash)});
    }
    return true;
  }
  return false;
}

// The only chunk of a content needs no hash to prove it: its own is the root (8.16).
bool SizeClaim::take_only_chunk(ChunkIndex chunk, std::span<const std::byte> payload) {
  if (chunk != 0 || hasher_.hash(payload) != root_) return false;
  chunk_count_ = 1;
  nodes_.push_back({Bin::leaf(0), root_});
  return true;
}

bool SizeClaim::has_right_size(ChunkIndex chunk, std::size_t size) const {
  if (chunk + 1 < chunk_count_) return size == chunk_size_;
  if (chunk_count_ == 1 && size == 2 * hasher_.size()) return false;
  return size > 0 && size <= chunk_size_;
}

Verdict SizeClaim::climb(ChunkIndex chunk, std::span<const std::byte> payload,
                         std::span<const ClaimedHash> hashes, std::vector<Node>& uncles) {
  Node node{Bin::leaf(chunk), hasher_.hash(payload)};
  for (;;) {
    if (const Digest* known = find(node.bin)) {
      return *known == node.hash ? Verdict::verified : Verdict::wrong;
    }
    // A peak is known, so there is a sibling below it.
    Digest sibling;
    if (const Digest* known = find(node.bin.sibling())) {
      sibling = *known;
    } else {
      const auto claim = std::ranges::find_if(hashes, [&](const ClaimedHash& hash) {
        return hash.bin == node.bin.sibling() && hash.hash.size() == hasher_.size();
      });
      if (claim == hashes.end()) return Verdict::missing_hash;
      sibling = Digest(claim->hash);
      // Below a peak there is no empty leaf, hence no empty hash (5.6.1).
      if (sibling.is_zero()) return Verdict::wrong;
      uncles.push_back({claim->bin, sibling});
    }
    node.hash = node.bin.is_left() ? hasher_.hash_pair(node.hash, sibling)
                                   : hasher_.hash_pair(sibling, node.hash);
    node.bin = node.bin.parent();
  }
}

const Digest* SizeClaim::find(Bin bin) const {
  const auto found =
      std::ranges::find_if(nodes_, [bin](const Node& node) { return node.bin == bin; });
  return found == nodes_.end() ? nullptr : &found->hash;
}

}  // namespace ppspp
