#include "swarm/chunk_picker.h"

#include <algorithm>

namespace ppspp {
namespace {

// So many chunks are asked for twice at most; more are taken away from the slow peer.
constexpr std::uint64_t kTwiceAtMost = 128;
constexpr std::uint64_t kUrgentChunks = 64;
// So many channels are looked at for one that owes; with more, each time at others.
constexpr std::size_t kMostChannels = 32;

struct Debtor {
  Channel* channel = nullptr;
  Microseconds time{0};  // until all that it owes is here
};

template <typename Owes>
Debtor slowest_debtor(const PickQuestion& q, std::uint32_t chunk_size, Now now, const Owes& owes) {
  Debtor slowest;
  const std::size_t count = q.channels.size();
  for (std::size_t i = 0; i < std::min(count, kMostChannels); ++i) {
    Channel* const other = q.channels[(q.turn + i) % count];
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
