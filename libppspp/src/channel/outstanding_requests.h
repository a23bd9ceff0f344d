// What we have asked of a peer and not got yet. Knows when a chunk is overdue: peers answer in the
// order of the REQUESTs (RFC 7574, 3.7 #152), so a chunk is late once later ones have come.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/short_queue.h"
#include "ppspp/chunk_range.h"
#include "ppspp/time.h"

namespace ppspp {

class OutstandingRequests {
 public:
  static constexpr std::size_t kMaxEntries = 4'096;

  bool full() const { return entries_.size() >= kMaxEntries; }
  void add(ChunkRange range, TimePoint now);
  // A chunk that came and was of no use: overdue once its peer has had time to send it again.
  void add_passed(ChunkIndex chunk, TimePoint now);
  // A chunk has come. True if it was outstanding.
  bool on_received(ChunkIndex chunk, TimePoint now);
  // Takes the chunks out (cancelled, or here from another peer). Returns how many there were.
  std::uint64_t remove(ChunkRange range);
  bool contains(ChunkIndex chunk) const;
  std::vector<ChunkRange> take_all();
  // Takes out the `chunks` that were asked for last; the newest come first.
  std::vector<ChunkRange> take_newest(std::uint64_t chunks);

  // Takes out the chunks that were passed by later ones more than `patience` ago.
  std::vector<ChunkRange> take_overdue(Microseconds patience, TimePoint now);
  // When the first chunk will be overdue.
  TimePoint overdue_at(Microseconds patience) const;

  bool empty() const { return entries_.empty(); }
  void release() { entries_.release(); }  // gives back its room, if it is empty
  std::uint64_t chunks() const { return chunks_; }
  std::optional<TimePoint> oldest_request() const;
  // The oldest run that is still outstanding; empty if there is none.
  ChunkRange front() const { return entries_.empty() ? ChunkRange{} : entries_.front().range; }
  ChunkRange back() const { return entries_.empty() ? ChunkRange{} : entries_.back().range; }
  // What is outstanding of `range` in the first of the `entries_max` oldest runs that has some.
  ChunkRange first_within(ChunkRange range, std::size_t entries_max) const;
  // What is outstanding of `range`, but for the oldest `soon` chunks of all that no later one has
  // passed.
  std::vector<ChunkRange> later_within(ChunkRange range, std::uint64_t soon) const;
  template <typename F>
  void for_each(const F& f) const {
    for (const Entry& entry : entries_) f(entry.range);
  }

 private:
  struct Entry {
    ChunkRange range;
    TimePoint requested_at;
    TimePoint passed_at = kNever;  // when a later chunk came first
  };
  bool is_next(ChunkIndex chunk) const;
  void split_out(std::size_t i, ChunkIndex chunk, TimePoint now);
  void mark_passed(std::size_t end, TimePoint now);

  ShortQueue<Entry> entries_;
  std::size_t hint_ = 0;
  std::size_t passed_ = 0;  // entries before this one are marked
  std::uint64_t chunks_ = 0;
};

}  // namespace ppspp
