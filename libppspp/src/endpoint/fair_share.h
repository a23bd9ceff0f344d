// One direction of the rate limits: what a channel may send, or ask for, now; and whose turn it is
// when there is not enough for all.
//
// Three limits hold at once: of the endpoint, of the swarm, of the peer. Where that of the endpoint
// binds, the swarms that wait share it by their weights (start-time fair queueing: each has a
// position that moves on with what it takes, the slower the greater its weight, and the last one is
// served first); within a swarm the channels take turns. Who has no use for its share does not
// wait, so that the others have it. Work per turn grows with the logarithm of the number of swarms
// that wait, and with nothing else; nothing is allocated when swarms wait again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "congestion/pacer.h"
#include "ppspp/time.h"
#include "wire/message.h"

namespace ppspp {

class FairShare {
 public:
  struct Lane;

  // Whoever waits is served when there is enough for a batch, not for crumbs.
  struct Limit {
    TokenBucket bucket;
    std::size_t batch;
    TimePoint ready_at(TimePoint now) { return bucket.ready_at(batch, now); }
    std::uint64_t available(TimePoint now) {
      return ready_at(now) <= now ? bucket.available(now) : 0;
    }
  };
  struct Waiter {  // a channel
    ChannelId channel;
    std::unique_ptr<Limit> limit;  // the peer's
    bool waiting = false;
    bool was_early = false;  // it took before those who wait: not again until its turn has come
    Waiter* previous = nullptr;
    Waiter* next = nullptr;
  };
  struct Lane {  // a swarm
    std::uint32_t weight = 100;
    std::unique_ptr<Limit> limit;  // the swarm's
    std::uint64_t position = 0;
    enum class Place : std::uint8_t { none, queued, asleep } place = Place::none;
    Waiter* first = nullptr;  // those that wait, whose turn is next first
    Waiter* last = nullptr;
  };

  // A batch is what `batch` of time brings, but at least `least` octets.
  FairShare(std::size_t least, Microseconds batch) : least_(least), batch_(batch) {}

  // Octets per second; absent or 0: no limit. At once; what was taken before still counts.
  void set_limit(std::optional<std::uint64_t> rate, TimePoint now);
  void set_limit(Lane& lane, std::optional<std::uint64_t> rate, std::uint32_t weight,
                 TimePoint now);
  void set_limit(Waiter& waiter, std::optional<std::uint64_t> rate, TimePoint now);

  // What the channel may take now. Nothing while other swarms wait, unless it is its `turn`.
  std::uint64_t allowance(Lane& lane, Waiter& waiter, bool turn, TimePoint now);
  void take(Lane& lane, Waiter& waiter, std::uint64_t bytes, bool turn, TimePoint now);
  // It would take more, but there is none. When the limit of its peer is the reason: the time at
  // which it may come again; else it is put in its lane, to be returned by next().
  std::optional<TimePoint> wait(Lane& lane, Waiter& waiter, TimePoint now);
  // A turn is over, or a channel has left the lane: the others of the lane wait on.
  void settle(Lane& lane, TimePoint now);

  // Takes out whose turn it is; null: nobody's (yet). settle() its lane when it has taken its part.
  Waiter* next(TimePoint now);
  // When next() is worth another call; kNever: nobody waits.
  TimePoint deadline() const;

  void remove(Lane& lane, Waiter& waiter);  // the channel ends
  void remove(Lane& lane);                  // the swarm is left; nobody waits in it any more

  void check_invariants() const;

 private:
  struct Queued {
    std::uint64_t position;
    std::uint64_t order;  // among equals: who came first
    Lane* lane;
  };
  struct Asleep {
    TimePoint until;
    std::uint64_t order;
    Lane* lane;
  };
  static bool behind(const Queued& a, const Queued& b);
  static bool later(const Asleep& a, const Asleep& b);
  static void unlink(Lane& lane, Waiter& waiter);

  bool enforced(const Lane& lane, const Waiter& waiter) const {
    return total_ || lane.limit || waiter.limit;
  }
  void set(std::unique_ptr<Limit>& limit, std::optional<std::uint64_t> rate, TimePoint now) const;
  bool others_wait(const Lane& lane) const;
  static bool others_wait(const Lane& lane, const Waiter& waiter);
  void enqueue(Lane& lane);
  void wake_lanes(TimePoint now);

  std::size_t least_;
  Microseconds batch_;
  std::unique_ptr<Limit> total_;
  TimePoint ready_at_{};        // of total_: not before
  std::uint64_t position_ = 0;  // of the lane that took last, before it did
  std::uint64_t order_ = 0;
  std::vector<Queued> queue_;   // heaps
  std::vector<Asleep> asleep_;  // they wait for their own limit
};

}  // namespace ppspp
