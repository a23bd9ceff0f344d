// The signatures of a live feed whose chunks are signed one by one (Sign All, RFC 7574, 6.1.1):
// kept for the window, since whoever hands a chunk on hands on its signature. (And those of the
// munros, by the numbers of their subtrees.)
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "ppspp/chunk_range.h"

namespace ppspp {

struct ChunkSignature {
  std::uint64_t ntp_timestamp = 0;
  std::span<const std::byte> signature;  // a view, until the window changes
};

class ChunkSignatures {
 public:
  // Of the newest `window` chunks, at least 1; memory grows with what was set, not with `window`,
  // up to it. kAll: none is forgotten.
  ChunkSignatures(std::uint64_t window, std::size_t signature_size);
  static constexpr std::uint64_t kAll = ~std::uint64_t{0};

  // Of a chunk that was verified, or signed by us. Beyond the window it moves the window forward;
  // before it: nothing is done. One that is set stays as it is. `signature` has the size that the
  // constructor was told.
  void set(ChunkIndex chunk, std::uint64_t ntp, std::span<const std::byte> signature);
  std::optional<ChunkSignature> get(ChunkIndex chunk) const;
  bool contains(ChunkIndex chunk) const;
  std::optional<ChunkIndex> newest() const;
  std::size_t memory() const;  // octets that it holds

 private:
  // Signatures come in order, so that they fill whole pages; a gap costs none.
  static constexpr std::uint64_t kPageChunks = 64;
  struct Page {
    std::uint64_t set = 0;  // a bit for each chunk
    std::array<std::uint64_t, kPageChunks> ntp_timestamps = {};
    std::vector<std::byte> signatures;
  };
  using Pages = std::map<std::uint64_t, Page>;  // by chunk / kPageChunks

  const Page* page_with(ChunkIndex chunk) const;
  Page& make_page(std::uint64_t number);
  void forget_before(ChunkIndex begin);

  std::uint64_t window_;
  std::size_t signature_size_;
  ChunkIndex begin_ = 0;
  ChunkIndex end_ = 0;  // one past the newest; 0: none is set
  Pages pages_;
  Pages::node_type spare_;  // the page that was forgotten last: in the long run none is allocated
};

}  // namespace ppspp
