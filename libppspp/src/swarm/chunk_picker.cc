#include "swarm/chunk_picker.h"

#include <algorithm>

namespace ppspp {
namespace {

constexpr std::uint64_t kGroupChunks = 256;
constexpr std::uint64_t kWindowGroups = 64;
// So many chunks are asked for twice at most; more are taken away from the slow peer.
constexpr std::uint64_t kTwiceAtMost = 128;
constexpr std::uint64_t kUrgentChunks = 64;

std::size_t peers_with(std::span<Channel* const> channels, ChunkRange group) {
  return static_cast<std::size_t>(
      std::count_if(channels.begin(), channels.end(), [group](const Channel* channel) {
        return channel->established() && channel->peer_has().intersects(group);
      }));
}

bool everybody_is_complete(const PickQuestion& q) {
  return std::all_of(q.channels.begin(), q.channels.end(), [&](const Channel* channel) {
    return !channel->established() || channel->peer_has().empty() ||
           channel->peer_complete(q.chunk_count);
  });
}

struct Debtor {
  Channel* channel = nullptr;
  Microseconds time{0};  // until all that it owes is here
};

template <typename Owes>
Debtor slowest_debtor(const PickQuestion& q, std::uint32_t chunk_size, Now now, const Owes& owes) {
  Debtor slowest;
  for (Channel* other : q.channels) {
    if (other == &q.from || !owes(*other)) continue;
    const Microseconds time = other->time_to_finish(0, chunk_size, now);
    if (slowest.channel == nullptr || time > slowest.time) slowest = {other, time};
  }
  return slowest;
}

// What the peer owes of `late`, in the order in which it was asked; not looked for at any length.
ChunkRange first_owed(const Channel& channel, ChunkRange late) {
  constexpr std::size_t kMostLookedAt = 64;
  return channel.requests().first_within(late, kMostLookedAt);
}

// The range, as far as this peer has it, if it is likely to bring it in half the time.
Takeover if_sooner(const PickQuestion& q, const Debtor& debtor, ChunkRange range, bool cancel,
                   std::uint32_t chunk_size, Now now) {
  range = intersection(range, q.from.peer_has().run_around(range.begin));
  if (range.empty() || q.from.requests().contains(range.begin)) return {};
  const Microseconds ours = q.from.time_to_finish(range.size() * chunk_size, chunk_size, now);
  if (debtor.time < ours * 2) return {};
  return {range, debtor.channel, cancel};
}

}  // namespace

ChunkRange pick_in_order(const PickQuestion& q) {
  return first_run_in_but_not_in(q.from.peer_has(), q.verified, q.requested, {0, q.chunk_count},
                                 q.max_chunks);
}

ChunkRange pick_rarest_first(const PickQuestion& q, RandomSource& random) {
  const ChunkRange first = first_run_in_but_not_in(q.from.peer_has(), q.verified, q.requested,
                                                   {0, q.chunk_count}, q.max_chunks);
  if (first.empty() || everybody_is_complete(q)) return first;

  // Reservoir sampling among the equally rare: one pass, one place.
  ChunkRange best;
  std::size_t best_peers = ~std::size_t{0};
  std::uint64_t equals = 0;
  const std::uint64_t first_group = first.begin / kGroupChunks;
  for (std::uint64_t group = first_group; group < first_group + kWindowGroups; ++group) {
    const ChunkRange window =
        intersection({group * kGroupChunks, (group + 1) * kGroupChunks}, {0, q.chunk_count});
    if (window.empty()) break;
    const ChunkRange run =
        first_run_in_but_not_in(q.from.peer_has(), q.verified, q.requested, window, q.max_chunks);
    if (run.empty()) continue;
    const std::size_t peers = peers_with(q.channels, run);
    if (peers > best_peers) continue;
    equals = peers == best_peers ? equals + 1 : 1;
    if (equals == 1 || random.below(equals) == 0) best = run;
    best_peers = peers;
  }
  return best;
}

Takeover pick_takeover(const PickQuestion& q, std::uint32_t chunk_size, Now now) {
  const Debtor slowest = slowest_debtor(
      q, chunk_size, now, [](const Channel& channel) { return !channel.requests().empty(); });
  if (slowest.channel == nullptr) return {};
  const std::uint64_t owed = slowest.channel->requests().chunks();
  ChunkRange range = slowest.channel->requests().back();
  // Half of it, from its end: the slow peer is at work on the front.
  const std::uint64_t most = std::min(q.max_chunks, owed > kTwiceAtMost ? owed / 2 : owed);
  if (range.size() > most) range.begin = range.end - most;
  return if_sooner(q, slowest, range, owed > kTwiceAtMost, chunk_size, now);
}

Takeover pick_late(const PickQuestion& q, ChunkRange late, std::uint32_t chunk_size, Now now) {
  const Debtor slowest = slowest_debtor(q, chunk_size, now, [late](const Channel& channel) {
    return !first_owed(channel, late).empty();
  });
  if (slowest.channel == nullptr) return {};
  ChunkRange range = first_owed(*slowest.channel, late);
  range.end = std::min(range.end, range.begin + std::min(q.max_chunks, kUrgentChunks));
  return if_sooner(q, slowest, range, false, chunk_size, now);
}

}  // namespace ppspp
