#include "swarm/upload_gauge.h"

#include <algorithm>

namespace ppspp {
namespace {

constexpr int kPatience = 4;  // readings

}  // namespace

void UploadGauge::read(std::span<Channel* const> channels, std::uint64_t uploaded, bool waiting,
                       Now now) {
  const auto span = static_cast<std::uint64_t>((now.monotonic - read_at_).count());
  const bool first = read_at_ == TimePoint{};
  const std::uint64_t sent = uploaded - uploaded_;
  uploaded_ = uploaded;
  read_at_ = now.monotonic;
  count(channels, now);
  if (first || span == 0) return;
  current_ = sent * 1'000 / std::max<std::uint64_t>(span / 1'000, 1);
  rate_ = rate_ == 0 ? current_ : rate_ - rate_ / 8 + current_ / 8;
  capacity_ = std::max(current_, capacity_ - capacity_ / 64);
  set_slots(waiting, active_);
}

void UploadGauge::count(std::span<Channel* const> channels, Now now) {
  std::size_t crowded = 0;
  bool held = false;
  active_ = 0;
  for (const Channel* channel : channels) {
    held = held || channel->held_by_allowance();
    const auto feels = channel->feels_crowded(now);
    if (!feels) continue;
    ++active_;
    if (*feels) ++crowded;
  }
  scarce_ = held || crowded * 2 > active_;
}

// While there is upload left for some time and somebody waits, more are served from one reading to
// the next; what was found to be too many goes back by and by.
void UploadGauge::set_slots(bool waiting, std::size_t active) {
  const auto useful = static_cast<std::size_t>(std::max<std::uint64_t>(
      kLeastSlots, std::min<std::uint64_t>(std::max(rate_, current_) / kUsefulRate, 1'000'000)));
  readings_with_room_ = scarce_ ? 0 : readings_with_room_ + 1;
  if (useful >= slots_) {
    slots_ = useful;
  } else if (scarce_) {
    slots_ -= std::max<std::size_t>(1, (slots_ - useful) / 8);
  } else if (waiting && active * 2 >= slots_ && readings_with_room_ > kPatience) {
    slots_ += std::max<std::size_t>(1, slots_ / 8);
  }
}

}  // namespace ppspp
