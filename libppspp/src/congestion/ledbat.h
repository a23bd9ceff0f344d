// LEDBAT for one channel (RFC 6817): how much may be in flight. A pure class: time, samples and
// octets go in, a window comes out. It does not know what the octets are, nor which are lost.
//
// All octet counts are of whole datagrams as sent (flight size, RFC 7574 terms).
//
// Beyond the letter of RFC 6817, each as LedbatOptions allows: the window shrinks by the share of
// it that stands in the queue beyond the target; the one-way delay is held against the round trip;
// the queue is drained now and then. The arithmetic is doubles with + - * / only, which every
// machine rounds alike.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "congestion/queueing_delay.h"
#include "congestion/slowdown.h"
#include "ppspp/ledbat_options.h"
#include "ppspp/time.h"

namespace ppspp {

class LedbatController {
 public:
  // `segment_bytes`: the datagram size that the RFC's MSS stands for; it may change later. Options
  // outside of what RFC 6817 permits are brought inside.
  // `ahead`: what to add to a time for that of a clock that other hosts have as well.
  LedbatController(const LedbatOptions& options, std::size_t segment_bytes, TimePoint now,
                   Microseconds ahead = Microseconds{0});

  void set_segment_size(std::size_t bytes);

  void on_sent(std::size_t bytes, TimePoint now);
  // A measured round trip, where the ACK gave one; before its on_ack(). Its minimum tells how short
  // the path is, and with that the peer's clock is checked.
  void on_rtt_sample(Microseconds rtt, TimePoint now);
  // `bytes` left the flight because they were acknowledged. `delay` is the one-way delay sample as
  // it came in the ACK (any offset, 64-bit wrap and clock skew are dealt with here); none if the
  // ACK brought none that counts. `rtt` is the smoothed RTT (the span of the current-delay filter).
  // `app_limited`: the sender had nothing more to send, so that the window was not what held it.
  void on_ack(std::size_t bytes, std::optional<std::int64_t> delay, Microseconds rtt,
              bool app_limited, TimePoint now);
  // `bytes` left the flight because they are presumed lost; `sent_at` of the newest of them. Halves
  // the window at most once per RTT: not for losses of what was sent before the last halving.
  void on_loss(std::size_t bytes, TimePoint sent_at, Microseconds rtt, TimePoint now);
  // It turned out that the loss was none: takes back the last halving, if that was its only cause,
  // that is, when every on_loss() that fell to it has been followed by one of these.
  void on_spurious_loss(TimePoint now);
  // Nothing acknowledged within CTO: the window becomes one segment (2.4.2). What is in flight
  // stays there until it is acknowledged, lost or discarded.
  void on_timeout(TimePoint now);
  // When the window opens again although nothing was acknowledged: call advance() then. kNever: it
  // is not closed.
  TimePoint deadline() const { return slowdown_.ends_at(); }
  void advance(TimePoint now);
  // It may be idle for long: gives back memory that tells nothing any more.
  void release(TimePoint now) { queue_.release(now); }
  // Octets leave the flight without a word about the path (the channel forgets them).
  void on_discarded(std::size_t bytes);

  std::size_t window() const;                          // octets
  std::size_t flight_size() const { return flight_; }  // octets
  std::size_t available() const;                       // octets that may be sent now
  bool in_slow_start() const { return slow_start_; }
  bool in_slowdown() const { return slowdown_.active(); }

  // Octets per second at which to pace, given the smoothed RTT.
  std::uint64_t pacing_rate(Microseconds rtt) const;
  // Octets that may leave back to back: of window / RTT, not of the rate above.
  std::size_t pacing_burst(Microseconds rtt) const;

  // Current over base, as of the last ACK with a sample; none: no samples.
  std::optional<Microseconds> queueing_delay() const { return queueing_delay_; }
  std::optional<std::int64_t> base_delay() const { return queue_.base_delay(); }

 private:
  struct Undo {
    double window;
    double threshold;
    bool slow_start;
    int losses;  // that would have caused it
  };

  double segments(double count) const;
  double min_window() const;
  void leave_flight(std::size_t bytes);
  void note_flight(Microseconds rtt, TimePoint now);
  void grow_in_slow_start(double acked, Microseconds queue, TimePoint now);
  void grow(double acked, Microseconds queue);
  void shrink(double acked, Microseconds queue, Microseconds rtt);
  void limit_to_use(double window_before);
  void end_slow_start(TimePoint now);
  void note_outcome(std::size_t bytes, double lost);
  bool tolerates_loss() const;
  void decrease_for_loss();
  void check_slowdown(Microseconds rtt, TimePoint now);
  void begin_slowdown(Microseconds rtt, TimePoint now);

  LedbatOptions options_;
  double target_us_;
  double segment_;
  double window_;     // octets; what is to be used again after a slowdown
  double threshold_;  // of slow start, octets
  bool slow_start_;
  std::size_t flight_ = 0;

  QueueingDelay queue_;
  std::optional<Microseconds> queueing_delay_;
  Microseconds queue_seen_{0};  // the longest since the last slowdown

  // The largest flight of this round trip and of the one before: what the application uses.
  double flight_peak_ = 0.0;
  double flight_peak_before_ = 0.0;
  TimePoint round_begin_;

  Microseconds rtt_;          // the last one told
  bool app_limited_ = false;  // at the last ACK
  TimePoint steady_at_;       // before it the delay tells of a window that has been cut already
  double loss_share_ = 0.0;   // of the octets that were sent lately
  bool anything_acked_ = false;
  std::optional<TimePoint> halved_at_;
  std::optional<Undo> undo_;

  Slowdown slowdown_;
  double after_slowdown_ = 1.0;  // the share of the window to go on with
};

}  // namespace ppspp
