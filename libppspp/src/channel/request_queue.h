// What a peer has asked for and not got yet, in the order in which it asked (RFC 7574, 3.7 #152).
// Chunks that were lost on the way to it come first, then those that we push.
#pragma once

#include <cstddef>
#include <optional>
#include <span>

#include "base/short_queue.h"
#include "bins/bin_set.h"
#include "ppspp/chunk_range.h"

namespace ppspp {

class RequestQueue {
 public:
  static constexpr std::size_t kMaxRanges = 2'048;  // beyond: REQUESTs are ignored (3.7 #151)

  // Appends what is not queued already. False if a part was refused for want of room.
  bool add(ChunkRange range);
  // Lost chunks, to be sent before all others. False: no room for them, the peer will ask again.
  bool add_lost(ChunkRange range);
  // Chunks that it did not ask for, before all that it did: what is fresh goes on from there.
  void add_pushed(ChunkRange range);
  void remove(ChunkRange range);
  void clear();
  void release();  // gives back the room of what is empty

  // Puts what was asked for and is in `spread` behind all else, until the next chunk is one that is
  // not. Looks at a bounded number of runs.
  void defer(const BinSet& spread);
  void undefer();  // what was put behind goes first again, as it was asked for before the rest
  // Whether anything but what was deferred is queued.
  bool has_fresh() const { return !lost_.empty() || !pushed_.empty() || !asked_.empty(); }

  bool empty() const { return !has_fresh() && deferred_.empty(); }
  // The next chunk to send, and whether it was sent before.
  struct Next {
    ChunkIndex chunk;
    bool resent;
  };
  std::optional<Next> next() const;
  void pop();  // the chunk of next()
  // Puts chunks that were popped and not sent back to the front, in their order.
  void unpop(std::span<const ChunkRange> ranges);

  // The run that begins with next(): what a read ahead should fetch.
  ChunkRange next_run() const;
  std::uint64_t chunks() const { return chunks_; }
  std::uint64_t pushed_chunks() const;
  bool has_pushed(ChunkIndex chunk) const;
  // Whether any chunk of the range waits to be sent again.
  bool has_lost(ChunkRange range) const;

 private:
  using Ranges = ShortQueue<ChunkRange>;
  void remove_from(Ranges& ranges, ChunkRange range);
  void take_front(Ranges& ranges);
  template <typename Self>
  static auto& front_of(Self& self) {
    if (!self.lost_.empty()) return self.lost_;
    if (!self.pushed_.empty()) return self.pushed_;
    return !self.asked_.empty() ? self.asked_ : self.deferred_;
  }
  Ranges& front_ranges() { return front_of(*this); }
  const Ranges& front_ranges() const { return front_of(*this); }

  Ranges lost_;
  Ranges pushed_;
  Ranges asked_;
  Ranges deferred_;
  std::uint64_t chunks_ = 0;
};

}  // namespace ppspp
