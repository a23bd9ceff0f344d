#include "swarm/rarest_first.h"

#include <algorithm>
#include <bit>

#include "base/assert.h"

namespace ppspp {
namespace {

constexpr std::uint64_t kGroupBytes = 16 << 10;
// Groups in which a peer has a part, and something can be asked for, but not of that part.
constexpr int kLooks = 64;

std::uint64_t bit_of(std::size_t group) {
  return std::uint64_t{1} << group % 64;
}

// Chunks [begin, end) of word `index` that are in neither set.
std::uint64_t free_in_word(std::uint64_t index, ChunkRange range, const BinSet& a,
                           const BinSet& b) {
  std::uint64_t mask = ~std::uint64_t{0};
  if (range.begin > index * 64) mask &= ~std::uint64_t{0} << range.begin % 64;
  if (range.end < (index + 1) * 64) mask &= ~(~std::uint64_t{0} << range.end % 64);
  return mask & ~a.word(index) & ~b.word(index);
}

}  // namespace

void RarestFirst::start(std::uint64_t chunk_count, std::uint32_t chunk_size, const BinSet& verified,
                        const BinSet& requested, RandomSource& random) {
  PPSPP_ASSERT(chunk_count != 0 && !started());
  chunk_count_ = chunk_count;
  while ((std::uint64_t{chunk_size} << shift_) < kGroupBytes) ++shift_;
  while ((chunk_count - 1) >> shift_ >= kMaxGroups) ++shift_;
  groups_ = static_cast<std::size_t>((chunk_count - 1) >> shift_) + 1;
  peers_.assign(groups_, 0);
  level_.assign(groups_, kClosed);
  words_ = (groups_ + 63) / 64;
  levels_.assign(kLevels * words_, 0);
  on_changed({0, chunk_count}, true, verified, requested);
  cursor_ = random.below(groups_) << shift_;
}

// Exact for few peers, coarser for many.
RarestFirst::Level RarestFirst::level_of(std::size_t peers, bool begun) {
  constexpr std::array<std::size_t, 14> kUpTo = {0, 1, 2, 3, 4, 5, 6, 8, 11, 15, 23, 39, 71, 127};
  const auto found = std::ranges::lower_bound(kUpTo, peers);
  return static_cast<Level>(2 * (found - kUpTo.begin()) + (begun ? 0 : 1));
}

ChunkRange RarestFirst::chunks_of(std::size_t group) const {
  const ChunkIndex begin = std::uint64_t{group} << shift_;
  return {begin, std::min(begin + group_chunks(), chunk_count_)};
}

ChunkRange RarestFirst::groups_around(ChunkRange run) const {
  return {run.begin >> shift_ << shift_,
          std::min((((run.end - 1) >> shift_) + 1) << shift_, chunk_count_)};
}

ChunkRange RarestFirst::whole_groups(ChunkRange run) const {
  const ChunkRange whole{(run.begin + group_chunks() - 1) >> shift_ << shift_,
                         run.end == chunk_count_ ? run.end : run.end >> shift_ << shift_};
  return whole.empty() ? ChunkRange{run.begin, run.begin} : whole;
}

RarestFirst::Level RarestFirst::right_level(std::size_t group, const BinSet& verified,
                                            const BinSet& requested) const {
  const ChunkRange chunks = chunks_of(group);
  if (!verified.intersects(chunks) && !requested.intersects(chunks)) {
    return level_of(peers_[group], false);
  }
  if (verified.contains(chunks)) return kClosed;
  bool begun = false;
  bool open = false;
  for (std::uint64_t index = chunks.begin / 64; index * 64 < chunks.end; ++index) {
    const std::uint64_t free = free_in_word(index, chunks, verified, requested);
    static const BinSet kNothing;
    open |= free != 0;
    begun |= free != free_in_word(index, chunks, kNothing, kNothing);
    if (open && begun) break;
  }
  return open ? level_of(peers_[group], begun) : kClosed;
}

void RarestFirst::set_level(std::size_t group, Level level) {
  const Level before = level_[group];
  if (before == level) return;
  if (before != kClosed) {
    level_word(before, group) &= ~bit_of(group);
    --in_level_[before];
    --open_;
  }
  if (level != kClosed) {
    level_word(level, group) |= bit_of(group);
    ++in_level_[level];
    ++open_;
  }
  level_[group] = level;
}

void RarestFirst::count_more(std::size_t group, int difference) {
  peers_[group] = static_cast<std::uint16_t>(peers_[group] + difference);
  const Level level = level_[group];
  if (level != kClosed) set_level(group, level_of(peers_[group], level % 2 == 0));
}

void RarestFirst::add_peer(Seat seat) {
  if (seat >= seats_.size()) seats_.resize(seat + std::size_t{1});
  PPSPP_ASSERT(!seats_[seat].present);
  seats_[seat] = {};
  seats_[seat].present = true;
}

void RarestFirst::remove_peer(Seat seat) {
  Peer& peer = seats_[seat];
  forget_groups(peer);
  peer = {};
}

// Work in proportion to what it had announced.
void RarestFirst::forget_groups(Peer& peer) {
  if (peer.groups.empty()) return;
  --partial_peers_;
  for (std::size_t index = 0; index < peer.groups.size(); ++index) {
    for (std::uint64_t word = peer.groups[index]; word != 0; word &= word - 1) {
      count_more(index * 64 + static_cast<unsigned>(std::countr_zero(word)), -1);
    }
  }
  peer.groups = {};
}

void RarestFirst::on_have(Seat seat, ChunkRange range, bool complete) {
  Peer& peer = seats_[seat];
  range = intersection(range, {0, chunk_count_});
  if (!started() || peer.complete || range.empty()) return;
  peer.fruitless = 0;
  if (complete) {
    forget_groups(peer);
    peer.complete = true;
    return;
  }
  if (peer.groups.empty()) {
    peer.groups.assign(words_, 0);
    ++partial_peers_;
  }
  const ChunkRange groups{range.begin >> shift_, ((range.end - 1) >> shift_) + 1};
  static const BinSet kNothing;
  for (std::uint64_t index = groups.begin / 64; index * 64 < groups.end; ++index) {
    const std::uint64_t fresh =
        free_in_word(index, groups, kNothing, kNothing) & ~peer.groups[index];
    peer.groups[index] |= fresh;
    for (std::uint64_t word = fresh; word != 0; word &= word - 1) {
      count_more(index * 64 + static_cast<unsigned>(std::countr_zero(word)), 1);
    }
  }
}

void RarestFirst::on_changed(ChunkRange range, bool again, const BinSet& verified,
                             const BinSet& requested) {
  range = intersection(range, {0, chunk_count_});
  if (!started() || range.empty()) return;
  if (again) ++openings_;
  for (std::size_t group = range.begin >> shift_; group <= (range.end - 1) >> shift_; ++group) {
    set_level(group, right_level(group, verified, requested));
  }
}

bool RarestFirst::peer_has_group(const Peer& peer, std::size_t group) const {
  return peer.complete || (!peer.groups.empty() && (peer.groups[group / 64] & bit_of(group)) != 0);
}

// The first group in [from, end) that is in the level and of which the peer has a part; or `end`.
std::size_t RarestFirst::next_candidate(Level level, const Peer& peer, std::size_t from,
                                        std::size_t end) const {
  for (std::size_t index = from / 64; index * 64 < end; ++index) {
    std::uint64_t word = levels_[level * words_ + index];
    if (!peer.complete) word &= peer.groups[index];
    if (index == from / 64) word &= ~std::uint64_t{0} << from % 64;
    if (word == 0) continue;
    return std::min(end, index * 64 + static_cast<unsigned>(std::countr_zero(word)));
  }
  return end;
}

ChunkRange RarestFirst::run_in(std::size_t group, const Question& q) const {
  return first_run_in_but_not_in(q.peer_has, q.verified, q.requested, chunks_of(group),
                                 q.max_chunks);
}

ChunkRange RarestFirst::pick_in_level(Level level, std::size_t start, int& looks, Peer& peer,
                                      const Question& q) const {
  const std::array<std::array<std::size_t, 2>, 2> parts = {{{start, groups_}, {0, start}}};
  for (const auto& [begin, end] : parts) {
    for (std::size_t group = begin; (group = next_candidate(level, peer, group, end)) < end;
         ++group) {
      if (looks-- == 0) return {};
      const ChunkRange run = run_in(group, q);
      if (run.empty()) continue;
      peer.at_work = static_cast<std::uint32_t>(group);
      return run;
    }
  }
  return {};
}

// From the cursor to the end, and then from the beginning.
ChunkRange RarestFirst::pick_in_order(const Question& q) {
  ChunkRange run = first_run_in_but_not_in(q.peer_has, q.verified, q.requested,
                                           {cursor_, chunk_count_}, q.max_chunks);
  if (run.empty()) {
    run = first_run_in_but_not_in(q.peer_has, q.verified, q.requested, {0, cursor_}, q.max_chunks);
  }
  return run;
}

ChunkRange RarestFirst::pick(const Question& q, RandomSource& random) {
  if (open_ == 0 || q.seat >= seats_.size()) return {};
  Peer& peer = seats_[q.seat];
  if (!peer.complete && peer.groups.empty()) return {};
  if (peer.fruitless == openings_) return {};
  if (partial_peers_ == 0) return pick_in_order(q);
  // One peer for a group, as long as it goes: one proof, and REQUESTs that join.
  if (peer.at_work != kNone && level_[peer.at_work] != kClosed) {
    if (const ChunkRange run = run_in(peer.at_work, q); !run.empty()) return run;
  }
  int looks = kLooks;
  const auto start = static_cast<std::size_t>(random.below(groups_));
  for (std::size_t level = 0; level < kLevels; ++level) {
    if (in_level_[level] == 0) continue;
    const ChunkRange run = pick_in_level(static_cast<Level>(level), start, looks, peer, q);
    if (!run.empty() || looks < 0) return run;
  }
  peer.fruitless = openings_;
  return {};
}

std::size_t RarestFirst::memory() const {
  std::size_t octets = peers_.capacity() * sizeof(peers_[0]) + level_.capacity() * sizeof(Level);
  octets += levels_.capacity() * sizeof(levels_[0]);
  for (const Peer& peer : seats_) octets += sizeof(peer) + peer.groups.capacity() * 8;
  return octets;
}

void RarestFirst::check_invariants(const BinSet& verified, const BinSet& requested) const {
  std::size_t open = 0;
  for (std::size_t group = 0; group < groups_; ++group) {
    PPSPP_ASSERT(level_[group] == right_level(group, verified, requested));
    if (level_[group] != kClosed) ++open;
  }
  PPSPP_ASSERT(open == open_);
}

}  // namespace ppspp
