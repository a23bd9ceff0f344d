#include "integrity/unified_merkle_tree.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <utility>

#include "base/assert.h"
#include "integrity/merkle_tree.h"

namespace ppspp {
namespace {

// Where the empty leaves behind a chunk begin, by a path that was verified: at the lowest of its
// empty siblings, if nothing but empty leaves lies between the next above and it, as in every tree
// that was made chunk by chunk. `empty_from` is what was known of the subtree before.
std::optional<ChunkIndex> first_empty_behind(ChunkIndex chunk, const HashPath& path,
                                             std::size_t digest_size, ChunkIndex empty_from) {
  for (std::size_t level = path.height; level-- > 0;) {
    const int height = static_cast<int>(level);
    const Bin sibling = Bin::node(height, chunk >> height).sibling();
    if (!is_empty_hash({path.siblings.at(level), digest_size})) continue;
    if (empty_from > sibling.chunks().end) return std::nullopt;
    empty_from = std::min(empty_from, sibling.first_chunk());
  }
  return empty_from;
}

}  // namespace

UnifiedMerkleTree::UnifiedMerkleTree(const Shape& shape)
    : shape_(shape),
      hasher_(shape.hash),
      begin_(shape.first_chunk / shape.chunks_per_signature),
      end_(begin_),
      signatures_(shape.subtrees, shape.signature_size) {
  PPSPP_ASSERT(shape.chunk_size > 0);
  PPSPP_ASSERT(std::has_single_bit(width()));
  PPSPP_ASSERT(width() >= 2 && width() <= kMaxWidth);
  PPSPP_ASSERT(shape.subtrees >= 2);
  PPSPP_ASSERT(shape.first_chunk % width() == 0);
  PPSPP_ASSERT(shape.first_chunk == 0 || keeps_all());
}

Bin UnifiedMerkleTree::munro_bin(std::uint64_t subtree) const {
  return Bin::node(std::countr_zero(width()), subtree);
}

std::uint64_t UnifiedMerkleTree::needed_memory(std::uint64_t subtree) const {
  const std::uint64_t subtrees = subtrees_before(subtree) + 1;
  if (subtrees > kMaxChunks / width()) return std::numeric_limits<std::uint64_t>::max();
  return MerkleTree::memory_size(subtrees * width(), shape_.hash);
}

void UnifiedMerkleTree::set_memory(std::span<std::byte> memory) {
  PPSPP_ASSERT(keeps_all());
  PPSPP_ASSERT(memory.size() >= memory_.size());
  memory_ = memory;
}

void UnifiedMerkleTree::set_munro(std::uint64_t subtree, std::span<const std::byte> hash,
                                  std::uint64_t ntp, std::span<const std::byte> signature) {
  PPSPP_ASSERT(hash.size() == hasher_.size());
  PPSPP_ASSERT(subtree < kMaxChunks / width());
  if (subtree < begin_ || has_munro(subtree)) return;
  signatures_.set(subtree, ntp, signature);
  move_window(std::max(end_, subtree + 1));
  const bool adopted = adopt_filling(subtree, hash);
  if (is_empty_hash(hash)) {
    empties_[subtree] = subtree * width();
  } else {
    if (!adopted) make_nodes(subtree, hash);
    newest_ = std::max(newest_.value_or(subtree), subtree);
    if (keeps_all()) make_parents(subtree);
  }
  update_end();
}

SignedMunro UnifiedMerkleTree::munro(std::uint64_t subtree) const {
  const auto signed_as = signatures_.get(subtree);
  PPSPP_ASSERT(signed_as.has_value());
  const Bin bin = munro_bin(subtree);
  return {bin, node(bin), signed_as->ntp_timestamp, signed_as->signature};
}

std::optional<std::uint64_t> UnifiedMerkleTree::newest_munro() const {
  return newest_ && in_window(*newest_) ? newest_ : std::nullopt;
}

Verdict UnifiedMerkleTree::verify(ChunkIndex chunk, std::span<const std::byte> payload,
                                  std::span<const ClaimedHash> hashes) {
  return verify_leaf(chunk, payload.size(), hashes,
                     [&](std::byte* out) { hasher_.hash(payload, out); });
}

Verdict UnifiedMerkleTree::verify(ChunkIndex chunk, std::span<const std::byte> payload,
                                  const std::byte* leaf_hash, std::span<const ClaimedHash> hashes) {
  return verify_leaf(chunk, payload.size(), hashes,
                     [&](std::byte* out) { std::memcpy(out, leaf_hash, hasher_.size()); });
}

// `leaf_hash` writes the chunk's hash, if it comes to that.
template <typename LeafHash>
Verdict UnifiedMerkleTree::verify_leaf(ChunkIndex chunk, std::size_t size,
                                       std::span<const ClaimedHash> hashes,
                                       const LeafHash& leaf_hash) {
  const std::uint64_t subtree = subtree_of(chunk);
  if (!has_munro(subtree)) return Verdict::missing_hash;
  const Bin leaf = Bin::leaf(chunk);
  const ChunkIndex known_empty = empty_from(subtree);
  if (chunk >= known_empty || size == 0 || size > shape_.chunk_size) {
    return Verdict::wrong;
  }
  HashPath path;
  leaf_hash(path.computed[0].data());
  const Verdict verdict =
      climb(view(subtree), leaf, munro_bin(subtree), hashes, finder_, hasher_, path);
  if (verdict != Verdict::verified) return verdict;
  const auto empty = first_empty_behind(chunk, path, hasher_.size(), known_empty);
  const bool is_last = empty == chunk + 1;
  if (!empty || (size < shape_.chunk_size && !is_last)) return Verdict::wrong;
  if (*empty != known_empty) empties_[subtree] = *empty;
  SubtreeNodes nodes = view(subtree);
  keep(nodes, leaf, hasher_.size(), path);
  update_end();
  return Verdict::verified;
}

void UnifiedMerkleTree::add_chunk(ChunkIndex chunk, std::span<const std::byte> payload) {
  const std::uint64_t subtree = subtree_of(chunk);
  PPSPP_ASSERT(subtree >= begin_ && !has_munro(subtree));
  if (filling_.chunks == 0 || filling_.subtree != subtree) start_filling(subtree);
  PPSPP_ASSERT(!filling_.finished);
  PPSPP_ASSERT(chunk - subtree * width() == filling_.chunks);
  hasher_.hash(payload, &filling_nodes()[2 * filling_.chunks * hasher_.size()]);
  ++filling_.chunks;
}

Digest UnifiedMerkleTree::finish_subtree(std::uint64_t subtree, std::uint64_t chunks) {
  if (chunks == 0) return Digest::zero(hasher_.size());
  PPSPP_ASSERT(filling_.subtree == subtree && filling_.chunks == chunks);
  const std::span<std::byte> nodes = filling_nodes();
  const auto place = [&](Bin bin) { return &nodes[bin.number() * hasher_.size()]; };
  const Bin top = munro_bin(0);
  for (int height = 1; height <= top.height(); ++height) {
    for (Bin node = Bin::node(height, 0); node.first_chunk() < chunks;
         node = Bin::node(height, node.offset() + 1)) {
      hasher_.hash_pair(place(node.left()), place(node.right()), place(node));
    }
  }
  filling_.finished = true;
  return Digest({place(top), hasher_.size()});
}

std::span<const std::byte> UnifiedMerkleTree::node(Bin bin) const {
  if (!is_known(bin)) return empty_hash(hasher_.size());
  return view(subtree_of(bin.first_chunk())).node(bin);
}

bool UnifiedMerkleTree::is_known(Bin bin) const {
  if (bin.height() > munro_bin(0).height()) return false;
  const std::uint64_t subtree = subtree_of(bin.first_chunk());
  return has_munro(subtree) && view(subtree).is_known(bin);
}

std::size_t UnifiedMerkleTree::memory() const {
  constexpr std::size_t kMapNode = 64;
  return signatures_.memory() + filling_.nodes.capacity() + empties_.size() * kMapNode +
         (nodes_.size() + spare_nodes_.size()) * (nodes_size() + kMapNode);
}

std::size_t UnifiedMerkleTree::nodes_size() const {
  return static_cast<std::size_t>(2 * width() - 1) * hasher_.size();
}

// Those that are kept, or would be if they had a munro.
std::uint64_t UnifiedMerkleTree::subtrees_before(std::uint64_t subtree) const {
  return subtree - shape_.first_chunk / width();
}

// Nothing if the memory does not reach as far.
std::span<std::byte> UnifiedMerkleTree::nodes_in_memory(std::uint64_t subtree) const {
  if (needed_memory(subtree) > memory_.size()) return {};
  const std::uint64_t before = subtrees_before(subtree) * 2 * width() * hasher_.size();
  return memory_.subspan(static_cast<std::size_t>(before), nodes_size());
}

std::span<std::byte> UnifiedMerkleTree::filling_nodes() {
  return keeps_all() ? nodes_in_memory(filling_.subtree) : std::span(filling_.nodes);
}

ChunkIndex UnifiedMerkleTree::empty_from(std::uint64_t subtree) const {
  const auto found = empties_.find(subtree);
  return found == empties_.end() ? (subtree + 1) * width() : found->second;
}

auto UnifiedMerkleTree::view(std::uint64_t subtree) const -> SubtreeNodes<const std::byte> {
  std::span<const std::byte> nodes;
  if (keeps_all()) {
    nodes = nodes_in_memory(subtree);
  } else if (const auto found = nodes_.find(subtree); found != nodes_.end()) {
    nodes = found->second;
  }
  return {nodes, 2 * subtree * width(), hasher_.size(), empty_from(subtree)};
}

auto UnifiedMerkleTree::view(std::uint64_t subtree) -> SubtreeNodes<std::byte> {
  std::span<std::byte> nodes;
  if (keeps_all()) {
    nodes = nodes_in_memory(subtree);
  } else if (const auto found = nodes_.find(subtree); found != nodes_.end()) {
    nodes = found->second;
  }
  return {nodes, 2 * subtree * width(), hasher_.size(), empty_from(subtree)};
}

// What is forgotten leaves its place to what comes: in the long run nothing is allocated.
void UnifiedMerkleTree::move_window(std::uint64_t end) {
  end_ = end;
  if (keeps_all() || end <= shape_.subtrees) return;
  begin_ = std::max(begin_, end - shape_.subtrees);
  while (!nodes_.empty() && nodes_.begin()->first < begin_) {
    spare_nodes_.push_back(nodes_.extract(nodes_.begin()));
  }
  while (!empties_.empty() && empties_.begin()->first < begin_) empties_.erase(empties_.begin());
}

void UnifiedMerkleTree::make_nodes(std::uint64_t subtree, std::span<const std::byte> hash) {
  if (keeps_all()) {
    PPSPP_ASSERT(!nodes_in_memory(subtree).empty());
  } else {
    place_for_nodes(subtree).assign(nodes_size(), std::byte{0});
  }
  view(subtree).set(munro_bin(subtree), hash);
}

// Holds whatever it held before.
std::vector<std::byte>& UnifiedMerkleTree::place_for_nodes(std::uint64_t subtree) {
  if (spare_nodes_.empty()) return nodes_[subtree];
  Nodes::node_type spare = std::move(spare_nodes_.back());
  spare_nodes_.pop_back();
  spare.key() = subtree;
  return nodes_.insert(std::move(spare)).position->second;
}

// False: the subtree is not the one that was filled, or its munro is another's.
bool UnifiedMerkleTree::adopt_filling(std::uint64_t subtree, std::span<const std::byte> hash) {
  if (filling_.chunks == 0 || filling_.subtree != subtree) return false;
  const std::size_t munro = munro_bin(0).number() * hasher_.size();
  const auto made = filling_nodes().subspan(munro, hasher_.size());
  if (!filling_.finished || !std::ranges::equal(made, hash)) {
    drop_filling();
    return false;
  }
  if (!keeps_all()) place_for_nodes(subtree).swap(filling_.nodes);
  if (filling_.chunks < width()) empties_[subtree] = subtree * width() + filling_.chunks;
  filling_.chunks = 0;
  return true;
}

void UnifiedMerkleTree::start_filling(std::uint64_t subtree) {
  drop_filling();
  filling_.subtree = subtree;
  filling_.finished = false;
  if (!keeps_all()) filling_.nodes.assign(nodes_size(), std::byte{0});
  PPSPP_ASSERT(!filling_nodes().empty());
}

void UnifiedMerkleTree::drop_filling() {
  if (filling_.chunks != 0) std::ranges::fill(filling_nodes(), std::byte{0});
  filling_.chunks = 0;
}

// The nodes above the munros, as soon as both children are there, in whichever order they come: the
// tree of the content so far is always whole. Their places lie between the subtrees'.
void UnifiedMerkleTree::make_parents(std::uint64_t subtree) {
  const std::size_t size = hasher_.size();
  const std::uint64_t places = memory_.size() / size;
  const auto place = [&](Bin bin) { return &memory_[bin.number() * size]; };
  Bin node = munro_bin(subtrees_before(subtree));
  while (node.sibling().number() < places && !is_empty_hash({place(node.sibling()), size})) {
    const Bin parent = node.parent();
    hasher_.hash_pair(place(parent.left()), place(parent.right()), place(parent));
    node = parent;
  }
}

// The end is where the lowest empty node lies that has no chunks behind it: a source that went on
// after it had stopped leaves others behind. It is exact when the chunk before it is known.
void UnifiedMerkleTree::update_end() {
  const auto lowest = empties_.lower_bound(newest_.value_or(0));
  const auto empty = lowest == empties_.end() ? std::nullopt : std::optional(lowest->second);
  if (empty != empty_from_) end_of_feed_.reset();
  empty_from_ = empty;
  if (!empty || end_of_feed_) return;
  if (*empty == 0 || !is_empty_hash(node(Bin::leaf(*empty - 1)))) end_of_feed_ = empty;
}

void UnifiedMerkleTree::check_invariants() const {
  PPSPP_ASSERT(begin_ <= end_);
  PPSPP_ASSERT(keeps_all() || end_ - begin_ <= shape_.subtrees);
  PPSPP_ASSERT(nodes_.size() + spare_nodes_.size() <= shape_.subtrees);
  for (const auto& [subtree, nodes] : nodes_) {
    PPSPP_ASSERT(in_window(subtree) && has_munro(subtree));
    PPSPP_ASSERT(nodes.size() == nodes_size());
  }
  for (const auto& [subtree, from] : empties_) {
    PPSPP_ASSERT(in_window(subtree) && has_munro(subtree));
    PPSPP_ASSERT(from >= subtree * width() && from < (subtree + 1) * width());
  }
  Hasher hasher(shape_.hash);
  for (std::uint64_t subtree = begin_; subtree < end_; ++subtree) {
    if (has_munro(subtree)) check_subtree(subtree, hasher);
  }
}

// Every known node is the munro, or hangs together with its sibling and its parent.
void UnifiedMerkleTree::check_subtree(std::uint64_t subtree, Hasher& hasher) const {
  const Bin top = munro_bin(subtree);
  PPSPP_ASSERT(is_known(top));
  const std::uint64_t first = 2 * subtree * width();
  for (std::uint64_t number = first; number < first + 2 * width() - 1; ++number) {
    const Bin bin{number};
    if (bin == top || !is_known(bin)) continue;
    PPSPP_ASSERT(is_known(bin.sibling()) && is_known(bin.parent()));
    if (is_empty_hash(node(bin.parent()))) continue;
    const Bin parent = bin.parent();
    const Digest made = hasher.hash_pair(Digest(node(parent.left())), Digest(node(parent.right())));
    PPSPP_ASSERT(std::ranges::equal(made.octets(), node(parent)));
  }
}

}  // namespace ppspp
