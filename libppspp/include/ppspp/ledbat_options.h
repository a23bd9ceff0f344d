// The parameters of congestion control: RFC 6817 and what is known to mend it, in one place.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ppspp/time.h"

namespace ppspp {

struct LedbatOptions {
  // The queueing delay that the controller aims at. RFC 6817 2.5: at most 100 ms. A smaller one is
  // kinder to calls and games and fills short queues less; below about 10 ms the noise of clocks and
  // schedulers is taken for a queue.
  Microseconds target{60'000};

  // Window growth per window acknowledged, in segments, when the queue is empty. RFC 6817 2.5: at
  // most 1, as fast as Reno.
  double gain = 1.0;
  // Of the decrease above the target, relative to `gain` (6817 2.5 allows more than 1).
  double decrease_gain = 1.0;

  std::size_t initial_window_segments = 10;  // RFC 6928; 2 is what RFC 6817 says SHOULD
  std::size_t min_window_segments = 2;
  std::size_t max_window_bytes = std::size_t{64} << 20;

  // How far the window may outgrow what the application has in flight (6817, ALLOWED_INCREASE).
  std::size_t allowed_increase_segments = 1;

  int base_history_minutes = 10;  // BASE_HISTORY: minutes of minima; an idle minute counts as nothing

  bool slow_start = true;  // until half the target, or the first loss

  // Loss: so many later datagrams acknowledged, or this share of the RTT later (RFC 9002, 6.1).
  int reordering_datagrams = 3;
  double reordering_rtt = 9.0 / 8.0;

  Microseconds min_rto{200'000};      // the floor of CTO
  Microseconds max_rto{60'000'000};   // 6817 2.4.2: an upper bound of CTO is at least 60 s
  Microseconds initial_rtt{250'000};  // before the first sample

  double pacing_gain = 1.25;             // of window / RTT: above 1, or the window is never used up
  Microseconds pacing_burst{2'000};      // what may leave back to back, in time at the paced rate
  std::size_t min_burst_segments = 10;   // and at least so many segments

  // Periodic slowdowns (LEDBAT++): let the queue drain so that the base delay is seen again. They
  // keep several flows of ours at one target instead of the sum of theirs.
  bool slowdown = true;
};

}  // namespace ppspp
