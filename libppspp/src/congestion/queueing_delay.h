// How long datagrams wait in queues on the way to the peer: the current one-way delay over the base
// delay (RFC 6817, section 3.1), held against the round-trip time, which no clock of the peer can
// distort.
//
// The round trip less its minimum is never shorter than the queue of one direction. So where the
// one-way delay claims more than that, it is the clocks that moved apart (a step, or skew: RFC
// 6817, appendix A), or a sample was absurd. The claim is limited at once, and when it lasts, the
// base delay is moved, instead of being waited out for ten minutes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "congestion/base_delay_history.h"
#include "congestion/current_delay_filter.h"
#include "ppspp/time.h"

namespace ppspp {

class QueueingDelay {
 public:
  QueueingDelay(Microseconds target, int base_history_minutes);

  // One measured round trip. Without any, the smoothed ones stand in, which see less well how short
  // the path is.
  void on_rtt_sample(Microseconds rtt, TimePoint now);
  void on_sample(std::int64_t delay, Microseconds smoothed_rtt, TimePoint now);

  // By the samples of the last round trip. None: there is no sample so young.
  std::optional<Microseconds> over_round_trip(Microseconds smoothed_rtt, TimePoint now) const;
  // By the last four samples or a few more: for slow start, in which a round trip is a doubling.
  std::optional<Microseconds> lately(Microseconds smoothed_rtt, TimePoint now) const;

  bool has_base() const { return base_.minimum().has_value(); }
  std::optional<std::int64_t> base_delay() const { return base_.minimum(); }
  // The shortest round trip of the minutes remembered, else `otherwise`.
  Microseconds base_rtt(Microseconds otherwise) const;

  // Whether the base has since the last call fallen by more than noise: it had been the delay of
  // somebody's queue, or the peer's clock was set back.
  bool take_base_fell();
  void release(TimePoint now) { current_.release(now); }

 private:
  void smooth(std::int64_t delay, TimePoint now);
  void check_clocks(Microseconds smoothed_rtt, TimePoint now);
  Microseconds excess_rtt(Microseconds smoothed_rtt) const;
  std::optional<Microseconds> over_base(std::optional<std::int64_t> delay,
                                        Microseconds smoothed_rtt) const;

  Microseconds noise_;  // differences below it are not worth a reaction
  int base_history_minutes_;
  BaseDelayHistory base_;
  BaseDelayHistory base_rtt_;
  bool has_rtt_samples_ = false;
  CurrentDelayFilter current_;
  bool base_fell_ = false;

  // The one-way delay, smoothed as the round trip is (RFC 6298), to be compared with it.
  std::optional<std::int64_t> smoothed_delay_;
  double smoothed_rest_ = 0.0;  // what the integer above cannot hold

  // The least by which the one-way delay has claimed more than the round trip, since
  // `watch_begin_`.
  std::int64_t watch_minimum_ = 0;
  std::size_t watch_samples_ = 0;
  TimePoint watch_begin_;
};

}  // namespace ppspp
