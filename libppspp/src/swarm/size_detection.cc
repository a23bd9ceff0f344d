#include "swarm/size_detection.h"

#include <algorithm>

#include "base/assert.h"

namespace ppspp {
namespace {

// For each of the two chunks. Longer where nobody else waits, or where it was too short before:
// paths may be slow and chunks large.
constexpr Microseconds kPatience = std::chrono::seconds(4);
constexpr Microseconds kLongestPatience = std::chrono::seconds(32);
// Between two turns of a peer that fails.
constexpr Microseconds kFirstPause = std::chrono::seconds(1);
constexpr Microseconds kLongestPause = std::chrono::seconds(16);
constexpr std::size_t kMaxFailures = 1'024;

Microseconds doubled(Microseconds first, int times, Microseconds most) {
  return std::min(first * (1 << std::min(times, 10)), most);
}

}  // namespace

std::optional<ChunkIndex> SizeDetection::next_chunk() const {
  PPSPP_ASSERT(turn_ != nullptr);
  const BinSet& has = turn_->peer_has();
  const std::uint64_t count = claim_.chunk_count();
  if (count != 0 && !claim_.has_last()) {
    return has.contains(count - 1) ? std::optional(count - 1) : std::nullopt;
  }
  // Any chunk brings the peaks; a last one that is short proves no height, so another has to.
  const ChunkRange run = has.next_run(0);
  const std::uint64_t end = count == 0 ? kMaxChunks : count - 1;
  return run.empty() || run.begin >= end ? std::nullopt : std::optional(run.begin);
}

Verdict SizeDetection::add(const ReceivedChunk& chunk, std::span<const ClaimedHash> hashes,
                           Now now) {
  const Verdict verdict = claim_.add(chunk.chunk, chunk.payload, hashes);
  if (verdict != Verdict::verified) return verdict;
  held_.push_back(
      {chunk.chunk, chunk.one_way_delay_us, {chunk.payload.begin(), chunk.payload.end()}});
  since_ = now.monotonic;
  return verdict;
}

bool SizeDetection::may_acknowledge(ChunkIndex chunk) const {
  return turn_ != nullptr && claim_.is_genuine(chunk) &&
         turn_->peer_has().contains(claim_.chunk_count() - 1);
}

bool SizeDetection::may_have_turn(const Channel& channel, Now now) const {
  if (!channel.established() || channel.choked() || channel.peer_has().empty()) return false;
  const std::size_t place = place_of(channel.peer());
  return place == failures_.size() || failures_[place].retry_at <= now.monotonic;
}

bool SizeDetection::others_wait(std::span<Channel* const> channels, Now now) const {
  return std::ranges::any_of(channels, [&](const Channel* channel) {
    return channel != turn_ && may_have_turn(*channel, now);
  });
}

Microseconds SizeDetection::patience(std::span<Channel* const> channels, Now now) const {
  if (!others_wait(channels, now)) return kLongestPatience;
  const std::size_t place = place_of(turn_->peer());
  const int times = place == failures_.size() ? 0 : failures_[place].times;
  return doubled(kPatience, times, kLongestPatience);
}

bool SizeDetection::is_over(std::span<Channel* const> channels, Now now) const {
  PPSPP_ASSERT(turn_ != nullptr);
  if (!turn_->established() || turn_->choked()) return true;
  if (now.monotonic >= since_ + patience(channels, now)) return true;
  // It cannot prove its claim (yet).
  return claim_.chunk_count() != 0 && !next_chunk() && others_wait(channels, now);
}

Channel* SizeDetection::begin_turn(std::span<Channel* const> channels, Now now) {
  const auto rank = [this](const Channel* channel) {
    const std::size_t place = place_of(channel->peer());
    return place == failures_.size() ? 0 : place + 1;
  };
  Channel* next = nullptr;
  for (Channel* channel : channels) {
    if (!may_have_turn(*channel, now)) continue;
    if (next == nullptr || rank(channel) < rank(next)) next = channel;
  }
  turn_ = next;
  since_ = now.monotonic;
  return next;
}

void SizeDetection::end_turn() {
  turn_ = nullptr;
  acknowledged_ = false;
  claim_.clear();
  held_ = {};
}

void SizeDetection::end_failed_turn(Now now) {
  const TransportAddress peer = turn_->peer();
  Failure failure{peer, 0, now.monotonic};
  if (const std::size_t place = place_of(peer); place != failures_.size()) {
    failure = failures_[place];
    failures_.erase(failures_.begin() + static_cast<std::ptrdiff_t>(place));
  } else if (failures_.size() >= kMaxFailures) {
    failures_.erase(failures_.begin());
  }
  failure.retry_at = now.monotonic + doubled(kFirstPause, failure.times, kLongestPause);
  ++failure.times;
  failures_.push_back(failure);
  end_turn();
}

TimePoint SizeDetection::deadline(std::span<Channel* const> channels, Now now) const {
  TimePoint first = turn_ == nullptr ? kNever : since_ + patience(channels, now);
  for (const Failure& failure : failures_) {
    if (failure.retry_at > now.monotonic) first = std::min(first, failure.retry_at);
  }
  return first;
}

std::size_t SizeDetection::place_of(const TransportAddress& peer) const {
  const auto found =
      std::ranges::find_if(failures_, [&](const Failure& failure) { return failure.peer == peer; });
  return static_cast<std::size_t>(found - failures_.begin());
}

}  // namespace ppspp
