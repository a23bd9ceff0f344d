// The current delay: the minimum of the samples of the last round trip (RFC 6817, section 2.4.2:
// FILTER and current_delays). A minimum, because what delays single datagrams on a busy host is the
// scheduler, and a queue delays all of them. Samples are kept in slices of an eighth of a round
// trip, so that the memory is fixed and no sample costs more than a look at a few slices.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "ppspp/time.h"

namespace ppspp {

class CurrentDelayFilter {
 public:
  void on_sample(std::int64_t delay, Microseconds rtt, TimePoint now);

  // Over `span`, and further back if that holds fewer than `samples`, but never of a sample that is
  // older than `rtt` (2.5: MUST). None: no sample is that young.
  std::optional<std::int64_t> minimum(Microseconds span, std::size_t samples, Microseconds rtt,
                                      TimePoint now) const;

  void shift(std::int64_t difference);
  void release(TimePoint now);  // gives its memory back, if all samples are long past

 private:
  struct Slice {
    TimePoint begin;  // its oldest sample, so that a slice is forgotten before any of it is too old
    std::int64_t minimum = 0;
    std::size_t samples = 0;  // 0: unused
  };
  static constexpr std::size_t kSlices = 10;

  std::vector<Slice> slices_;  // kSlices, or none before the first sample
  std::size_t newest_ = 0;
};

}  // namespace ppspp
