#include "congestion/bottleneck.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace ppspp::test {

void Simulation::schedule(TimePoint when, std::function<void()> what) {
  queue_.push({std::max(when, now_), events_++, std::move(what)});
}

void Simulation::run_until(TimePoint end) {
  while (!queue_.empty() && queue_.top().when <= end) {
    now_ = queue_.top().when;
    const auto what = std::move(queue_.top().what);
    queue_.pop();
    what();
  }
  now_ = end;
}

Microseconds Simulation::queue_delay() const {
  return std::max(free_at_ - now_, Microseconds{0});
}

std::optional<TimePoint> Simulation::transmit(std::size_t bytes) {
  stall();
  if (link_.loss > 0 && static_cast<double>(rng_.below(1'000'000)) < link_.loss * 1e6) {
    return std::nullopt;
  }
  while (!departures_.empty() && departures_.front().first <= now_) {
    queued_bytes_ -= departures_.front().second;
    departures_.pop_front();
  }
  if (queued_bytes_ + bytes > link_.queue_bytes) return std::nullopt;
  const double takes = static_cast<double>(bytes) / link_.rate * 1e6 + free_rest_us_;
  const auto whole = static_cast<std::int64_t>(takes);
  free_rest_us_ = takes - static_cast<double>(whole);
  free_at_ = std::max(free_at_, now_) + Microseconds{whole};
  departures_.emplace_back(free_at_, bytes);
  queued_bytes_ += bytes;
  return free_at_ + link_.forward;
}

void Simulation::stall() {
  if (link_.stall_interval.count() == 0 || now_ < next_stall_) return;
  const auto draw = [this](Microseconds bound) {
    return Microseconds{
        static_cast<std::int64_t>(rng_.below(static_cast<std::uint64_t>(bound.count())))};
  };
  free_at_ = std::max(free_at_, now_) + link_.stall_shortest +
             draw(link_.stall_longest - link_.stall_shortest);
  next_stall_ = free_at_ + draw(2 * link_.stall_interval);
}

double QueueMeter::mean_ms() const {
  double sum = 0.0;
  for (const Microseconds delay : delays_) sum += static_cast<double>(delay.count());
  return sum / 1e3 / static_cast<double>(std::max<std::size_t>(delays_.size(), 1));
}

double QueueMeter::percentile_ms(double share) const {
  auto sorted = delays_;
  std::sort(sorted.begin(), sorted.end());
  if (sorted.empty()) return 0.0;
  const auto index = static_cast<std::size_t>(share * static_cast<double>(sorted.size() - 1));
  return static_cast<double>(sorted[index].count()) / 1e3;
}

void QueueMeter::sample() {
  delays_.push_back(simulation_.queue_delay());
  simulation_.schedule(simulation_.now() + interval_, [this] { sample(); });
}

void Flow::start(TimePoint when) {
  sim_.schedule(when, [this] { resume(); });
}

void Flow::resume() {
  stopped_ = false;
  progress_at_ = sim_.now();
  pump();
}

void Flow::pump() {
  std::optional<TimePoint> ask_again;
  while (!stopped_ && may_send(ask_again)) send();
  if (stopped_ || !ask_again || *ask_again >= wake_at_) return;
  wake_at_ = std::max(*ask_again, sim_.now() + Microseconds{1});
  sim_.schedule(wake_at_, [this, when = wake_at_] {
    if (wake_at_ != when) return;
    wake_at_ = kNever;
    pump();
  });
}

void Flow::send() {
  Sent sent{next_number_++, sim_.now(), false};
  if (in_flight_.empty()) progress_at_ = sim_.now();
  on_sent(sent.app_limited);
  in_flight_.push_back(sent);
  if (const auto arrival = sim_.transmit(segment_)) {
    sim_.schedule(*arrival + sim_.link().backward,
                  [this, number = sent.number, when = *arrival] { receive_ack(number, when); });
  }
  arm_timer();
}

void Flow::receive_ack(std::uint64_t number, TimePoint arrived) {
  const auto found =
      std::lower_bound(in_flight_.begin(), in_flight_.end(), number,
                       [](const Sent& sent, std::uint64_t n) { return sent.number < n; });
  delivered_ += segment_;
  if (found != in_flight_.end() && found->number == number) {
    const Sent sent = *found;
    in_flight_.erase(found);
    progress_at_ = sim_.now();
    on_acked(sent, arrived);
    detect_losses(number);
  }
  pump();
}

void Flow::detect_losses(std::uint64_t acknowledged) {
  std::size_t count = 0;
  TimePoint newest{};
  while (!in_flight_.empty() && in_flight_.front().number + 3 <= acknowledged) {
    newest = in_flight_.front().sent_at;
    in_flight_.pop_front();
    ++count;
  }
  lost_ += count;
  if (count > 0) on_lost(count, newest);
}

