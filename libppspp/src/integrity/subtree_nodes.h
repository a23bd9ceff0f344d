// A view of the nodes of one subtree of a live feed, as climb() and keep() use a tree.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "bins/bin.h"
#include "integrity/hash_path.h"
#include "ppspp/chunk_range.h"
#include "ppspp/hash_function.h"

namespace ppspp {

// The hash of empty leaves (5.1).
inline std::span<const std::byte> empty_hash(std::size_t size) {
  static constexpr std::array<std::byte, kMaxDigestSize> kZeros = {};
  return std::span(kZeros).first(size);
}

// The nodes stand in the order of their numbers, from the subtree's first leaf to its last; all
// zeros: unknown. From chunk `empty_from` on everything is empty. `Octet` is const where they are
// only read.
template <typename Octet>
class SubtreeNodes {
 public:
  SubtreeNodes(std::span<Octet> nodes, std::uint64_t first_number, std::size_t digest_size,
               ChunkIndex empty_from)
      : nodes_(nodes),
        first_number_(first_number),
        digest_size_(digest_size),
        empty_from_(empty_from) {}

  bool is_empty(Bin bin) const { return bin.first_chunk() >= empty_from_; }
  bool is_known(Bin bin) const { return is_empty(bin) || !is_empty_hash(place(bin)); }
  std::span<const std::byte> node(Bin bin) const {
    if (is_empty(bin)) return empty_hash(digest_size_);
    return place(bin);
  }
  void set(Bin bin, std::span<const std::byte> hash) const {
    std::memcpy(place(bin).data(), hash.data(), digest_size_);
  }
  // Nothing is empty that has chunks to its right.
  static bool may_be_empty(Bin sibling) { return !sibling.is_left(); }

 private:
  std::span<Octet> place(Bin bin) const {
    return nodes_.subspan((bin.number() - first_number_) * digest_size_, digest_size_);
  }

  std::span<Octet> nodes_;
  std::uint64_t first_number_;
  std::size_t digest_size_;
  ChunkIndex empty_from_;
};

}  // namespace ppspp
