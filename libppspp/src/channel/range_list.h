// A short sorted list of chunk ranges that neither touch nor overlap, with a bound: what is due on
// a channel (ACK, HAVE, CANCEL).
#pragma once

#include <cstddef>
#include <vector>

#include "ppspp/chunk_range.h"

namespace ppspp {

class RangeList {
 public:
  explicit RangeList(std::size_t max_size) : max_size_(max_size) {}

  // Adds the range, merging it with its neighbours. False, and nothing added, if that would make
  // more than max_size ranges.
  bool add(ChunkRange range);
  void remove(ChunkRange range);  // may split; what would go beyond max_size is dropped

  bool empty() const { return ranges_.empty(); }
  std::size_t size() const { return ranges_.size(); }
  ChunkRange front() const { return ranges_.front(); }
  void pop_front() { ranges_.erase(ranges_.begin()); }
  void clear() { ranges_.clear(); }
  void release() {  // what it has room for and does not need
    if (ranges_.empty()) std::vector<ChunkRange>().swap(ranges_);
  }
  const std::vector<ChunkRange>& ranges() const { return ranges_; }

 private:
  std::size_t max_size_;
  std::vector<ChunkRange> ranges_;
};

}  // namespace ppspp
