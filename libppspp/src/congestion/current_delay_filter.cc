#include "congestion/current_delay_filter.h"

#include "congestion/duration.h"

namespace ppspp {

void CurrentDelayFilter::on_sample(std::int64_t delay, Microseconds rtt, TimePoint now) {
  Slice* slice = &slices_.at(newest_);
  const bool turned_back = now < slice->begin;
  if (slice->samples == 0 || turned_back || elapsed(now, slice->begin) > rtt / 8) {
    newest_ = (newest_ + 1) % kSlices;
    slice = &slices_.at(newest_);
    *slice = {now, delay, 1};
    return;
  }
  if (delay_difference(delay, slice->minimum) < 0) slice->minimum = delay;
  ++slice->samples;
}

std::optional<std::int64_t> CurrentDelayFilter::minimum(Microseconds span, std::size_t samples,
                                                        Microseconds rtt, TimePoint now) const {
  std::optional<std::int64_t> minimum;
  std::size_t seen = 0;
  for (std::size_t i = 0; i < kSlices; ++i) {
    const Slice& slice = slices_.at((newest_ + kSlices - i) % kSlices);
    if (slice.samples == 0) break;
    const Microseconds age = elapsed(now, slice.begin);
    if (age > rtt) break;
    if (age > span && seen >= samples) break;
    if (!minimum || delay_difference(slice.minimum, *minimum) < 0) minimum = slice.minimum;
    seen += slice.samples;
  }
  return minimum;
}

void CurrentDelayFilter::shift(std::int64_t difference) {
  for (Slice& slice : slices_) slice.minimum = delay_sum(slice.minimum, difference);
}

}  // namespace ppspp
