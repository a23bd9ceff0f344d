#include "congestion/current_delay_filter.h"

#include "congestion/duration.h"

namespace ppspp {
namespace {

constexpr Microseconds kLongPast = std::chrono::minutes(1);  // more than a round trip

}  // namespace

void CurrentDelayFilter::on_sample(std::int64_t delay, Microseconds rtt, TimePoint now) {
  if (slices_.empty()) slices_.resize(kSlices);
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
  for (std::size_t i = 0; i < slices_.size(); ++i) {
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

void CurrentDelayFilter::release(TimePoint now) {
  if (slices_.empty() || elapsed(now, slices_.at(newest_).begin) < kLongPast) return;
  std::vector<Slice>().swap(slices_);
}

}  // namespace ppspp
