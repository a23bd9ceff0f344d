// Any sequence of sends, ACKs with any delay, losses, timeouts and jumps of the clock keeps window
// and flight in bounds, and no arithmetic overflows (run it under UndefinedBehaviorSanitizer).
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <span>

#include "congestion/ledbat.h"
#include "congestion/pacer.h"
#include "congestion/rtt_estimator.h"
#include "fuzz_input.h"

namespace {

using namespace ppspp;
using fuzz::Input;
using fuzz::require;

std::int64_t any(Input& input) {
  return static_cast<std::int64_t>(input.number(8));
}

LedbatOptions options_of(Input& input) {
  LedbatOptions options;
  const auto flags = input.number(1);
  options.slow_start = (flags & 1) != 0;
  options.slowdown = (flags & 2) != 0;
  options.multiplicative_decrease = (flags & 4) != 0;
  options.gain_scaling = (flags & 8) != 0;
  if ((flags & 16) != 0) {
    options.target = Microseconds{any(input)};
    options.base_history_minutes = static_cast<int>(input.number(1));
    options.max_window_bytes = input.number(8);
    options.initial_rtt = Microseconds{any(input)};
  }
  return options;
}

class Sender {
 public:
  explicit Sender(Input& input)
      : input_(input),
        options_(options_of(input)),
        now_(Microseconds{any(input)}),
        ledbat_(options_, segment_, now_),
        rtt_(options_),
        pacer_(input.number(8), input.number(8), now_) {}

  void step() {
    switch (input_.number(1) % 12) {
      case 0:
        return send(segment_);
      case 1:
        return send(input_.number(8));
      case 2:
        return acknowledge(segment_, static_cast<std::int64_t>(input_.number(2)));
      case 3:
        return acknowledge(input_.number(8), any(input_));
      case 4:
        return acknowledge(input_.number(3), std::nullopt);
      case 5:
        return lose(input_.number(3), now_);
      case 6:
        return lose(input_.number(8), TimePoint{Microseconds{any(input_)}});
      case 7:
        return ledbat_.on_spurious_loss(now_);
      case 8:
        return time_out();
      case 9:
        return pass(static_cast<std::int64_t>(input_.number(2)));
      case 10:
        now_ = TimePoint{Microseconds{any(input_)}};
        return;
      default:
        segment_ = input_.number(3);
        return ledbat_.set_segment_size(segment_);
    }
  }

  void check() {
    const std::size_t window = ledbat_.window();
    // One segment at least (they are taken for between 1 octet and 1 MiB), two megabytes beyond the
    // largest window for the smallest window of large segments.
    require(window >= 1);
    require(window <= (std::size_t{1} << 40) + (std::size_t{2} << 20));
    require(ledbat_.flight_size() <= std::size_t{1} << 40);
    require(ledbat_.available() <= window);
    require(ledbat_.pacing_rate(rtt_.smoothed()) > 0);
    const auto queue = ledbat_.queueing_delay();
    require(!queue || queue->count() >= 0);
    require(rtt_.smoothed() > Microseconds{0} && rtt_.minimum() > Microseconds{0});
    require(rtt_.rto(3) > Microseconds{0} && rtt_.loss_delay() > Microseconds{0});
    require(pacer_.ready_at(segment_, now_) >= now_);
  }

 private:
  void send(std::size_t bytes) {
    const std::size_t before = ledbat_.flight_size();
    ledbat_.on_sent(bytes, now_);
    require(ledbat_.flight_size() >= before);
    pacer_.take(bytes, now_);
  }

  void acknowledge(std::size_t bytes, std::optional<std::int64_t> delay) {
    const Microseconds sample{static_cast<std::int64_t>(input_.number(3))};
    if (sample.count() % 2 == 0) {
      rtt_.on_sample(sample, now_);
      ledbat_.on_rtt_sample(sample, now_);
    }
    const std::size_t before = ledbat_.flight_size();
    const Microseconds rtt = sample.count() % 16 == 1 ? Microseconds{any(input_)} : rtt_.smoothed();
    ledbat_.on_ack(bytes, delay, rtt, sample.count() % 8 < 2, now_);
    require(ledbat_.flight_size() == (bytes < before ? before - bytes : 0));
    pacer_.set(ledbat_.pacing_rate(rtt_.smoothed()), bytes, now_);
  }

  void lose(std::size_t bytes, TimePoint sent_at) {
    const std::size_t before = ledbat_.window();
    ledbat_.on_loss(bytes, sent_at, rtt_.smoothed(), now_);
    require(ledbat_.window() <= before);
  }

  void time_out() {
    ledbat_.on_timeout(now_);
    require(ledbat_.window() <= std::size_t{1} << 20);
    ledbat_.on_discarded(input_.number(2));
  }

  void pass(std::int64_t milliseconds) {
    const Microseconds step{milliseconds * 1'000};
    now_ = now_ > TimePoint::max() - step ? TimePoint::max() : now_ + step;
  }

  Input& input_;
  std::size_t segment_ = 1'200;
  LedbatOptions options_;
  TimePoint now_;
  LedbatController ledbat_;
  RttEstimator rtt_;
  TokenBucket pacer_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input(data, size);
  Sender sender(input);
  while (!input.at_end()) {
    sender.step();
    sender.check();
  }
  return 0;
}
