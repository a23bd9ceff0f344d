// What the peers of a feed are told of what has come, among many of them (RFC 7574, 3.2): in
// rounds, and those first who are likely to ask for it.
#include <algorithm>

#include "swarm/live_swarm.h"

namespace ppspp {
namespace {

// A datagram with HAVEs, with its headers, and the share of the feed that they may take.
constexpr double kHaveOctets = 60;
constexpr double kHaveShare = 0.08;
constexpr Microseconds kShortestRound = std::chrono::milliseconds(5);
constexpr Microseconds kLongestRound = std::chrono::milliseconds(120);
// Those who do not hear first, and the share of the feed for that.
constexpr double kRestShare = 0.008;
constexpr Microseconds kShortestRest = std::chrono::milliseconds(300);
constexpr Microseconds kLongestRest = std::chrono::milliseconds(1'200);
constexpr std::uint64_t kLeastOwed = 4;                               // chunks
constexpr double kRequestTakes = 0.3;                                 // seconds
constexpr Microseconds kMunroPause = std::chrono::milliseconds(100);  // for each peer
// How long who gave most hears first, and how many hear first besides by turns.
constexpr Microseconds kChooseEvery = std::chrono::seconds(3);
constexpr std::size_t kLeastToldFirst = 8;
constexpr std::size_t kMostToldFirst = 16;
constexpr std::size_t kByTurns = 2;
constexpr std::size_t kRareWith = 3;

}  // namespace

Microseconds LiveSwarm::munro_pause() const {
  const auto peers = static_cast<Microseconds::rep>(channels_.size());
  return among_many() ? kMunroPause * peers : Microseconds(0);
}

// What the feed brings in the time that a request takes, of a quarter of the peers.
std::uint64_t LiveSwarm::least_owed() const {
  const double chunks = feed_rate() / static_cast<double>(metadata_.chunk_size);
  const double owed = chunks * kRequestTakes * 4 / static_cast<double>(channels_.size() + 1);
  return std::max(kLeastOwed, static_cast<std::uint64_t>(owed));
}

// Octets per second, by the times of its signatures; 0: not known yet.
double LiveSwarm::feed_rate() const {
  const auto& duration = playout_.group_duration();
  if (!duration || *duration <= Microseconds(0)) return 0;
  return static_cast<double>(width_ * metadata_.chunk_size) * 1e6 /
         static_cast<double>(duration->count());
}

// So that HAVEs take some percent of the feed, and nobody waits for long.
Microseconds LiveSwarm::have_round(std::size_t peers) const {
  const double rate = std::max(feed_rate(), 1.0) * kHaveShare;
  const double round = static_cast<double>(peers) * kHaveOctets / rate * 1e6;
  const auto longest = static_cast<double>(kLongestRound.count());
  return std::max(kShortestRound,
                  Microseconds(static_cast<std::int64_t>(std::min(round, longest))));
}

// Whom the longest round leaves enough for.
std::size_t LiveSwarm::most_told_first() const {
  const double seconds = static_cast<double>(kLongestRound.count()) / 1e6;
  const double peers = feed_rate() * kHaveShare * seconds / kHaveOctets;
  return std::clamp(static_cast<std::size_t>(peers), kLeastToldFirst, kMostToldFirst);
}

void LiveSwarm::tell_stored(ChunkRange run, Now now) {
  if (!among_many()) return Swarm::tell_stored(run, now);
  if (announce_at_ == kNever) {
    announce_at_ = now.monotonic + have_round(std::min(most_told_first(), channels_.size()));
  }
  // What hardly anybody has is waited for by all.
  if (neighbours_with(run.begin) <= kRareWith) {
    announce_at_ = std::min(announce_at_, now.monotonic + kShortestRound);
  }
  for (RangeList* pending : {&pending_haves_, &pending_for_rest_}) {
    if (pending->add(run)) continue;
    announce_pending(now);
    pending->clear();
    pending->add(run);
  }
}

std::size_t LiveSwarm::neighbours_with(ChunkIndex chunk) const {
  std::size_t count = 0;
  for (const Channel* channel : channels_) {
    if (channel->peer_has().contains(chunk)) ++count;
  }
  return count;
}

// Those who gave most, and some by turns.
void LiveSwarm::choose_told_first(Now now) {
  if (now.monotonic < choose_at_ && !told_first_.empty()) return;
  choose_at_ = now.monotonic + kChooseEvery;
  told_first_.clear();
  for (Channel* channel : channels_) {
    if (channel->established()) told_first_.push_back(channel);
  }
  const std::size_t most = most_told_first();
  if (told_first_.size() > most) {
    const auto gave = [](const Channel* channel) {
      return channel->bytes_received() - channel->give_and_take().earlier.received;
    };
    std::ranges::stable_sort(told_first_, std::ranges::greater{}, gave);
    // The places of the last ones go to others in turns.
    const std::size_t best = most - kByTurns;
    for (std::size_t place = best; place < most; ++place) {
      const std::size_t others = told_first_.size() - place;
      std::swap(told_first_[place],
                told_first_[place + static_cast<std::size_t>(random_.below(others))]);
    }
    told_first_.resize(most);
  }
  for (Channel* channel : channels_) {
    channel->give_and_take().begin_window(channel->bytes_received(), channel->bytes_sent());
  }
}

void LiveSwarm::announce_to(Channel& channel, const RangeList& runs, Now now) {
  if (!channel.established()) return;
  bool told = false;
  for (const ChunkRange run : runs.ranges()) {
    if (channel.peer_has().contains(run)) continue;
    channel.announce(run, now);
    told = true;
  }
  if (told) touch(channel);
}

void LiveSwarm::announce_pending(Now now) {
  announce_at_ = kNever;
  choose_told_first(now);
  const bool all = now.monotonic >= tell_rest_at_;
  if (all) {
    const double octets = static_cast<double>(channels_.size()) * kHaveOctets;
    const double seconds = octets / (std::max(feed_rate(), 1.0) * kRestShare);
    tell_rest_at_ =
        now.monotonic +
        std::clamp(Microseconds(static_cast<std::int64_t>(std::min(seconds, 10.0) * 1e6)),
                   kShortestRest, kLongestRest);
    for (Channel* channel : channels_) announce_to(*channel, pending_for_rest_, now);
    pending_for_rest_.clear();
  } else {
    for (Channel* channel : told_first_) announce_to(*channel, pending_haves_, now);
  }
  pending_haves_.clear();
}

}  // namespace ppspp
