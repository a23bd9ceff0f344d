// When to hold the window at its minimum for a moment, so that the queue drains and everybody sees
// the base delay (the periodic slowdowns of LEDBAT++). Without it a flow that begins while another
// one fills the queue takes that queue for its base, and puts a whole target on top.
//
// One flow that pauses does not drain the queue of eight. So pauses begin at multiples of the
// period on the clock that all hosts share as well as theirs are set, and whoever sees the base
// delay fall, because others pause or the peer's clock was set, pauses too.
#pragma once

#include <optional>

#include "ppspp/time.h"

namespace ppspp {

class Slowdown {
 public:
  // `ahead`: by how much the common clock is before that of `now`.
  Slowdown(Microseconds ahead, TimePoint now);

  bool active() const { return active_; }
  // Whether a pause is due. `base_rtt` sets the period.
  bool due(TimePoint now) const { return !active_ && now >= next_; }
  bool over(TimePoint now) const { return active_ && now >= end_; }

  // A pause lasts until what is in flight has arrived, and then one empty round trip.
  void begin(Microseconds smoothed_rtt, Microseconds base_rtt, TimePoint now);
  void skip(Microseconds base_rtt, TimePoint now);
  void end() { active_ = false; }
  TimePoint ends_at() const { return active_ ? end_ : kNever; }
  // The base has fallen: do not wait for the next multiple, unless the last one is hardly past.
  void hasten(TimePoint now);

 private:
  Microseconds ahead_;
  TimePoint next_;
  TimePoint end_;
  std::optional<TimePoint> begun_at_;
  bool active_ = false;
};

}  // namespace ppspp
