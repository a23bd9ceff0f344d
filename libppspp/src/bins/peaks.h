// Peaks: the nodes that cover exactly the chunks of a content of n chunks (RFC 7574, 5.6.1).
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "bins/bin.h"

namespace ppspp {

// At most 64 nodes, from the left (descending size); no allocation.
class BinList {
 public:
  BinList() {}  // NOLINT(modernize-use-equals-default): what is not there is not written
  BinList(const BinList& other) : size_(other.size_) {
    std::copy_n(other.begin(), size_, begin_of());
  }
  BinList& operator=(const BinList& other) {
    size_ = other.size_;
    std::copy_n(other.begin(), size_, begin_of());
    return *this;
  }
  ~BinList() = default;
  void push_back(Bin bin);  // the 65th is an assertion
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  Bin operator[](std::size_t i) const { return bins_[i]; }
  const Bin* begin() const { return bins_.data(); }
  const Bin* end() const { return bins_.data() + size_; }
  friend bool operator==(const BinList& a, const BinList& b);

 private:
  Bin* begin_of() { return bins_.data(); }

  union {
    std::array<Bin, 64> bins_;
  };
  std::size_t size_ = 0;
};

// The peaks of a content of at most 2^63 chunks: one for each one-bit, from the left (5.6.1).
BinList peaks(std::uint64_t chunk_count);

// The peak that covers `chunk`. chunk < chunk_count.
Bin peak_of(ChunkIndex chunk, std::uint64_t chunk_count);

// The number of chunks that these peaks stand for, or 0 if they are not the peaks of any content:
// wrong order, a gap, a size twice.
std::uint64_t chunk_count_of(std::span<const Bin> peaks);

}  // namespace ppspp
