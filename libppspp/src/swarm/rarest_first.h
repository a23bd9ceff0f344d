// Rarest first (RFC 7574, 9.1): which group of chunks to ask a peer for, kept up to date as HAVEs
// arrive, so that neither a HAVE nor a choice costs more when there are more peers or chunks.
//
// A group is a node of the hash tree: some 16 KiB of content, more where there would be more than
// kMaxGroups. For each it is counted how many peers have a part of it; peers that have everything
// count for no group. Groups of which something can still be asked for stand in one bitmap per
// level of rarity, and of those that are equally rare the ones that were begun come before the
// others. A choice looks for the first bit that the level and the peer have in common, from a
// random place on.
//
// About 0.5 MiB at most, and 8 KiB for each peer that has a part only.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "bins/bin_set.h"
#include "ppspp/chunk_range.h"
#include "ppspp/random_source.h"

namespace ppspp {

class RarestFirst {
 public:
  static constexpr std::size_t kMaxGroups = std::size_t{1} << 16;
  using Seat = std::uint32_t;  // of a peer; small numbers, used again

  // What a choice is about.
  struct Question {
    Seat seat;
    const BinSet& peer_has;
    const BinSet& verified;
    const BinSet& requested;  // asked of anybody
    std::uint64_t max_chunks;
  };

  // The number of chunks is known.
  void start(std::uint64_t chunk_count, std::uint32_t chunk_size, const BinSet& verified,
             const BinSet& requested, RandomSource& random);
  bool started() const { return groups_ != 0; }
  std::uint64_t group_chunks() const { return std::uint64_t{1} << shift_; }
  std::size_t groups() const { return groups_; }
  // The groups that the run touches; those that lie in it, the last one even if it is short.
  ChunkRange groups_around(ChunkRange run) const;
  ChunkRange whole_groups(ChunkRange run) const;

  void add_peer(Seat seat);
  void remove_peer(Seat seat);
  // It has these as well; `complete`: and with them everything.
  void on_have(Seat seat, ChunkRange range, bool complete);
  // The chunks were asked for or verified; `again`: given back or lost.
  void on_changed(ChunkRange range, bool again, const BinSet& verified, const BinSet& requested);
  std::size_t partial_peers() const { return partial_peers_; }
  bool anything_open() const { return open_ != 0; }

  // A run within one group. Among peers that all have everything it is the order of the content,
  // from a random group on, and runs are as long as asked for. Empty: the peer has nothing that
  // there is to be asked for, or nothing was found at a bounded effort.
  ChunkRange pick(const Question& question, RandomSource& random);

  std::size_t peers_with(std::size_t group) const { return peers_[group]; }
  // The same of the group that the chunk is in.
  std::size_t peers_with_part(ChunkIndex chunk) const { return peers_[chunk >> shift_]; }
  std::size_t memory() const;
  void check_invariants(const BinSet& verified, const BinSet& requested) const;

 private:
  using Words = std::vector<std::uint64_t>;
  using Level = std::uint8_t;
  // Two for each rarity: groups that were begun, before those that were not.
  static constexpr std::size_t kLevels = 30;
  static constexpr Level kClosed = 0xff;  // nothing of it can be asked for
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};

  struct Peer {
    bool present = false;
    bool complete = false;
    std::uint32_t at_work = kNone;  // the group that it was asked for last
    std::uint64_t fruitless = 0;    // there was nothing to ask of it, and there is only if
                                    // openings_ differs
    Words groups;                   // of which it has a part; unless complete
  };

  static Level level_of(std::size_t peers, bool begun);
  ChunkRange chunks_of(std::size_t group) const;
  Level right_level(std::size_t group, const BinSet& verified, const BinSet& requested) const;
  std::uint64_t& level_word(std::size_t level, std::size_t group) {
    return levels_[level * words_ + group / 64];
  }
  void set_level(std::size_t group, Level level);
  void count_more(std::size_t group, int difference);
  void forget_groups(Peer& peer);
  bool peer_has_group(const Peer& peer, std::size_t group) const;
  std::size_t next_candidate(Level level, const Peer& peer, std::size_t from,
                             std::size_t end) const;
  ChunkRange run_in(std::size_t group, const Question& question) const;
  ChunkRange pick_in_level(Level level, std::size_t start, int& looks, Peer& peer,
                           const Question& question) const;
  ChunkRange pick_in_order(const Question& question);

  std::uint64_t chunk_count_ = 0;
  std::size_t groups_ = 0;
  unsigned shift_ = 0;                // of the chunk number to that of its group
  std::vector<std::uint16_t> peers_;  // for each group: those that have a part of it
  std::vector<Level> level_;
  std::size_t words_ = 0;  // of a bitmap of groups
  Words levels_;           // a bitmap for each level
  std::array<std::size_t, kLevels> in_level_{};
  std::size_t open_ = 0;
  std::uint64_t openings_ = 1;  // how often something could be asked for again
  std::vector<Peer> seats_;
  std::size_t partial_peers_ = 0;  // that do not have everything, but something
  ChunkIndex cursor_ = 0;          // where the order of the content goes on
};

}  // namespace ppspp
