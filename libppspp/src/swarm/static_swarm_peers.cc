// What the peers of a static content have, what they are told of what is here, and whom of them to
// look at again: at a cost that does not grow with their number for each chunk.
#include <algorithm>

#include "swarm/static_swarm.h"

namespace ppspp {
namespace {

// Who owes too much by what it delivers gives some of it back.
constexpr Microseconds kReviewEvery = std::chrono::milliseconds(250);
constexpr double kReviewSeconds = 0.25;
// A datagram with HAVEs, the share of the download that they may take, and what they may wait.
constexpr double kHaveOctets = 60;
constexpr double kHaveShare = 0.012;
constexpr Microseconds kLongestHaveDelay = std::chrono::milliseconds(2'500);
// At first nobody has anything for the others: all is told soon.
constexpr std::uint64_t kToldSoonBytes = 512 << 10;
constexpr std::size_t kFewSources = 4;
// With so many channels each HAVE goes out at once; with more, they go in rounds, so that there are
// at most 500 datagrams a second for them.
constexpr std::size_t kToldAtOnce = 8;
constexpr Microseconds kRoundPerChannel = std::chrono::milliseconds(2);
constexpr Microseconds kLongestRound = std::chrono::milliseconds(250);
// While the uplink has next to nothing to do, whatever there is can be told: others wait for it.
constexpr Microseconds kIdleRound = std::chrono::milliseconds(50);
constexpr std::size_t kBusyChannels = 3;
// Of what is not whole yet, peers hear every so many rounds; or at once, if so few have any of it:
// what waits to be whole with each that passes it on takes long to come around.
constexpr std::size_t kRare = 2;
constexpr std::uint32_t kRoundsOfGroups = 8;
constexpr std::size_t kMostLookedAt = 32;
constexpr std::size_t kWokenAtOnce = 4;

}  // namespace

// --- What they have

void StaticSwarm::start_picking() {
  const bool later = channels_.empty() || chunk_count_ == 0;  // when there is somebody to ask
  if (complete_ || settings_.policy != PickPolicy::rarest_first || later) return;
  rarest_ = std::make_unique<RarestFirst>();
  rarest_->start(chunk_count_, metadata_.chunk_size, verified_, requested_, random_);
  for (Channel* channel : channels_) seat(*channel);
}

void StaticSwarm::add_channel(Channel& channel, Now now) {
  Swarm::add_channel(channel, now);
  if (rarest_ != nullptr) {
    seat(channel);
  } else {
    start_picking();
  }
}

void StaticSwarm::seat(Channel& channel) {
  rarest_->add_peer(channel.seat());
  const BinSet& has = channel.peer_has();
  const bool all = channel.peer_complete(chunk_count_);
  if (all) sources_.push_back(&channel);
  for (ChunkRange run = has.next_run(0); !run.empty(); run = has.next_run(run.end)) {
    rarest_->on_have(channel.seat(), run, all);
  }
}

void StaticSwarm::on_peer_has(Channel& from, ChunkRange range, Now now) {
  if (sharing_ != nullptr) sharing_->super_seeding.on_peer_has(from, range);
  if (rarest_ == nullptr) return;
  const bool all = from.peer_complete(chunk_count_);
  rarest_->on_have(from.seat(), range, all);
  if (all) {
    if (std::ranges::find(sources_, &from) == sources_.end()) sources_.push_back(&from);
  } else {
    spare_sources(range, now);
  }
}

// Few have everything, and others fetch from them as well.
bool StaticSwarm::sources_are_scarce() const {
  return rarest_ != nullptr && sources_.size() <= kFewSources && rarest_->partial_peers() > 1;
}

bool StaticSwarm::is_scarce_source(const Channel& peer) const {
  return sources_are_scarce() && peer.peer_complete(chunk_count_);
}

// What another peer has is taken back from those who have everything, so that they send what only
// they have: as long as there is something else to ask for, and it is not on its way already.
void StaticSwarm::spare_sources(ChunkRange announced, Now now) {
  if (!sources_are_scarce() || !rarest_->anything_open() || !requested_.intersects(announced)) {
    return;
  }
  for (Channel* source : sources_) {
    for (const ChunkRange range : source->owed_later(announced, metadata_.chunk_size, now)) {
      cancel_at(*source, range);
      forget_requests(range);
      touch(*source);
    }
  }
}

void StaticSwarm::on_changed(ChunkRange range, bool again) {
  if (rarest_ != nullptr) rarest_->on_changed(range, again, verified_, requested_);
}

// --- Whom to look at again

TimePoint StaticSwarm::deadline() const {
  return std::min({size_deadline_, review_at_, announce_at_, sharing_deadline()});
}

void StaticSwarm::handle_deadline(Now now) {
  if (now.monotonic >= announce_at_) announce_pending(now);
  if (now.monotonic >= review_at_) review_requests(now);
  review_size(now);
  share_upload(now);
}

void StaticSwarm::offer_again(ChunkRange range, const Channel* but) {
  wake_hungry(range, kWokenAtOnce, but);
}

// Those of whom nothing could be asked when they were looked at last.
void StaticSwarm::wake_hungry(ChunkRange range, std::size_t most, const Channel* but) {
  const std::size_t looks = std::min(channels_.size(), kMostLookedAt);
  for (std::size_t i = 0; i < looks && most > 0; ++i) {
    const Channel& channel = *channels_[turn_++ % channels_.size()];
    Seat& seat = seats_[channel.seat()];
    if (!seat.hungry || &channel == but || !channel.peer_has().intersects(range)) continue;
    seat.hungry = false;
    touch(channel);
    --most;
  }
}

void StaticSwarm::schedule_review(Now now) {
  if (review_at_ == kNever) review_at_ = now.monotonic + kReviewEvery;
}

// So that HAVEs for those who cannot ask for the chunks take a percent or two of what comes in.
void StaticSwarm::set_lazy_have_delay() {
  const std::uint64_t downloaded = counts_.downloaded_bytes;
  const auto fresh = static_cast<double>(downloaded - downloaded_at_review_);
  downloaded_at_review_ = downloaded;
  download_rate_ += (fresh / kReviewSeconds - download_rate_) / 4;
  const double wanted = static_cast<double>(channels_.size()) * kHaveOctets / kHaveShare /
                        std::max(download_rate_, 1.0);
  if (counts_.downloaded_bytes < kToldSoonBytes) return;
  lazy_have_delay_ = std::min(
      kLongestHaveDelay, Microseconds(static_cast<std::int64_t>(std::min(wanted, 10.0) * 1e6)));
}

void StaticSwarm::review_requests(Now now) {
  review_at_ = kNever;
  set_lazy_have_delay();
  if (complete_ || store_failed_ || owing_ == 0) return;
  review_at_ = now.monotonic + kReviewEvery;
  for (Channel* channel : channels_) {
    if (!seats_[channel->seat()].owing) continue;
    if (channel->trim_requests(*this, now)) touch(*channel);
  }
  wake_hungry({0, chunk_count_}, kMostLookedAt, nullptr);
}

// --- What they are told

// Hardly anybody has asked us for anything that has not left and arrived.
bool StaticSwarm::uploads_little() const {
  std::size_t busy = 0;
  for (const Channel* channel : channels_) {
    if (!channel->has_nothing_to_send() && ++busy >= kBusyChannels) return false;
  }
  return true;
}

Microseconds StaticSwarm::have_round() const {
  if (channels_.size() <= kToldAtOnce) return Microseconds(0);
  if (uploads_little()) return kIdleRound;
  return std::min<Microseconds>(kRoundPerChannel * static_cast<std::int64_t>(channels_.size()),
                                kLongestRound);
}

void StaticSwarm::tell_stored(ChunkRange run, Now now) {
  if (announce_at_ == kNever) announce_at_ = now.monotonic + have_round();
  if (!pending_haves_.add(run)) {
    announce_pending(now);
    pending_haves_.add(run);
  }
  // Few are told at once, without a timer.
  if (channels_.size() <= kToldAtOnce) announce_pending(now);
  if (near_end()) wake_hungry({0, chunk_count_}, 2, nullptr);
}

// What is whole of the pending runs, in groups that are picked as such, or rare; now and then all.
std::span<const ChunkRange> StaticSwarm::take_announceable() {
  auto& all = scratch_.ranges;
  all.assign(pending_haves_.ranges().begin(), pending_haves_.ranges().end());
  pending_haves_.clear();
  const bool in_groups = channels_.size() > kToldAtOnce && rarest_ != nullptr && !uploads_little();
  if (!in_groups || ++rounds_ % kRoundsOfGroups == 0) return all;
  std::size_t whole = 0;  // of them, moved to the front
  for (std::size_t i = 0; i < all.size(); ++i) {
    const ChunkRange run = all[i];
    if (rarest_->peers_with_part(run.begin) <= kRare) {
      all[whole++] = run;
      continue;
    }
    const ChunkRange known = verified_.run_around(run.begin);
    const ChunkRange groups =
        rarest_->whole_groups(intersection(known, rarest_->groups_around(run)));
    if (groups.intersects(run)) all[whole++] = groups;
    for (const ChunkRange rest : {ChunkRange{run.begin, std::min(run.end, groups.begin)},
                                  ChunkRange{std::max(run.begin, groups.end), run.end}}) {
      if (!rest.empty()) pending_haves_.add(rest);
    }
  }
  return std::span(all).first(whole);
}

// Whoever has something itself does not need to hear that we have it; but those few that have
// everything are to know what others have as well, and send the rest first.
void StaticSwarm::announce_pending(Now now) {
  announce_at_ = kNever;
  const auto runs = take_announceable();
  if (!pending_haves_.empty()) announce_at_ = now.monotonic + have_round();
  for (Channel* channel : channels_) {
    const bool all = channel->peer_complete(chunk_count_);
    if (!channel->established() || (all && !sources_are_scarce())) continue;
    bool to_fill = false;
    for (const ChunkRange run : runs) {
      if (!all && channel->peer_has().contains(run)) continue;
      to_fill = channel->announce(run, now) || to_fill;
    }
    if (to_fill) touch(*channel);
  }
}

void StaticSwarm::tell_complete(Now now) {
  pending_haves_.clear();
  announce_at_ = review_at_ = kNever;
  for (Channel* channel : channels_) {
    if (!channel->established()) continue;
    if (!channel->peer_complete(chunk_count_)) channel->announce({0, chunk_count_}, now);
    touch(*channel);
  }
}

}  // namespace ppspp
