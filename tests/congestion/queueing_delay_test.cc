#include "congestion/queueing_delay.h"

#include <doctest/doctest.h>

#include <chrono>
#include <limits>

namespace ppspp {
namespace {

using namespace std::chrono_literals;

constexpr Microseconds kBaseRtt = 40ms;

// A path whose queue is set by hand: the round trip is honest, the clock of the peer is not.
class Path {
 public:
  // One datagram each millisecond.
  void run(Microseconds time, Microseconds queue) {
    for (Microseconds passed{0}; passed < time; passed += 1ms) sample(queue);
  }
  void sample(Microseconds queue) {
    now_ += 1ms;
    const Microseconds rtt = kBaseRtt + queue;
    smoothed_ += (rtt - smoothed_) / 8;
    delay_.on_rtt_sample(rtt, now_);
    delay_.on_sample((clock + queue).count(), smoothed_, now_);
  }
  Microseconds measured() const { return *delay_.over_round_trip(smoothed_, now_); }
  QueueingDelay& delay() { return delay_; }

  Microseconds clock{0};  // of the peer, over ours

 private:
  QueueingDelay delay_{Microseconds{60ms}, 10};
  TimePoint now_{1h};
  Microseconds smoothed_ = kBaseRtt;
};

}  // namespace

TEST_SUITE("congestion/queueing_delay") {
  TEST_CASE("it is the current delay over the base delay, whatever the clocks say") {
    Path path;
    path.clock = -77h;
    path.run(1s, 0ms);
    CHECK(path.measured() == 0ms);
    path.run(1s, 35ms);
    CHECK(path.measured() == 35ms);
    CHECK(path.delay().base_delay() == Microseconds(-77h).count());
  }

  TEST_CASE("before the first sample there is none") {
    const QueueingDelay delay(60ms, 10);
    CHECK(!delay.over_round_trip(40ms, TimePoint{1h}));
    CHECK(!delay.base_delay());
  }

  TEST_CASE("a clock set back is the new base at once, and said to be") {
    Path path;
    path.run(1s, 20ms);
    CHECK(!path.delay().take_base_fell());
    path.clock = -1h;
    path.sample(20ms);
    CHECK(path.measured() == 0ms);
    CHECK(path.delay().take_base_fell());
    CHECK(!path.delay().take_base_fell());
  }

  TEST_CASE(
      "a clock set forward costs a quarter of the target at first, and nothing after a second") {
    for (const Microseconds step : {Microseconds(80ms), Microseconds(1h), Microseconds(10'000h)}) {
      CAPTURE(step.count());
      Path path;
      path.run(1s, 0ms);
      path.run(1s, 20ms);
      path.clock += step;
      path.run(50ms, 20ms);
      CHECK(path.measured() <= 35ms);
      path.run(1s, 20ms);
      CHECK(path.measured() >= 12ms);
      CHECK(path.measured() <= 28ms);
    }
  }

  TEST_CASE(
      "skew of the peer's clock never adds up to more than a fraction of the target (6817:A.2)") {
    Path path;
    for (int second = 0; second < 600; ++second) {
      path.clock += 200us;  // 200 ppm, 120 ms in all
      path.run(1s, 20ms);
      CHECK(path.measured() <= 36ms);
    }
    CHECK(path.measured() >= 5ms);
  }

  TEST_CASE("a queue, however long, is not taken for a step of the clock") {
    Path path;
    path.run(1s, 0ms);
    path.run(60s, 290ms);
    CHECK(path.measured() == 290ms);
    for (int i = 0; i < 300; ++i) path.run(50ms, Microseconds(i * 1ms));
    CHECK(path.measured() >= 270ms);
  }

  TEST_CASE("one absurd sample costs no more than a fraction of the target") {
    for (const Microseconds absurd :
         {Microseconds::min(), Microseconds::max(), Microseconds(-1h), Microseconds(-50ms)}) {
      CAPTURE(absurd.count());
      Path path;
      path.run(1s, 0ms);
      path.run(1s, 30ms);
      path.delay().on_sample(absurd.count(), 70ms, TimePoint{1h + 2s});
      path.run(2s, 30ms);
      CHECK(path.measured() <= 46ms);
    }
  }
}

}  // namespace ppspp
