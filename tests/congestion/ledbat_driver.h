// Drives a LedbatController over a path whose queue is set by hand.
#pragma once

#include <chrono>
#include <cstddef>
#include <deque>

#include "congestion/ledbat.h"
#include "congestion/rtt_estimator.h"

namespace ppspp::test {

inline constexpr std::size_t kSegment = 1'200;

// No slow start and no slowdowns: the controller of RFC 6817 alone.
inline LedbatOptions steady() {
  LedbatOptions options;
  options.slow_start = false;
  options.slowdown = false;
  return options;
}

class Driver {
 public:
  // Grown to `segments` on an empty path, where not 0.
  Driver(const LedbatOptions& options, std::size_t segments)
      : ledbat(options, kSegment, now), rtt(options) {
    while (ledbat.window() < segments * kSegment) round_trips(1);
  }

  void round_trips(int count) {
    for (int i = 0; i < count; ++i) round_trip();
  }

  void sleep(Microseconds time) { now += time; }

  void send_window() {
    while (ledbat.available() >= kSegment && (app_limit == 0 || in_flight < app_limit)) {
      ledbat.on_sent(kSegment, now);
      ++in_flight;
    }
  }

  void acknowledge(std::size_t number_in_flight) {
    const Microseconds path = base_rtt + queue;
    rtt.on_sample(path, now);
    ledbat.on_rtt_sample(path, now);
    const Microseconds delay = base_rtt / 2 + queue + clock;
    ledbat.on_ack(kSegment, delay.count(), rtt.smoothed(), app_limit != 0, now);
    in_flight -= number_in_flight;
  }

  TimePoint now{std::chrono::hours(1)};
  LedbatController ledbat;
  RttEstimator rtt;
  Microseconds base_rtt{40'000};
  Microseconds queue{0};
  Microseconds clock{0};      // of the peer, over ours
  std::size_t app_limit = 0;  // segments that the application has in flight at most; 0: no limit
  std::size_t in_flight = 0;

 private:
  // Hears of all that is in flight, spread over a round trip, and sends in its place.
  void round_trip() {
    send_window();
    const std::size_t flight = in_flight;
    const Microseconds path = base_rtt + queue;
    const TimePoint end = now + path;
    for (std::size_t i = 0; i < flight; ++i) {
      now += path / static_cast<std::int64_t>(flight);
      acknowledge(1);
      send_window();
    }
    now = end;
  }
};

}  // namespace ppspp::test
