// The parameters of congestion control: RFC 6817 and what is known to mend it, in one place.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ppspp/time.h"

namespace ppspp {

struct LedbatOptions {
  // The queueing delay that the controller aims at. RFC 6817 2.5: at most 100 ms. A smaller one is
  // kinder to calls and games and fills short queues less; below about 10 ms the noise of clocks
  // and schedulers is taken for a queue.
  Microseconds target{60'000};

  // Window growth per window acknowledged, in segments, when the queue is empty. RFC 6817 2.5: at
  // most 1, as fast as Reno.
  double gain = 1.0;
  // Divides `gain` by min(16, ceil(2 * target / base RTT)), as LEDBAT++ does: kinder to TCP where
  // the queue is too short to reach the target, and up to 16 times slower to fill a link that has
  // become free.
  bool gain_scaling = false;

  // Above the target (RFC 6817 2.5 allows to decrease faster than to increase): take away, per
  // round trip, the share of the window that stands in the queue beyond the target. Otherwise
  // `gain` segments per target, as RFC 6817 has it, which takes seconds to make way for TCP.
  bool multiplicative_decrease = true;
  // Factor of the decrease, at least `gain`. Above 1 the window swings: a decrease shows in the
  // delay only a round trip later.
  double decrease_gain = 1.0;

  // What is left of the window after a loss. RFC 6817 2.4.2: a half.
  double loss_decrease = 0.5;
  // Which share of what is sent may be lost without any decrease, and without an end to slow start,
  // while the queueing delay is below a quarter of the target, so that the loss was none of a queue
  // of ours. Above 0 is beyond RFC 6817.
  double tolerated_loss = 0.0;

  // RFC 6817 2.5: SHOULD be 2, and at most what RFC 5681 permits, which is 4 segments, 3 from 1,096
  // and 2 from 2,191 octets; the controller does not go beyond that.
  std::size_t initial_window_segments = 4;
  std::size_t min_window_segments = 2;  // 1 or 2
  std::size_t max_window_bytes = std::size_t{64} << 20;

  // How far the window may outgrow what the application has in flight (6817, ALLOWED_INCREASE).
  std::size_t allowed_increase_segments = 1;

  int base_history_minutes =
      10;  // BASE_HISTORY: minutes of minima; an idle minute counts as nothing

  bool slow_start = true;  // until half the target, or the first loss

  // Loss: so many later datagrams acknowledged, or this share of the RTT later (RFC 9002, 6.1).
  int reordering_datagrams = 3;
  double reordering_rtt = 9.0 / 8.0;

  Microseconds min_rto{200'000};      // the floor of CTO
  Microseconds max_rto{60'000'000};   // 6817 2.4.2: an upper bound of CTO is at least 60 s
  Microseconds initial_rtt{250'000};  // before the first sample

  double pacing_gain = 1.25;  // of window / RTT: above 1, or the window is never used up
  // What may leave back to back: in time at window / RTT, but at least so many segments.
  Microseconds pacing_burst{2'000};
  std::size_t min_burst_segments = 1;

  // Periodic slowdowns (LEDBAT++): let the queue drain so that the base delay is seen again. They
  // keep several flows of ours at one target instead of the sum of theirs. Every 10 s, or every
  // 100 to 200 round trips where that is longer: 1 to 2 % of the time.
  bool slowdown = true;

  // The profile of live swarms, as 8.15 allows: who watches cannot wait for a link to become idle.
  // Within the bounds of RFC 6817 but for what a loss does; it keeps its share beside TCP longer
  // than the profile of files does, and gives way in the end.
  static constexpr LedbatOptions for_live();
};

constexpr LedbatOptions LedbatOptions::for_live() {
  LedbatOptions live;
  live.target = Microseconds{100'000};  // the most that RFC 6817 permits
  live.decrease_gain = 1.0;
  // A slowdown holds the feed up for two round trips: seconds of buffer for the sake of bulk data.
  live.slowdown = false;
  // A feed sends little at a time: what is due, a subtree of chunks, may leave at once.
  live.min_burst_segments = 32;
  live.allowed_increase_segments = 4;
  // A path that loses five datagrams of a hundred carries what it carries: were the window cut for
  // each of them, even by a twentieth, 20 segments would be all that it has, at 80 ms less than
  // 3 Mbit/s. The feed's own rate bounds what we send; a link that is too slow loses more than
  // this.
  live.loss_decrease = 0.7;
  live.tolerated_loss = 0.2;
  // What is lost at the end of a burst is asked for by probes, long before. One ACK that is lost or
  // late must not close the window.
  live.min_rto = Microseconds{1'000'000};  // RFC 6298, 2.4
  return live;
}

}  // namespace ppspp