void Flow::arm_timer() {
  if (timer_armed_ || in_flight_.empty()) return;
  timer_armed_ = true;
  sim_.schedule(progress_at_ + timeout(), [this] {
    timer_armed_ = false;
    if (!in_flight_.empty() && sim_.now() >= progress_at_ + timeout()) {
      const std::size_t count = in_flight_.size();
      in_flight_.clear();
      lost_ += count;
      ++timeouts_;
      progress_at_ = sim_.now();
      on_timeout(count);
      pump();
    }
    arm_timer();
  });
}

LedbatFlow::LedbatFlow(Simulation& simulation, const LedbatFlowConfig& config)
    : Flow(simulation, config.segment),
      config_(config),
      controller_(config.options, config.segment, now()),
      rtt_(config.options),
      pacer_(0, config.segment, simulation.now()),
      application_(config.app_rate, config.segment, simulation.now()) {
  update_pacer();
}

bool LedbatFlow::may_send(std::optional<TimePoint>& ask_again) {
  const TimePoint when = sim_.now();
  if (!application_.can_send(when)) {
    ask_again = application_.ready_at(1, when);
    return false;
  }
  if (now() >= controller_.deadline()) {
    controller_.advance(now());
    update_pacer();
  }
  if (controller_.available() < segment_) {
    if (controller_.deadline() != kNever) ask_again = controller_.deadline() - config_.clock;
    return false;
  }
  if (pacer_.can_send(when)) return true;
  ask_again = pacer_.ready_at(1, when);
  return false;
}

void LedbatFlow::on_sent(bool& app_limited) {
  controller_.on_sent(segment_, now());
  pacer_.take(segment_, sim_.now());
  application_.take(segment_, sim_.now());
  app_limited = !application_.can_send(sim_.now());
}

void LedbatFlow::on_acked(const Sent& sent, TimePoint arrived) {
  const Microseconds rtt = sim_.now() - sent.sent_at;
  const Microseconds delay = arrived - sent.sent_at;
  backoff_ = 0;
  rtt_.on_sample(rtt, now());
  controller_.on_rtt_sample(rtt, now());
  controller_.on_ack(segment_, config_.report ? config_.report(delay, arrived) : delay.count(),
                     rtt_.smoothed(), sent.app_limited, now());
  update_pacer();
}

void LedbatFlow::on_lost(std::size_t count, TimePoint newest) {
  controller_.on_loss(count * segment_, newest + config_.clock, rtt_.smoothed(), now());
  update_pacer();
}

void LedbatFlow::on_timeout(std::size_t count) {
  ++backoff_;
  controller_.on_discarded(count * segment_);
  controller_.on_timeout(now());
  update_pacer();
}

void LedbatFlow::update_pacer() {
  const std::uint64_t rate = controller_.pacing_rate(rtt_.smoothed());
  const std::size_t burst = controller_.pacing_burst(rtt_.smoothed());
  const std::size_t least = config_.options.min_burst_segments * segment_;
  pacer_.set(rate, std::max(burst, least), sim_.now());
}

TcpFlow::TcpFlow(Simulation& simulation, Kind kind)
    : Flow(simulation, 1460), kind_(kind), rtt_(LedbatOptions{}) {}

bool TcpFlow::may_send(std::optional<TimePoint>& /*ask_again*/) {
  return static_cast<double>(flight_) + 1.0 <= window_;
}

void TcpFlow::on_sent(bool& /*app_limited*/) {
  ++flight_;
}

void TcpFlow::on_acked(const Sent& sent, TimePoint /*arrived*/) {
  --flight_;
  rtt_.on_sample(sim_.now() - sent.sent_at, sim_.now());
  if (window_ < threshold_) {
    window_ += 1.0;
  } else {
    window_ += std::max(1.0 / window_, kind_ == Kind::cubic ? cubic_increase() : 0.0);
  }
}

// RFC 9438, section 4.4: towards C (t - K)^3 + W_max.
double TcpFlow::cubic_increase() const {
  const double seconds =
      static_cast<double>((sim_.now() - reduced_at_ + rtt_.smoothed()).count()) / 1e6;
  const double k = std::cbrt(window_max_ * 0.3 / 0.4);
  const double aim = 0.4 * (seconds - k) * (seconds - k) * (seconds - k) + window_max_;
  return std::clamp((aim - window_) / window_, 0.0, 0.5);
}

void TcpFlow::on_lost(std::size_t count, TimePoint newest) {
  flight_ -= count;
  if (newest <= reduced_at_) return;
  reduced_at_ = sim_.now();
  window_max_ = window_;
  window_ = std::max(2.0, window_ * (kind_ == Kind::cubic ? 0.7 : 0.5));
  threshold_ = window_;
}

void TcpFlow::on_timeout(std::size_t count) {
  flight_ -= count;
  threshold_ = std::max(2.0, window_ / 2.0);
  window_ = 1.0;
  reduced_at_ = sim_.now();
}

}  // namespace ppspp::test
