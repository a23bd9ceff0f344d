// What a node sends to its many peers of a feed, taken together (RFC 7574, 3.7, 8.15, 9.2).
//
// Each channel has a window of its own, of two segments at least. Those of dozens of peers fill the
// queue of a slow uplink for seconds, and no single one can do anything about it; a feed is late by
// then, and is sent again in vain. So among many there is one window for all: as a flow finds its
// own it grows while it is used up, and shrinks when most paths tell of a queue. What has to wait
// stays here, where it can be cancelled, and the best goes first: at the source what is fresh, at
// others what those ask for who give.
#include <algorithm>

#include "swarm/live_swarm.h"

namespace ppspp {
namespace {

constexpr Microseconds kCountEvery = std::chrono::milliseconds(20);
constexpr Microseconds kGrowEvery = std::chrono::milliseconds(150);
constexpr Microseconds kShrinkEvery = std::chrono::milliseconds(300);
constexpr Microseconds kQueue = std::chrono::milliseconds(50);
constexpr double kGrow = 1.06;
constexpr double kGrowAtFirst = 1.2;
constexpr double kShrink = 0.7;
constexpr double kLeastFlight = 16'000;
constexpr double kMostFlight = 1e9;
// Of the window, for those who do not go first.
constexpr double kLaterShare = 0.7;
constexpr double kAskedOfSourceShare = 0.5;
constexpr double kCopiesToSpare = 4;
// Who gets all of the source comes after those who give to each other what they get.
constexpr double kAloneShare = 0.75;
// And who took so much and gave hardly anything of it, after those who do.
constexpr std::uint64_t kTakenToJudgeViewer = 96 << 10;
constexpr std::uint64_t kLeastShareOfViewer = 64;
constexpr double kTakerShare = 0.4;

bool takes_only(const Channel& channel) {
  return channel.bytes_sent() >= kTakenToJudgeViewer &&
         channel.bytes_received() < channel.bytes_sent() / kLeastShareOfViewer;
}

}  // namespace

// By the delays of most paths: a few may be crowded for other reasons.
bool LiveSwarm::is_crowded(Now now) const {
  std::size_t paths = 0;
  std::size_t crowded = 0;
  for (const Channel* channel : channels_) {
    if (!channel->feels_crowded(now)) continue;  // nothing was acknowledged lately
    ++paths;
    const auto queue = channel->ledbat().queueing_delay();
    if (queue && *queue >= kQueue) ++crowded;
  }
  return crowded * 2 > paths;
}

void LiveSwarm::review_flight(Now now) {
  if (now.monotonic - flight_counted_at_ < kCountEvery) return;
  flight_counted_at_ = now.monotonic;
  in_flight_ = 0;
  for (const Channel* channel : channels_) {
    if (channel->answers_no_data()) continue;  // it holds nothing up but itself
    in_flight_ += static_cast<double>(channel->ledbat().flight_size());
  }
  const Microseconds since = now.monotonic - flight_changed_at_;
  if (since < kGrowEvery) return;
  if (is_crowded(now)) {
    if (since < kShrinkEvery) return;
    flight_allowed_ = std::max(flight_allowed_ * kShrink, kLeastFlight);
    flight_doubles_ = false;
  } else if (flight_held_) {
    flight_allowed_ *= flight_doubles_ ? kGrowAtFirst : kGrow;
    flight_allowed_ = std::min(flight_allowed_, kMostFlight);
  } else {
    return;
  }
  flight_held_ = false;
  flight_changed_at_ = now.monotonic;
}

bool LiveSwarm::short_of_upload() const {
  return first_offers_.copies() < kCopiesToSpare;
}

bool LiveSwarm::makes_way(const Channel& channel, Now now) {
  if (!among_many() || ended_) return false;
  review_flight(now);
  double share = 1;
  if (source_ != nullptr && channel.pushed_chunks() == 0) {
    // Beside the copies, what was asked for, and what is sent again, is little: others have it.
    if (may_send_ < 1) return true;
    share = short_of_upload() ? kAskedOfSourceShare : 1;
    if (std::ranges::find(alone_, &channel) != alone_.end()) share *= kAloneShare;
  } else if (source_ == nullptr) {
    const bool first = std::ranges::find(told_first_, &channel) != told_first_.end();
    share = takes_only(channel) ? kTakerShare : first ? 1 : kLaterShare;
  }
  if (in_flight_ < flight_allowed_ * share) return false;
  flight_held_ = true;
  return true;
}

void LiveSwarm::note_sent(Channel&, ChunkIndex, Now) {
  in_flight_ += static_cast<double>(metadata_.chunk_size);
  if (source_ != nullptr) may_send_ = std::max(may_send_ - 1, -kMostSentAhead);
}

}  // namespace ppspp
