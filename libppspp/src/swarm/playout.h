// Where a live swarm is played, and how long what is missing is waited for (RFC 7574, 6.1.2.4).
//
// Time is that of the feed: the timestamps of its signatures, of which only differences count. What
// was signed a second after the chunk that playing began with is due a second after that began; so
// a feed that stalls is waited for, and one chunk that is missing is not. Chunks that were signed
// together (a subtree; with Sign All a single chunk) are due together: a group.
#pragma once

#include <cstdint>
#include <map>
#include <optional>

#include "bins/bin_set.h"
#include "ppspp/chunk_range.h"
#include "ppspp/swarm_types.h"
#include "ppspp/time.h"

namespace ppspp {

class Playout {
 public:
  // What the first chunks are waited for beyond the buffer: nothing was played yet, and the window
  // of who sends them begins with four datagrams, which takes six round trips to become that of a
  // feed. Of later ones it is less by half of what was signed since, so that in the end it is none.
  static constexpr Microseconds kPatienceAtStart = std::chrono::seconds(2);

  explicit Playout(const LiveSettings& settings, Microseconds patience = kPatienceAtStart)
      : settings_(settings), patience_(patience) {}

  // The width of a group, in chunks. Before anything else.
  // `window`: chunks that are kept; of them no more than half lie before the newest at the start.
  void set_width(std::uint64_t width, std::uint64_t window) {
    width_ = width;
    most_groups_back_ = window / 2 / width;
  }
  // A group was signed, and is known to be genuine.
  void on_signed(std::uint64_t group, std::uint64_t ntp, Now now);
  // There is nothing from this chunk on; or it goes on after all.
  void set_end(std::optional<ChunkIndex> end, Now now) { end_ = end, end_told_at_ = now.monotonic; }

  // Begins to play once enough is known, or waited for: a bit more than one munro, since their
  // distance tells how much content the buffer is. `offered`: the chunks that peers have. True: now
  // it does.
  bool begin(const BinSet& offered, Now now);
  // A munro that is much newer than what is played: we were tuned in to the past, by a peer that
  // knew no better or replays it, or our host has slept. True: playing goes on at playhead().
  bool begin_again(const BinSet& offered, Now now);

  bool playing() const { return playing_; }
  // What comes before it is here, or was given up.
  ChunkIndex playhead() const { return playhead_; }
  void advance(const BinSet& verified);
  void skip_to(ChunkIndex chunk);
  bool at_end() const { return playing_ && end_ && playhead_ >= *end_; }
  std::optional<ChunkIndex> end() const { return end_; }

  // The chunks at the playhead whose time is over, and takes the playhead behind them; empty: none.
  ChunkRange give_up(const BinSet& verified, Now now);
  // When the chunk at the playhead will be given up; kNever: not before more of the feed is known.
  TimePoint due_at() const { return due_at(playhead_ / width_); }
  // One past the last chunk that is due before `time`.
  ChunkIndex due_before(TimePoint time) const;
  // When begin() is worth a call; kNever: after an input.
  TimePoint begins_at() const;

  std::optional<std::uint64_t> newest_group() const;
  std::optional<std::uint64_t> newest_ntp() const;
  // When we learnt of a group; nothing: we have not, or it lies behind.
  std::optional<TimePoint> seen_at(std::uint64_t group) const;
  const std::optional<Microseconds>& group_duration() const { return duration_; }

 private:
  struct Signed {
    std::uint64_t ntp;
    TimePoint seen_at;
  };

  TimePoint due_at(std::uint64_t group) const;
  std::optional<ChunkIndex> starting_chunk(const BinSet& offered) const;
  void start(ChunkIndex chunk, Now now);
  void anchor(std::uint64_t ntp, Now now);
  void forget_before_playhead();

  LiveSettings settings_;
  Microseconds patience_;
  std::uint64_t width_ = 1;
  std::uint64_t most_groups_back_ = 0;
  std::map<std::uint64_t, Signed> signed_;  // from the playhead's group on
  std::optional<TimePoint> first_seen_at_;
  std::optional<Microseconds> duration_;  // of a group
  std::optional<ChunkIndex> end_;
  TimePoint end_told_at_;

  bool playing_ = false;
  ChunkIndex playhead_ = 0;
  // What was signed at began_ntp_ was due at began_at_, but for the slack. Where nothing tells
  // when the group was signed that playing begins with, its munro is waited for until anchor_by_.
  bool anchored_ = false;
  TimePoint anchor_by_;
  TimePoint began_at_;
  std::uint64_t began_ntp_ = 0;
  Microseconds slack_{0};  // of every group: what was lacking of the buffer, at least a half of it
};

}  // namespace ppspp
