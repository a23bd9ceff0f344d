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

}  // namespace

ChunkRange pick_in_order(const PickQuestion& q) {
  return first_run_in_but_not_in(q.from.peer_has(), q.verified, q.requested,
                                 {q.read_position, q.chunk_count}, q.max_chunks);
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

Takeover pick_takeover(const PickQuestion& q, std::uint32_t chunk_size, bool urgent, Now now) {
  Channel* slowest = nullptr;
  Microseconds longest{0};
  for (Channel* other : q.channels) {
    if (other == &q.from || other->requests().empty()) continue;
    const Microseconds time = other->time_to_finish(0, chunk_size, now);
    if (slowest == nullptr || time > longest) {
      slowest = other;
      longest = time;
    }
  }
  if (slowest == nullptr) return {};

  const std::uint64_t owed = slowest->requests().chunks();
  ChunkRange range = urgent ? slowest->requests().front() : slowest->requests().back();
  // Half of it, from its end: the slow peer is at work on the front.
  const std::uint64_t share = owed > kTwiceAtMost ? owed / 2 : owed;
  const std::uint64_t most =
      std::min({q.max_chunks, share, urgent ? kUrgentChunks : ~std::uint64_t{0}});
  if (urgent) {
    range.end = std::min(range.end, range.begin + most);
  } else if (range.size() > most) {
    range.begin = range.end - most;
  }
  range = intersection(range, q.from.peer_has().run_around(range.begin));
  if (range.empty() || q.from.requests().contains(range.begin)) return {};
  const Microseconds ours = q.from.time_to_finish(range.size() * chunk_size, chunk_size, now);
  if (longest < ours * 2) return {};
  return {range, slowest, !urgent && owed > kTwiceAtMost};
}

}  // namespace ppspp
