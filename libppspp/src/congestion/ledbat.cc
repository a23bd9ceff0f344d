#include "congestion/ledbat.h"

#include <algorithm>
#include <limits>

#include "congestion/duration.h"

namespace ppspp {
namespace {

// The window must hold a number of octets that any computation here can take.
constexpr std::size_t kLargestWindow = std::size_t{1} << 40;
constexpr std::size_t kLargestSegment = std::size_t{1} << 20;
constexpr double kSlowStartPacing = 2.0;  // so that a round trip can double the flight
// With every slowdown a flow gives up so much of its window that this share is left, and wins it
// back at a rate that does not depend on the window: so shares become equal. What is given up stood
// in the queue.
constexpr double kAfterSlowdown = 0.6;
// Weight of a segment in the share that is lost: with 5 % lost at random it comes to 10 % hardly
// ever (3.6 standard deviations), with half of all lost to 20 % within 70 segments.
constexpr double kLossWeight = 1.0 / 128;

// Into what RFC 6817, section 2.5, permits: these are its MUSTs.
LedbatOptions permitted(LedbatOptions options) {
  options.target = std::clamp(options.target, Microseconds{1'000}, Microseconds{100'000});
  options.gain = std::clamp(options.gain, 0.01, 1.0);
  options.decrease_gain = std::clamp(options.decrease_gain, options.gain, 16.0);
  options.min_window_segments = std::clamp<std::size_t>(options.min_window_segments, 1, 2);
  options.allowed_increase_segments =
      std::clamp<std::size_t>(options.allowed_increase_segments, 1, 1024);
  options.max_window_bytes = std::min(options.max_window_bytes, kLargestWindow);
  options.pacing_gain = std::clamp(options.pacing_gain, 1.0, 16.0);
  options.pacing_burst = std::clamp(options.pacing_burst, Microseconds{0}, Microseconds{1'000'000});
  return options;
}

double usable_segment(std::size_t bytes) {
  return static_cast<double>(std::clamp<std::size_t>(bytes, 1, kLargestSegment));
}

// RFC 5681, section 3.1, whose initial window is the most that RFC 6817 permits.
std::size_t largest_initial_segments(double segment) {
  if (segment > 2190.0) return 2;
  return segment > 1095.0 ? 3 : 4;
}

double initial_window(const LedbatOptions& options, double segment) {
  const std::size_t most = largest_initial_segments(segment);
  return segment *
         static_cast<double>(std::clamp<std::size_t>(options.initial_window_segments, 1, most));
}

double count_of(Microseconds duration) {
  return static_cast<double>(duration.count());
}

}  // namespace

LedbatController::LedbatController(const LedbatOptions& options, std::size_t segment_bytes,
                                   TimePoint now, Microseconds ahead)
    : options_(permitted(options)),
      target_us_(count_of(options_.target)),
      segment_(usable_segment(segment_bytes)),
      window_(initial_window(options_, segment_)),
      threshold_(static_cast<double>(kLargestWindow)),
      slow_start_(options_.slow_start),
      queue_(options_.target, options_.base_history_minutes),
      round_begin_(now),
      rtt_(usable_rtt(options_.initial_rtt)),
      steady_at_(now),
      slowdown_(ahead, now) {}

void LedbatController::set_segment_size(std::size_t bytes) {
  segment_ = usable_segment(bytes);
}

void LedbatController::on_sent(std::size_t bytes, TimePoint now) {
  flight_ += std::min(bytes, kLargestWindow - std::min(flight_, kLargestWindow));
  note_flight(rtt_, now);
  advance(now);
}

void LedbatController::on_rtt_sample(Microseconds rtt, TimePoint now) {
  queue_.on_rtt_sample(rtt, now);
}

void LedbatController::on_ack(std::size_t bytes, std::optional<std::int64_t> delay,
                              Microseconds rtt, bool app_limited, TimePoint now) {
  rtt_ = usable_rtt(rtt);
  app_limited_ = app_limited;
  note_flight(rtt_, now);
  const double acked = static_cast<double>(std::min(bytes, flight_));
  note_outcome(bytes, 0.0);
  anything_acked_ = true;
  leave_flight(bytes);
  if (delay) {
    queue_.on_sample(*delay, rtt_, now);
    queueing_delay_ = queue_.over_round_trip(rtt_, now);
    if (queueing_delay_) queue_seen_ = std::max(queue_seen_, *queueing_delay_);
  }
  check_slowdown(rtt_, now);
  if (slowdown_.active()) return;
  // Without samples of this round trip the delay says nothing; a path that never had any is left
  // with the reaction to loss, as TCP is.
  const auto queue = slow_start_ ? queue_.lately(rtt_, now) : queue_.over_round_trip(rtt_, now);
  if (!queue && queue_.has_base()) return;
  const Microseconds waiting = queue.value_or(Microseconds{0});
  const double before = window_;
  if (slow_start_) {
    grow_in_slow_start(acked, waiting, now);
  } else if (waiting <= options_.target) {
    grow(acked, waiting);
  } else if (now >= steady_at_) {
    shrink(acked, waiting, rtt_);
  }
  limit_to_use(before);
}

void LedbatController::on_loss(std::size_t bytes, TimePoint sent_at, Microseconds rtt,
                               TimePoint now) {
  note_outcome(bytes, 1.0);
  leave_flight(bytes);
  if (tolerates_loss()) return;
  const bool of_last_halving =
      halved_at_ && (sent_at <= *halved_at_ || elapsed(now, *halved_at_) < usable_rtt(rtt));
  if (of_last_halving) {
    if (undo_) ++undo_->losses;
    return;
  }
  undo_ = Undo{window_, threshold_, slow_start_, 1};
  halved_at_ = now;
  decrease_for_loss();
}

void LedbatController::on_spurious_loss(TimePoint /*now*/) {
  if (!undo_ || --undo_->losses > 0) return;
  window_ = std::max(window_, undo_->window);
  threshold_ = undo_->threshold;
  slow_start_ = undo_->slow_start;
  undo_.reset();
}

void LedbatController::on_timeout(TimePoint now) {
  // A second timeout in a row says nothing new about what the path could carry; where losses are
  // tolerated, nor does the first.
  if (window_ > segment_ && !tolerates_loss()) {
    threshold_ = std::max(window_ / 2.0, segments(2.0));
  }
  window_ = segment_;
  slow_start_ = options_.slow_start;
  halved_at_ = now;
  undo_.reset();
  slowdown_.end();
}

void LedbatController::advance(TimePoint now) {
  if (slowdown_.over(now)) check_slowdown(rtt_, now);
}

void LedbatController::on_discarded(std::size_t bytes) {
  leave_flight(bytes);
}

std::size_t LedbatController::window() const {
  const double window = slowdown_.active() ? std::min(window_, min_window()) : window_;
  return static_cast<std::size_t>(window);
}

std::size_t LedbatController::available() const {
  const std::size_t allowed = window();
  return allowed > flight_ ? allowed - flight_ : 0;
}

std::uint64_t LedbatController::pacing_rate(Microseconds rtt) const {
  const double gain =
      slow_start_ ? std::max(kSlowStartPacing, options_.pacing_gain) : options_.pacing_gain;
  const double rate = gain * static_cast<double>(window()) * 1e6 / count_of(usable_rtt(rtt));
  return std::max<std::uint64_t>(static_cast<std::uint64_t>(std::min(rate, 1e18)), 1);
}

std::size_t LedbatController::pacing_burst(Microseconds rtt) const {
  const double time = count_of(options_.pacing_burst) / count_of(usable_rtt(rtt));
  return static_cast<std::size_t>(std::min(static_cast<double>(window()) * time, 1e12));
}

double LedbatController::segments(double count) const {
  return segment_ * count;
}

double LedbatController::min_window() const {
  return segments(static_cast<double>(options_.min_window_segments));
}

void LedbatController::leave_flight(std::size_t bytes) {
  flight_ -= std::min(bytes, flight_);
}

void LedbatController::note_flight(Microseconds rtt, TimePoint now) {
  const double flight = static_cast<double>(flight_);
  if (elapsed(now, round_begin_) >= rtt) {
    round_begin_ = now;
    flight_peak_before_ = flight_peak_;
    flight_peak_ = flight;
  }
  flight_peak_ = std::max(flight_peak_, flight);
}

// RFC 5681, section 3.1.
void LedbatController::grow_in_slow_start(double acked, Microseconds queue, TimePoint now) {
  if (queue >= options_.target / 2) return end_slow_start(now);
  window_ += acked;
  if (window_ >= threshold_) {
    window_ = std::max(threshold_, min_window());
    slow_start_ = false;
  }
}

// RFC 6817, section 2.4.2: at most GAIN segments in a round trip, fewer as the queue nears the
// target.
void LedbatController::grow(double acked, Microseconds queue) {
  double gain = options_.gain;
  if (options_.gain_scaling) {
    const Microseconds base = queue_.base_rtt(rtt_);
    const auto divisor = (2 * options_.target + base - Microseconds{1}) / base;
    gain /= static_cast<double>(std::clamp<std::int64_t>(divisor, 1, 16));
  }
  const double off_target = (target_us_ - count_of(queue)) / target_us_;
  window_ += gain * off_target * segment_ * acked / window_;
}

void LedbatController::shrink(double acked, Microseconds queue, Microseconds rtt) {
  const double excess = count_of(queue) - target_us_;
  // RFC 6817: in segments per round trip, by how many targets the queue is too long.
  double share = options_.decrease_gain * excess / target_us_ * segment_ / window_;
  // Of the octets in flight, excess/rtt stand in the queue beyond the target. To take them away is
  // a decrease in proportion to the window, and therefore makes the shares of several flows equal.
  if (options_.multiplicative_decrease) {
    share = std::max(share, options_.decrease_gain * excess / count_of(rtt));
  }
  window_ = std::max(window_ - std::min(share, 0.5) * acked, std::min(window_, min_window()));
}

// RFC 6817, 2.4.2 and 2.5 (ALLOWED_INCREASE): the window follows what was in flight in the last
// round trips. Growth beyond that is refused to everybody, a larger window is taken only from a
// sender who had no use for it.
void LedbatController::limit_to_use(double window_before) {
  const double used = std::max(flight_peak_, flight_peak_before_) * (slow_start_ ? 2.0 : 1.0);
  const double allowed = used + segments(static_cast<double>(options_.allowed_increase_segments));
  if (app_limited_) {
    window_ = std::min(window_, allowed);
  } else if (window_ > window_before) {
    window_ = std::max(window_before, std::min(window_, allowed));
  }
  const auto most = static_cast<double>(options_.max_window_bytes);
  window_ = std::max(std::min(window_, most), min_window());
}

// The queue of which we hear was made a round trip ago, by half of the window of today. What will
// be lost of that window has then been answered already.
void LedbatController::end_slow_start(TimePoint now) {
  slow_start_ = false;
  window_ = std::max(window_ / 2.0, std::min(window_, min_window()));
  threshold_ = window_;
  halved_at_ = now;
  undo_.reset();
  steady_at_ = time_after(now, rtt_);
}

void LedbatController::note_outcome(std::size_t bytes, double lost) {
  const double weight = std::min(static_cast<double>(bytes) / segment_ * kLossWeight, 0.5);
  loss_share_ += (lost - loss_share_) * weight;
}

bool LedbatController::tolerates_loss() const {
  const bool uncongested =
      queueing_delay_ ? *queueing_delay_ < options_.target / 4 : !anything_acked_;
  return uncongested && loss_share_ < options_.tolerated_loss;
}

// RFC 6817, section 2.4.2: cwnd = min(cwnd, max(cwnd / 2, MIN_CWND * MSS)).
void LedbatController::decrease_for_loss() {
  window_ = std::min(window_, std::max(window_ * options_.loss_decrease, min_window()));
  threshold_ = window_;
  slow_start_ = false;
}

void LedbatController::check_slowdown(Microseconds rtt, TimePoint now) {
  if (slowdown_.over(now)) {
    slowdown_.end();
    queue_seen_ = Microseconds{0};
    window_ = std::max(window_ * after_slowdown_, std::min(window_, min_window()));
    // What flew in the meantime is no measure of what the application can use.
    flight_peak_ = std::max(flight_peak_, window_);
  }
  if (!options_.slowdown) return;
  if (queue_.take_base_fell()) slowdown_.hasten(now);
  if (slowdown_.due(now)) begin_slowdown(rtt, now);
}

void LedbatController::begin_slowdown(Microseconds rtt, TimePoint now) {
  const Microseconds base_rtt = queue_.base_rtt(rtt);
  // Nothing to drain, or nothing to drain it with. That a busy path shows no queue proves nothing:
  // its base may be the queue of others.
  const bool idle = app_limited_ && queue_seen_ < options_.target / 4;
  const bool needless = idle || window_ < segments(4.0);
  if (slow_start_ || needless) return slowdown_.skip(base_rtt, now);
  slowdown_.begin(rtt, base_rtt, now);
  // But never less than fills the path when its queue is empty.
  after_slowdown_ = std::max(kAfterSlowdown, count_of(base_rtt) / count_of(rtt));
}

}  // namespace ppspp
