#include "swarm/choke_policy.h"

#include <algorithm>
#include <tuple>
#include <vector>

namespace ppspp {
namespace {

constexpr Microseconds kOptimisticTurn = std::chrono::seconds(10);
constexpr Microseconds kTurn = std::chrono::seconds(20);  // of a seeder's peer
constexpr Microseconds kQuickTurn = std::chrono::seconds(30);
constexpr Microseconds kSlowTurn = std::chrono::seconds(10);
constexpr std::size_t kSlotsPerOptimistic = 8;
constexpr std::uint64_t kNewcomerChance = 3;
constexpr int kDraws = 8;

bool several_addresses(std::span<const ChokePeer> peers) {
  return std::any_of(peers.begin(), peers.end(),
                     [&](const ChokePeer& peer) { return peer.address != peers.front().address; });
}

// Counts slots, in all and of each address.
class Slots {
 public:
  Slots(const ChokeQuestion& question)
      : peers_(question.peers),
        left_(question.slots),
        most_(several_addresses(question.peers) ? most_of_one_address(question.slots)
                                                : question.slots) {}

  bool may_take(const ChokePeer& peer) const {
    if (peer.chosen || left_ == 0) return false;
    const auto same = std::count_if(peers_.begin(), peers_.end(), [&](const ChokePeer& other) {
      return other.chosen && other.address == peer.address;
    });
    return static_cast<std::size_t>(same) < most_;
  }
  bool take(ChokePeer& peer) {
    if (!may_take(peer)) return false;
    peer.chosen = true;
    --left_;
    return true;
  }
  std::size_t left() const { return left_; }

 private:
  std::span<const ChokePeer> peers_;
  std::size_t left_;
  std::size_t most_;
};

// How long a seeder goes on with the peer. Quick ones are preferred, moderately: what they got they
// can give to others soon.
Microseconds turn_of(const ChokePeer& peer, std::uint64_t mean_rate) {
  if (peer.rate >= mean_rate) return kQuickTurn;
  return peer.rate < mean_rate / 4 ? kSlowTurn : kTurn;
}

std::uint64_t mean_rate(std::span<const ChokePeer> peers) {
  std::uint64_t sum = 0;
  std::uint64_t count = 0;
  for (const ChokePeer& peer : peers) {
    if (!peer.unchoked) continue;
    sum += peer.rate;
    ++count;
  }
  return count == 0 ? 0 : sum / count;
}

// Less is better; the place in the list decides among equals.
using Rank = std::tuple<int, std::uint64_t, std::int64_t>;

Rank rank_as_seeder(const ChokePeer& peer, const ChokeQuestion& q, std::uint64_t mean) {
  if (peer.freerider && q.scarce) return {4, peer.taken, -peer.lasting.count()};
  const bool goes_on =
      peer.unchoked && (!q.review || (!peer.idle && peer.lasting < turn_of(peer, mean)));
  if (goes_on) return {0, 0, 0};
  if (peer.unchoked) return {peer.idle ? 3 : 2, peer.taken, 0};
  // Who got nothing yet has waited twice as long.
  return {1, 0, -peer.lasting.count() * (peer.taken == 0 ? 2 : 1)};
}

Rank rank_as_leecher(const ChokePeer& peer, const ChokeQuestion& q) {
  if (!q.review && peer.unchoked) return {0, 0, 0};
  if (peer.freerider) return {4, peer.taken, -peer.lasting.count()};
  if (peer.given > 0) return {1, ~peer.given, 0};
  if (peer.idle) return {3, 0, 0};
  return {2, peer.unchoked ? 0U : 1U, -peer.lasting.count()};
}

void choose_in_order(const ChokeQuestion& q, Slots& slots, std::size_t keep_back) {
  const std::uint64_t mean = mean_rate(q.peers);
  const bool anybody_gives = !std::ranges::all_of(q.peers, &ChokePeer::freerider);
  std::vector<std::pair<Rank, std::size_t>> order;
  for (std::size_t i = 0; i < q.peers.size(); ++i) {
    const ChokePeer& peer = q.peers[i];
    if (peer.chosen) continue;
    order.emplace_back(q.seeding ? rank_as_seeder(peer, q, mean) : rank_as_leecher(peer, q), i);
  }
  std::sort(order.begin(), order.end());
  for (const auto& [rank, i] : order) {
    if (slots.left() <= keep_back) return;
    ChokePeer& peer = q.peers[i];
    // Who never gives has what is left over only. But a seeder with nobody else serves them.
    if (peer.freerider && q.scarce && (!q.seeding || anybody_gives)) continue;
    slots.take(peer);
  }
}

// By chance; null: nobody is left.
ChokePeer* draw_one(std::span<ChokePeer> peers, bool freeriders_too, const Slots& slots,
                    RandomSource& random) {
  std::uint64_t tickets = 0;
  ChokePeer* drawn = nullptr;
  for (ChokePeer& peer : peers) {
    if (peer.idle || (peer.freerider && !freeriders_too) || !slots.may_take(peer)) continue;
    const std::uint64_t own = peer.newcomer ? kNewcomerChance : 1;
    tickets += own;
    if (random.below(tickets) < own) drawn = &peer;
  }
  return drawn;
}

// One more. Of some that are drawn the one that has the least: whom nobody has chosen so far would
// fall behind, and be the one that all wait for. That one must not be a freerider.
ChokePeer* draw(std::span<ChokePeer> peers, const Slots& slots, RandomSource& random) {
  ChokePeer* least = draw_one(peers, true, slots, random);
  if (least == nullptr || least->freerider) return least;
  for (int i = 1; i < kDraws; ++i) {
    ChokePeer* const other = draw_one(peers, false, slots, random);
    if (other->has < least->has) least = other;
  }
  return least;
}

}  // namespace

std::size_t most_of_one_address(std::size_t slots) {
  return std::max<std::size_t>(2, slots / 4);
}

void choose_unchoked(const ChokeQuestion& q, RandomSource& random) {
  if (q.peers.empty()) return;
  Slots slots(q);
  const bool enough = q.peers.size() <= q.slots && !q.scarce;
  if (q.seeding || enough) return choose_in_order(q, slots, 0);
  std::size_t blind = std::max<std::size_t>(1, q.slots / kSlotsPerOptimistic);
  for (ChokePeer& peer : q.peers) {
    const bool goes_on = peer.optimistic && peer.unchoked && peer.lasting < kOptimisticTurn;
    if (blind == 0 || !goes_on || peer.idle || !slots.take(peer)) continue;
    peer.chosen_blind = true;
    --blind;
  }
  choose_in_order(q, slots, blind);
  for (; blind > 0; --blind) {
    ChokePeer* const peer = draw(q.peers, slots, random);
    if (peer == nullptr) return;
    slots.take(*peer);
    peer->chosen_blind = true;
  }
}

}  // namespace ppspp
