// A small discrete-event simulator: flows that share one bottleneck with a drop-tail queue. Time is
// whole microseconds, the random numbers come from a seed, and nothing is read from the machine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <queue>
#include <utility>
#include <vector>

#include "congestion/ledbat.h"
#include "congestion/pacer.h"
#include "congestion/rtt_estimator.h"
#include "ppspp/random_source.h"
#include "ppspp/time.h"

namespace ppspp::test {

inline TimePoint at(Microseconds since_begin) {
  return TimePoint{since_begin};
}

struct LinkConfig {
  double rate = 2.5e6;                // octets per second
  Microseconds forward{20'000};       // propagation
  Microseconds backward{20'000};      // of ACKs, without a queue
  std::size_t queue_bytes = 750'000;  // 300 ms at the rate above
  double loss = 0.0;                  // at random, beside what the queue drops
  Microseconds stall_interval{0};     // mean time between stalls of the link (0: none)
  Microseconds stall_shortest{1'000};
  Microseconds stall_longest{20'000};
};

class Simulation {
 public:
  explicit Simulation(const LinkConfig& link, std::uint64_t seed = 1)
      : link_(link), rng_(seed), free_at_(now_) {}

  TimePoint now() const { return now_; }
  Rng& rng() { return rng_; }
  const LinkConfig& link() const { return link_; }

  void schedule(TimePoint when, std::function<void()> what);
  void run_until(TimePoint end);

  // Puts a datagram into the queue. When it arrives at the far end; none: dropped.
  std::optional<TimePoint> transmit(std::size_t bytes);
  // What a datagram would have to wait now.
  Microseconds queue_delay() const;

 private:
  struct Event {
    TimePoint when;
    std::uint64_t order;
    std::function<void()> what;
    bool operator<(const Event& other) const {
      return when != other.when ? when > other.when : order > other.order;
    }
  };
  void stall();

  LinkConfig link_;
  Rng rng_;
  TimePoint now_{};
  std::uint64_t events_ = 0;
  std::priority_queue<Event> queue_;
  TimePoint free_at_;
  double free_rest_us_ = 0.0;                                 // of a microsecond
  std::deque<std::pair<TimePoint, std::size_t>> departures_;  // what is in the queue
  std::size_t queued_bytes_ = 0;
  TimePoint next_stall_{};
};

// Samples the length of the queue at times that are `interval` apart.
class QueueMeter {
 public:
  explicit QueueMeter(Simulation& simulation, Microseconds interval = Microseconds{5'000})
      : simulation_(simulation), interval_(interval) {
    sample();
  }
  void reset() { delays_.clear(); }
  double mean_ms() const;
  double percentile_ms(double share) const;

 private:
  void sample();
  Simulation& simulation_;
  Microseconds interval_;
  std::vector<Microseconds> delays_;
};

// What the flows have in common: datagrams in order, one ACK for each, loss by gaps.
class Flow {
 public:
  Flow(Simulation& simulation, std::size_t segment) : sim_(simulation), segment_(segment) {}
  virtual ~Flow() = default;
  Flow(const Flow&) = delete;
  Flow& operator=(const Flow&) = delete;

  void start(TimePoint when);
  void stop() { stopped_ = true; }
  void resume();

  std::uint64_t delivered() const { return delivered_; }
  std::uint64_t lost() const { return lost_; }
  std::uint64_t timeouts() const { return timeouts_; }

 protected:
  struct Sent {
    std::uint64_t number;
    TimePoint sent_at;
    bool app_limited;
  };

  // Whether to send now; if not, maybe a time at which to ask again.
  virtual bool may_send(std::optional<TimePoint>& ask_again) = 0;
  virtual void on_sent(bool& app_limited) = 0;
  virtual void on_acked(const Sent& sent, TimePoint arrived) = 0;
  virtual void on_lost(std::size_t count, TimePoint newest) = 0;
  virtual void on_timeout(std::size_t count) = 0;
  virtual Microseconds timeout() const = 0;

  Simulation& sim_;
  std::size_t segment_;

 private:
  void pump();
  void send();
  void receive_ack(std::uint64_t number, TimePoint arrived);
  void detect_losses(std::uint64_t acknowledged);
  void arm_timer();

  std::deque<Sent> in_flight_;
  std::uint64_t next_number_ = 0;
  TimePoint wake_at_ = kNever;
  TimePoint progress_at_{};
  bool timer_armed_ = false;
  bool stopped_ = true;
  std::uint64_t delivered_ = 0;
  std::uint64_t lost_ = 0;
  std::uint64_t timeouts_ = 0;
};

struct LedbatFlowConfig {
  LedbatOptions options;
  std::size_t segment = 1460;
  std::uint64_t app_rate = 0;  // octets per second that the application offers; 0: no limit
  Microseconds clock{0};       // of the sender, over that of the simulation
  // What the receiver says of a delay: its clock's offset, drift and steps, or lies.
  std::function<std::int64_t(Microseconds true_delay, TimePoint arrived)> report;
};

class LedbatFlow final : public Flow {
 public:
  LedbatFlow(Simulation& simulation, const LedbatFlowConfig& config);
  const LedbatController& controller() const { return controller_; }

 private:
  bool may_send(std::optional<TimePoint>& ask_again) override;
  void on_sent(bool& app_limited) override;
  void on_acked(const Sent& sent, TimePoint arrived) override;
  void on_lost(std::size_t count, TimePoint newest) override;
  void on_timeout(std::size_t count) override;
  Microseconds timeout() const override { return rtt_.rto(backoff_); }
  void update_pacer();
  TimePoint now() const { return sim_.now() + config_.clock; }

  LedbatFlowConfig config_;
  LedbatController controller_;
  RttEstimator rtt_;
  TokenBucket pacer_;
  TokenBucket application_;
  int backoff_ = 0;
};

// A loss-based flow, in the manner of CUBIC or Reno, without pacing.
class TcpFlow final : public Flow {
 public:
  enum class Kind : std::uint8_t { reno, cubic };
  TcpFlow(Simulation& simulation, Kind kind);

 private:
  bool may_send(std::optional<TimePoint>& ask_again) override;
  void on_sent(bool& app_limited) override;
  void on_acked(const Sent& sent, TimePoint arrived) override;
  void on_lost(std::size_t count, TimePoint newest) override;
  void on_timeout(std::size_t count) override;
  Microseconds timeout() const override { return rtt_.rto(0); }
  double cubic_increase() const;

  Kind kind_;
  RttEstimator rtt_;
  double window_ = 10.0;  // segments
  double threshold_ = 1e9;
  double window_max_ = 0.0;
  std::size_t flight_ = 0;
  TimePoint reduced_at_{};
};

}  // namespace ppspp::test
