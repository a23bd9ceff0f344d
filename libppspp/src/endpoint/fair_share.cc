#include "endpoint/fair_share.h"

#include <algorithm>

#include "base/assert.h"

namespace ppspp {
namespace {

// How far a position moves for one octet at a weight of 1.
constexpr std::uint64_t kStep = 10'000;
constexpr std::uint32_t kLargestWeight = 10'000;
constexpr std::uint64_t kLargestRate = std::uint64_t{1} << 40;
// Octets that a swarm may catch up on which had no use for its turn a moment ago: a datagram that
// its own pacing held back must not cost it its place.
constexpr std::uint64_t kCredit = 64 << 10;

std::uint64_t distance(std::uint64_t bytes, std::uint32_t weight) {
  return bytes * kStep / std::clamp<std::uint32_t>(weight, 1, kLargestWeight);
}

std::size_t burst_of(std::uint64_t rate) {
  return static_cast<std::size_t>(std::clamp<std::uint64_t>(rate / 20, 4'096, 1 << 20));
}

}  // namespace

bool FairShare::behind(const Queued& a, const Queued& b) {
  return a.position != b.position ? a.position > b.position : a.order > b.order;
}

bool FairShare::later(const Asleep& a, const Asleep& b) {
  return a.until != b.until ? a.until > b.until : a.order > b.order;
}

void FairShare::set(std::unique_ptr<Limit>& limit, std::optional<std::uint64_t> rate,
                    TimePoint now) const {
  if (!rate || *rate == 0) return limit.reset();
  const std::size_t burst = burst_of(*rate);
  const auto span = static_cast<std::uint64_t>(batch_.count());
  const std::uint64_t batch = std::min(*rate, kLargestRate) * span / 1'000'000;
  if (limit) {
    limit->bucket.set(*rate, burst, now);
  } else {
    limit = std::make_unique<Limit>(Limit{TokenBucket(*rate, burst, now), 0});
  }
  limit->batch = static_cast<std::size_t>(std::clamp<std::uint64_t>(batch, least_, burst));
}

void FairShare::set_limit(std::optional<std::uint64_t> rate, TimePoint now) {
  set(total_, rate, now);
  ready_at_ = total_ ? total_->ready_at(now) : TimePoint{};
}

void FairShare::set_limit(Lane& lane, std::optional<std::uint64_t> rate, std::uint32_t weight,
                          TimePoint now) {
  set(lane.limit, rate, now);
  lane.weight = weight;
  if (lane.place != Lane::Place::asleep) return;
  std::erase_if(asleep_, [&](const Asleep& asleep) { return asleep.lane == &lane; });
  std::make_heap(asleep_.begin(), asleep_.end(), later);
  lane.place = Lane::Place::none;
  settle(lane, now);
}

void FairShare::set_limit(Waiter& waiter, std::optional<std::uint64_t> rate, TimePoint now) {
  set(waiter.limit, rate, now);
}

// While there is anything left, a channel that has become ready goes before those of its own swarm
// that wait for a batch. Mostly its peer was just heard: so a source with little upload does not
// spend it on peers that have died. But never before another swarm's, and only once until its turn
// has come: or who talks without a pause would leave nothing to those who wait (12.6.6).
std::uint64_t FairShare::allowance(Lane& lane, Waiter& waiter, bool turn, TimePoint now) {
  std::uint64_t allowed = ~std::uint64_t{0};
  if (!enforced(lane, waiter)) return allowed;
  if (!turn && total_ && others_wait(lane)) return 0;
  if (!turn && waiter.was_early && others_wait(lane, waiter)) return 0;
  for (std::unique_ptr<Limit>* limit : {&total_, &lane.limit, &waiter.limit}) {
    if (*limit) allowed = std::min<std::uint64_t>(allowed, (*limit)->bucket.available(now));
  }
  return allowed;
}

bool FairShare::others_wait(const Lane& lane) const {
  return queue_.size() > 1 || (queue_.size() == 1 && queue_.front().lane != &lane);
}

bool FairShare::others_wait(const Lane& lane, const Waiter& waiter) {
  const bool alone = lane.first == &waiter && waiter.next == nullptr;
  return lane.first != nullptr && !alone;
}

void FairShare::take(Lane& lane, Waiter& waiter, std::uint64_t bytes, bool turn, TimePoint now) {
  if (!enforced(lane, waiter)) return;
  if (!turn && others_wait(lane, waiter)) waiter.was_early = true;
  for (std::unique_ptr<Limit>* limit : {&total_, &lane.limit, &waiter.limit}) {
    if (*limit) (*limit)->bucket.take(bytes, now);
  }
  if (!total_) return;
  ready_at_ = total_->ready_at(now);
  lane.position = std::max(lane.position, position_);
  position_ = lane.position;
  lane.position += distance(bytes, lane.weight);
}

std::optional<TimePoint> FairShare::wait(Lane& lane, Waiter& waiter, TimePoint now) {
  if (waiter.waiting) return std::nullopt;
  if (waiter.limit && waiter.limit->available(now) == 0) return waiter.limit->ready_at(now);
  waiter.waiting = true;
  waiter.previous = lane.last;
  waiter.next = nullptr;
  (lane.last != nullptr ? lane.last->next : lane.first) = &waiter;
  lane.last = &waiter;
  settle(lane, now);
  return std::nullopt;
}

void FairShare::settle(Lane& lane, TimePoint now) {
  if (lane.place != Lane::Place::none || lane.first == nullptr) return;
  if (lane.limit && lane.limit->available(now) == 0) {
    lane.place = Lane::Place::asleep;
    asleep_.push_back({lane.limit->ready_at(now), ++order_, &lane});
    std::push_heap(asleep_.begin(), asleep_.end(), later);
  } else {
    enqueue(lane);
  }
}

void FairShare::enqueue(Lane& lane) {
  const std::uint64_t credit = distance(kCredit, lane.weight);
  lane.position = std::max(lane.position, position_ - std::min(position_, credit));
  lane.place = Lane::Place::queued;
  queue_.push_back({lane.position, ++order_, &lane});
  std::push_heap(queue_.begin(), queue_.end(), behind);
}

void FairShare::wake_lanes(TimePoint now) {
  while (!asleep_.empty() && asleep_.front().until <= now) {
    Lane& lane = *asleep_.front().lane;
    std::pop_heap(asleep_.begin(), asleep_.end(), later);
    asleep_.pop_back();
    enqueue(lane);
  }
}

FairShare::Waiter* FairShare::next(TimePoint now) {
  if (!asleep_.empty()) wake_lanes(now);
  if (queue_.empty() || (total_ && now < ready_at_)) return nullptr;
  Lane& lane = *queue_.front().lane;
  std::pop_heap(queue_.begin(), queue_.end(), behind);
  queue_.pop_back();
  lane.place = Lane::Place::none;
  Waiter* const waiter = lane.first;
  PPSPP_ASSERT(waiter != nullptr);
  unlink(lane, *waiter);
  waiter->was_early = false;
  return waiter;
}

TimePoint FairShare::deadline() const {
  TimePoint first = asleep_.empty() ? kNever : asleep_.front().until;
  if (!queue_.empty()) first = std::min(first, total_ ? ready_at_ : TimePoint{});
  return first;
}

void FairShare::unlink(Lane& lane, Waiter& waiter) {
  (waiter.previous != nullptr ? waiter.previous->next : lane.first) = waiter.next;
  (waiter.next != nullptr ? waiter.next->previous : lane.last) = waiter.previous;
  waiter.previous = waiter.next = nullptr;
  waiter.waiting = false;
}

void FairShare::remove(Lane& lane, Waiter& waiter) {
  if (waiter.waiting) unlink(lane, waiter);
  if (lane.first == nullptr) remove(lane);
}

void FairShare::remove(Lane& lane) {
  PPSPP_ASSERT(lane.first == nullptr);
  const auto is_lane = [&](const auto& entry) { return entry.lane == &lane; };
  if (lane.place == Lane::Place::queued) {
    std::erase_if(queue_, is_lane);
    std::make_heap(queue_.begin(), queue_.end(), behind);
  } else if (lane.place == Lane::Place::asleep) {
    std::erase_if(asleep_, is_lane);
    std::make_heap(asleep_.begin(), asleep_.end(), later);
  }
  lane.place = Lane::Place::none;
}

void FairShare::check_invariants() const {
  PPSPP_ASSERT(std::is_heap(queue_.begin(), queue_.end(), behind));
  PPSPP_ASSERT(std::is_heap(asleep_.begin(), asleep_.end(), later));
  for (const Queued& queued : queue_) {
    PPSPP_ASSERT(queued.lane->place == Lane::Place::queued && queued.lane->first != nullptr);
  }
  for (const Asleep& asleep : asleep_) {
    PPSPP_ASSERT(asleep.lane->place == Lane::Place::asleep && asleep.lane->first != nullptr);
  }
}

}  // namespace ppspp
