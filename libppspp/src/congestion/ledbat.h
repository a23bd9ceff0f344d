// LEDBAT for one channel (RFC 6817): how much may be in flight. A pure class: time, samples and
// octets go in, a window comes out. It does not know what the octets are, nor which are lost.
//
// All octet counts are of whole datagrams as sent (flight size, RFC 7574 terms).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "ppspp/ledbat_options.h"
#include "ppspp/time.h"

namespace ppspp {

class LedbatController {
 public:
  // `segment_bytes`: the datagram size that the RFC's MSS stands for; it may change later.
  LedbatController(const LedbatOptions& options, std::size_t segment_bytes, TimePoint now);

  void set_segment_size(std::size_t bytes);

  void on_sent(std::size_t bytes, TimePoint now);
  // `bytes` left the flight because they were acknowledged. `delay` is the one-way delay sample as
  // it came in the ACK (any offset, 64-bit wrap and clock skew are dealt with here); none if the ACK
  // brought none that counts. `rtt` is the smoothed RTT (the span of the current-delay filter).
  // `app_limited`: the sender had nothing more to send, so that the window was not what held it.
  void on_ack(std::size_t bytes, std::optional<std::int64_t> delay, Microseconds rtt,
              bool app_limited, TimePoint now);
  // `bytes` left the flight because they are presumed lost; `sent_at` of the newest of them. Halves
  // the window at most once per RTT: not for losses of what was sent before the last halving.
  void on_loss(std::size_t bytes, TimePoint sent_at, Microseconds rtt, TimePoint now);
  // It turned out that the loss was none: takes back the last halving, if that was its only cause.
  void on_spurious_loss(TimePoint now);
  // Nothing acknowledged within CTO: the window becomes one segment (2.4.2).
  void on_timeout(TimePoint now);
  // Octets leave the flight without a word about the path (the channel forgets them).
  void on_discarded(std::size_t bytes);

  std::size_t window() const;        // octets
  std::size_t flight_size() const;   // octets
  std::size_t available() const;     // octets that may be sent now
  bool in_slow_start() const;

  // Octets per second at which to pace, given the smoothed RTT.
  std::uint64_t pacing_rate(Microseconds rtt) const;

  std::optional<Microseconds> queueing_delay() const;  // current over base; none: no samples
  std::optional<std::int64_t> base_delay() const;

  // private parts: of the congestion module (this header is completed there)
};

}  // namespace ppspp
