// What a UnifiedMerkleTree should answer, by the truth of the feed and sets of nodes instead of
// hashes and places: for tests with random commands and for fuzzing.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>

#include "integrity/live_feed.h"

namespace ppspp::test {

class UnifiedTreeModel {
 public:
  explicit UnifiedTreeModel(const LiveFeed& feed) : feed_(feed) {}

  void set_munro(std::uint64_t subtree) {
    if (subtree < begin_ || munros_.contains(subtree)) return;
    munros_.insert(subtree);
    end_ = std::max(end_, subtree + 1);
    const std::uint64_t kept = feed_.shape().subtrees;
    if (end_ > kept) forget_before(std::max(begin_, end_ - kept));
    const Bin munro = feed_.munro_bin(subtree);
    if (feed_.has_any(munro.chunks())) {
      known_.insert(munro);
      newest_ = std::max(newest_.value_or(0), subtree);
    } else {
      empty_from_[subtree] = subtree * feed_.width();
    }
    update_end();
  }

  Verdict verify(ChunkIndex chunk, std::span<const std::byte> payload,
                 std::span<const ClaimedHash> hashes) {
    const std::uint64_t subtree = chunk / feed_.width();
    if (!munros_.contains(subtree)) return Verdict::missing_hash;
    if (chunk >= first_empty(subtree)) return Verdict::wrong;
    if (payload.empty() || payload.size() > feed_.shape().chunk_size) return Verdict::wrong;
    bool genuine = feed_.has(chunk) && std::ranges::equal(payload, feed_.chunk(chunk));
    std::set<Bin> proved;
    for (Bin bin = Bin::leaf(chunk); !known_.contains(bin); bin = bin.parent()) {
      proved.insert({bin, bin.sibling()});
      if (is_known(bin.sibling())) continue;
      const ClaimedHash* const claim = first_claim(bin.sibling(), hashes);
      if (claim == nullptr) return Verdict::missing_hash;
      if (!bin.is_left() && is_zero(claim->hash)) return Verdict::wrong;
      genuine = genuine && std::ranges::equal(claim->hash, feed_.node(claim->bin).octets());
    }
    if (!genuine) return Verdict::wrong;
    for (const Bin bin : proved) keep(subtree, bin);
    update_end();
    return Verdict::verified;
  }

  bool is_known(Bin bin) const {
    const std::uint64_t subtree = bin.first_chunk() / feed_.width();
    if (known_.contains(bin)) return true;
    return munros_.contains(subtree) && bin.chunk_count() <= feed_.width() &&
           bin.first_chunk() >= first_empty(subtree);
  }

  // Everything that can be asked of the tree.
  bool agrees(const UnifiedMerkleTree& tree, std::uint64_t subtrees) const {
    bool same = tree.first_subtree() == begin_ && tree.end_subtree() == end_ &&
                tree.empty_from() == lowest_empty_ && tree.end_of_feed() == end_of_feed_ &&
                tree.newest_munro() == (newest_ && *newest_ >= begin_ ? newest_ : std::nullopt);
    for (std::uint64_t subtree = 0; subtree < subtrees; ++subtree) {
      same = same && agrees_on_munro(tree, subtree);
      const std::uint64_t first = 2 * subtree * feed_.width();
      for (std::uint64_t number = first; number < first + 2 * feed_.width(); ++number) {
        same = same && agrees_on(tree, Bin{number});
      }
    }
    return same;
  }

 private:
  static bool is_zero(std::span<const std::byte> hash) {
    return std::ranges::count(hash, std::byte{0}) == std::ssize(hash);
  }
  static const ClaimedHash* first_claim(Bin bin, std::span<const ClaimedHash> hashes) {
    const auto is_it = [&](const ClaimedHash& claim) { return claim.bin == bin; };
    const auto found = std::ranges::find_if(hashes, is_it);
    return found == hashes.end() ? nullptr : &*found;
  }

  ChunkIndex first_empty(std::uint64_t subtree) const {
    const auto found = empty_from_.find(subtree);
    return found == empty_from_.end() ? (subtree + 1) * feed_.width() : found->second;
  }

  void keep(std::uint64_t subtree, Bin bin) {
    if (feed_.has_any(bin.chunks())) {
      known_.insert(bin);
    } else if (bin.first_chunk() < first_empty(subtree)) {
      empty_from_[subtree] = bin.first_chunk();
    }
  }

  void forget_before(std::uint64_t begin) {
    begin_ = begin;
    const ChunkIndex chunk = begin * feed_.width();
    std::erase_if(munros_, [&](std::uint64_t subtree) { return subtree < begin; });
    std::erase_if(known_, [&](Bin bin) { return bin.first_chunk() < chunk; });
    std::erase_if(empty_from_, [&](const auto& entry) { return entry.first < begin; });
  }

  void update_end() {
    std::optional<ChunkIndex> lowest;
    for (const auto& [subtree, from] : empty_from_) {
      if (!lowest && subtree >= newest_.value_or(0)) lowest = from;
    }
    if (lowest != lowest_empty_) end_of_feed_.reset();
    lowest_empty_ = lowest;
    if (lowest && (*lowest == 0 || known_.contains(Bin::leaf(*lowest - 1)))) end_of_feed_ = lowest;
  }

  bool agrees_on_munro(const UnifiedMerkleTree& tree, std::uint64_t subtree) const {
    if (tree.has_munro(subtree) != munros_.contains(subtree)) return false;
    if (!munros_.contains(subtree)) return true;
    const SignedMunro munro = tree.munro(subtree);
    const Bin bin = feed_.munro_bin(subtree);
    return munro.bin == bin && munro.ntp_timestamp == LiveFeed::ntp(subtree) &&
           std::ranges::equal(munro.signature, feed_.signature(subtree)) &&
           std::ranges::equal(munro.hash, feed_.node(bin).octets());
  }
  // Also for the nodes above the munros, which are not known.
  bool agrees_on(const UnifiedMerkleTree& tree, Bin bin) const {
    if (tree.is_known(bin) != is_known(bin)) return false;
    return is_known(bin) ? std::ranges::equal(tree.node(bin), feed_.node(bin).octets())
                         : is_zero(tree.node(bin));
  }

  const LiveFeed& feed_;
  std::uint64_t begin_ = 0;
  std::uint64_t end_ = 0;
  std::set<std::uint64_t> munros_;
  std::set<Bin> known_;  // not the empty ones
  std::map<std::uint64_t, ChunkIndex> empty_from_;
  std::optional<std::uint64_t> newest_;
  std::optional<ChunkIndex> lowest_empty_;
  std::optional<ChunkIndex> end_of_feed_;
};

}  // namespace ppspp::test
