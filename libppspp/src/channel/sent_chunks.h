// What a channel has in flight: which chunks left in which datagram and when, so that an ACK, which
// names an interval of chunks (RFC 7574, 8.7), can be turned into acknowledged octets, a round-trip
// time and lost datagrams.
//
// Datagrams stand in the order of sending, and an index of chunk runs in the order of chunks; both
// are flat and empty from the front, which is what happens when chunks are sent in order. Work per
// ACK is in proportion to what it newly acknowledges. Bounded: kMaxDatagrams in flight.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "ppspp/chunk_range.h"
#include "ppspp/time.h"

namespace ppspp {

class SentChunks {
 public:
  static constexpr std::size_t kMaxDatagrams = 16'384;

  struct Datagram {
    TimePoint sent_at;
    std::uint32_t bytes = 0;
    std::uint32_t outstanding = 0;  // chunks of it that are neither acknowledged nor given up
    bool resent = false;            // holds a chunk that was sent before: no RTT sample (Karn)
    bool probe = false;             // a path probe (8.1)
    bool app_limited = false;       // nothing more was to be sent behind it
  };

  bool full() const { return datagrams_.size() - head_ >= kMaxDatagrams; }

  // Opens the record of the datagram that is being filled. Returns its number.
  std::uint64_t begin_datagram(TimePoint now);
  void add_chunk(ChunkIndex chunk, bool resent);  // to the datagram begun last
  void finish_datagram(std::uint32_t bytes, bool probe, bool app_limited);
  // Forgets the datagram begun last, which was not sent after all. Calls `chunk(index)` for each.
  std::vector<ChunkRange> abandon_datagram();

  struct Acked {
    std::size_t bytes = 0;  // newly acknowledged, whole datagrams
    std::uint64_t chunks = 0;
    std::optional<Microseconds> rtt;  // of the newest datagram that was acknowledged
    std::size_t largest = 0;          // octets of the largest datagram acknowledged
    bool probe = false;               // a probe is among them
    bool app_limited = false;
  };
  // What was sent again so lately that the answer cannot be here yet (`least_rtt`) is acknowledged
  // by an ACK of what was taken for lost: that says nothing of what has left since then.
  Acked on_ack(ChunkRange range, TimePoint now, Microseconds least_rtt = Microseconds(0));

  struct Lost {
    std::size_t bytes = 0;
    TimePoint newest_sent_at;
    bool only_probes = true;
    std::size_t largest = 0;         // octets of the largest datagram that was no probe
    std::size_t probe = 0;           // octets of the largest probe
    std::vector<ChunkRange> chunks;  // to be sent again, in order of sending
  };
  // Gives up datagrams with `reordering` later ones acknowledged, or sent `delay` before the newest
  // that was (RFC 9002, 6.1). Probes are given up likewise, but say nothing about congestion.
  Lost detect_losses(int reordering, Microseconds delay, TimePoint now);
  // When the oldest datagram will count as lost by its age; kNever if none can be.
  TimePoint loss_time(Microseconds delay) const;
  // Gives up the oldest `count` datagrams (a probe timeout), or all.
  Lost take_oldest(std::size_t count);

  // Takes the chunks out without a word (CANCEL, HAVE). Returns the octets that left the flight.
  std::size_t discard(ChunkRange range);

  bool empty() const { return index_head_ == index_.size(); }
  // Whether any chunk of the range is in flight and likely to arrive: not in a probe.
  bool will_arrive(ChunkRange range) const;
  // As will_arrive(), but without the datagram begun last and the one before it.
  bool will_arrive_before_last(ChunkRange range) const;
  // Whether any chunk of the range is in the datagram begun last.
  bool is_in_last(ChunkRange range) const;
  // Parts of `range` that are not in flight, appended to `out`.
  void subtract_from(ChunkRange range, std::vector<ChunkRange>& out) const;
  TimePoint oldest_sent_at() const;  // not if empty
  TimePoint newest_sent_at() const;  // not if empty
  std::size_t memory() const;
  void release();  // gives back its room, if nothing is in flight

 private:
  struct Run {
    ChunkIndex begin;
    ChunkIndex end;
    std::uint64_t datagram;
  };

  Datagram& record(std::uint64_t number) {
    return datagrams_[static_cast<std::size_t>(number - first_number_) + head_];
  }
  const Datagram& record(std::uint64_t number) const {
    return datagrams_[static_cast<std::size_t>(number - first_number_) + head_];
  }
  std::uint64_t next_number() const { return first_number_ + (datagrams_.size() - head_); }
  std::size_t lower_bound(ChunkIndex chunk) const;  // of the first run that ends behind `chunk`
  void drop_finished_front();
  template <typename Counts>
  bool any_run(ChunkRange range, const Counts& counts) const;
  template <typename OnRun>
  void cut(ChunkRange range, const OnRun& on_run);
  void give_up(std::uint64_t number, Lost& lost);
  void collect_runs(const std::vector<std::uint64_t>& numbers, Lost& lost);

  std::vector<Datagram> datagrams_;  // from head_ on
  std::size_t head_ = 0;
  std::uint64_t first_number_ = 0;  // of datagrams_[head_]
  std::vector<Run> index_;          // from index_head_ on, sorted, disjoint
  std::size_t index_head_ = 0;
  std::optional<std::uint64_t> largest_acked_;  // number of the newest acknowledged datagram
  TimePoint largest_acked_sent_at_;
};

}  // namespace ppspp
