#include "swarm/super_seeding.h"

#include <algorithm>

namespace ppspp {
namespace {

constexpr Microseconds kScarceFor = std::chrono::seconds(5);
// Who got nothing of others for so long is taken to be alone with us.
constexpr Microseconds kAloneAfter = std::chrono::seconds(8);
constexpr Microseconds kInterestLasts = std::chrono::seconds(1);
// How long a chunk takes to get to another peer, with a slow uplink between them; and when it is
// sent to somebody else.
constexpr Microseconds kPassedOnWithin = std::chrono::seconds(4);
constexpr Microseconds kSentAgainAfter = std::chrono::seconds(20);
constexpr std::size_t kMostAwaited = 1 << 16;
// Chunks that it may keep to itself before it has passed on any, and how many of what it gets
// after.
constexpr std::uint32_t kKeptByNewcomers = 16;
constexpr std::uint32_t kTrustedShare = 4;
constexpr std::uint32_t kMostJudged = 256;  // what lies further back counts half

void halve_old(GiveAndTake& account) {
  if (account.passed_on + account.kept < kMostJudged) return;
  account.passed_on /= 2;
  account.kept /= 2;
}

}  // namespace

void SuperSeeding::review(const Choker::Scene& scene, const Choker& choker, Now now) {
  if (choker.gauge().scarce()) last_scarce_at_ = now.monotonic;
  const bool limits = now.monotonic - last_scarce_at_ < kScarceFor && last_scarce_at_ > TimePoint{};
  const bool on = scene.seeding && limits && choker.interested() > 1;
  if (!on) return stop();
  on_ = true;
  judge(now);
  for (Channel* channel : scene.channels) {
    GiveAndTake& account = channel->give_and_take();
    const std::uint64_t from_others = channel->chunks_from_others();
    if (from_others > account.from_others) account.from_others_at = now.monotonic;
    account.from_others = from_others;
    // From when it came, not from when this began: it begins and ends with each lull of the upload.
    const TimePoint since = std::max(account.from_others_at, channel->established_at());
    account.exchanges = now.monotonic - since < kAloneAfter;
  }
}

// Who has not shown yet that it passes on what it gets must not keep others from getting it: what
// it is sent does not count as sent (12.6.2, HAVE.2).
bool SuperSeeding::is_trusted(const Channel& to) const {
  const GiveAndTake& account = to.give_and_take();
  return account.kept <= kKeptByNewcomers || account.passed_on * kTrustedShare >= account.kept;
}

void SuperSeeding::stop() {
  on_ = false;
  sent_.clear();
  awaited_.clear();
  first_to_.clear();
  in_order_.clear();
  judged_ = 0;
}

void SuperSeeding::note_sent(Channel& to, ChunkIndex chunk, std::uint64_t chunk_count, Now now) {
  if (!on_) return;
  const ChunkRange range{chunk, chunk + 1};
  const bool again = sent_.contains(chunk);
  if (is_trusted(to)) sent_.insert(range);
  if (awaited_.contains(chunk) && first_to_.at(chunk).to != &to) {
    // Whoever announces it now may have it of us: that tells nothing of the first one.
    first_to_.erase(chunk);
    awaited_.erase(range);
  } else if (!again && first_to_.size() < kMostAwaited && in_order_.size() < 2 * kMostAwaited) {
    awaited_.insert(range);
    first_to_.insert_or_assign(chunk, Sent{chunk, &to, now.monotonic});
    in_order_.push_back({now.monotonic, chunk});
  }
  if (sent_.count() == chunk_count) sent_.clear();  // and all over again
}

// Chunks that somebody else has by now than the one whom they were sent to.
void SuperSeeding::on_peer_has(const Channel& peer, ChunkRange range) {
  if (!on_) return;
  ChunkIndex from = range.begin;
  while (true) {
    const ChunkRange run = intersection(awaited_.next_run(from), range);
    if (run.empty()) return;
    for (ChunkIndex chunk = run.begin; chunk < run.end; ++chunk) {
      const auto found = first_to_.find(chunk);
      if (found == first_to_.end() || found->second.to == &peer) continue;
      pass_on(found->second);
      first_to_.erase(found);
      awaited_.erase({chunk, chunk + 1});
    }
    from = run.end;
  }
}

void SuperSeeding::pass_on(Sent& sent) {
  if (sent.to == nullptr) return;
  GiveAndTake& account = sent.to->give_and_take();
  if (sent.counted && account.kept > 0) --account.kept;
  ++account.passed_on;
  halve_old(account);
}

void SuperSeeding::judge(Now now) {
  const auto find = [&](std::size_t place) {
    const auto found = first_to_.find(in_order_[place].chunk);
    const bool same = found != first_to_.end() && found->second.at == in_order_[place].at;
    return same ? found : first_to_.end();
  };
  for (; judged_ < in_order_.size() && now.monotonic - in_order_[judged_].at >= kPassedOnWithin;
       ++judged_) {
    const auto found = find(judged_);
    if (found == first_to_.end() || found->second.to == nullptr) continue;
    found->second.counted = true;
    ++found->second.to->give_and_take().kept;
    halve_old(found->second.to->give_and_take());
  }
  while (!in_order_.empty() && now.monotonic - in_order_.front().at >= kSentAgainAfter) {
    if (const auto found = find(0); found != first_to_.end()) {
      const ChunkRange chunk{found->first, found->first + 1};
      sent_.erase(chunk);
      awaited_.erase(chunk);
      first_to_.erase(found);
    }
    in_order_.pop_front();
    if (judged_ > 0) --judged_;
  }
}

void SuperSeeding::remove_channel(const Channel& channel) {
  for (const auto& [at, chunk] : in_order_) {
    const auto found = first_to_.find(chunk);
    if (found == first_to_.end() || found->second.to != &channel) continue;
    // It may have taken its copy along.
    sent_.erase({chunk, chunk + 1});
    awaited_.erase({chunk, chunk + 1});
    first_to_.erase(found);
  }
}

bool SuperSeeding::makes_way(const Channel& channel, const Choker::Scene& scene,
                             const Choker& choker, Now now) const {
  if (!on_ || !choker.gauge().full()) return false;
  return std::any_of(scene.channels.begin(), scene.channels.end(), [&](const Channel* other) {
    return other != &channel && other->has_fresh_requests() && !other->choking() &&
           now.monotonic - other->last_interest_at() < kInterestLasts;
  });
}

}  // namespace ppspp
