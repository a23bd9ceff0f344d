#include "swarm/upload_gauge.h"

#include <algorithm>

namespace ppspp {

// What was acknowledged counts: what leaves may stand in a long queue.
void UploadGauge::read(std::span<Channel* const> channels, std::uint32_t chunk_size, bool waiting,
                       Now now) {
  const auto span = static_cast<std::uint64_t>((now.monotonic - read_at_).count());
  const bool first = read_at_ == TimePoint{};
  read_at_ = now.monotonic;
  const std::uint64_t delivered = count(channels, now) * chunk_size;
  if (first || span == 0) return;
  current_ = delivered * 1'000 / std::max<std::uint64_t>(span / 1'000, 1);
  rate_ = rate_ == 0 ? current_ : rate_ - rate_ / 8 + current_ / 8;
  capacity_ = std::max(current_, capacity_ - capacity_ / 64);
  set_slots(waiting);
}

std::uint64_t UploadGauge::count(std::span<Channel* const> channels, Now now) {
  std::size_t crowded = 0;
  bool held = false;
  std::uint64_t delivered = 0;
  active_ = busy_ = 0;
  for (Channel* channel : channels) {
    GiveAndTake& account = channel->give_and_take();
    delivered += channel->chunks_delivered() - account.chunks_counted;
    account.chunks_counted = channel->chunks_delivered();
    held = held || channel->held_by_allowance();
    if (!channel->has_nothing_to_send()) ++busy_;
    const auto feels = channel->feels_crowded(now);
    if (!feels) continue;
    ++active_;
    if (*feels) ++crowded;
  }
  const bool crowded_now = held || crowded * 2 > active_;
  readings_with_room_ = crowded_now ? 0 : std::min(readings_with_room_ + 1, kPatience);
  return delivered;
}

// While there is upload left for some time, although most of those who are served have asked for
// something, and somebody waits, more are served from one reading to
// the next; what was found to be too many goes back by and by.
void UploadGauge::set_slots(bool waiting) {
  const auto useful = static_cast<std::size_t>(std::max<std::uint64_t>(
      kLeastSlots, std::min<std::uint64_t>(std::max(rate_, current_) / kUsefulRate, 1'000'000)));
  if (useful >= slots_) {
    slots_ = useful;
  } else if (scarce()) {
    slots_ -= std::max<std::size_t>(1, (slots_ - useful) / 8);
  } else if (waiting && busy_ * 2 >= slots_) {
    slots_ += std::max<std::size_t>(1, slots_ / 8);
  }
}

}  // namespace ppspp
