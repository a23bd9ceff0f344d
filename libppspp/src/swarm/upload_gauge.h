// How much upload there is, and whether it is used up: what the number of peers to serve at once
// goes by.
//
// Each peer that is served takes the least window of LEDBAT at any rate, two segments. Where many
// are served on a slow uplink those windows alone fill its queue, so each should have a share that
// needs more than them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "channel/channel.h"
#include "ppspp/time.h"

namespace ppspp {

class UploadGauge {
 public:
  // `waiting`: peers are choked that could be served.
  void read(std::span<Channel* const> channels, std::uint32_t chunk_size, bool waiting, Now now);

  std::size_t slots() const { return slots_; }
  // Lately there were queues or losses on most paths, or a limit held what would leave.
  bool scarce() const { return readings_with_room_ < kPatience; }
  // At the last reading there was upload left.
  bool has_room() const { return readings_with_room_ > 0; }
  // Besides: about as much leaves as ever lately.
  bool full() const { return scarce() && current_ >= capacity_ / 4 * 3; }
  std::uint64_t rate() const { return rate_; }  // octets per second, over some seconds

 private:
  std::uint64_t count(std::span<Channel* const> channels, Now now);
  void set_slots(bool waiting);

  std::size_t slots_ = kFirstSlots;
  std::size_t active_ = 0;             // something was acknowledged by them lately
  std::size_t busy_ = 0;               // something is on its way to them, or to be sent
  static constexpr int kPatience = 4;  // readings
  int readings_with_room_ = kPatience;
  std::uint64_t current_ = 0;
  std::uint64_t rate_ = 0;
  std::uint64_t capacity_ = 0;
  TimePoint read_at_{};

 public:
  static constexpr std::size_t kFirstSlots = 8;
  static constexpr std::size_t kLeastSlots = 5;
  // Octets per second that are worth a slot: two segments in a round trip of 50 ms with a queue of
  // 60 ms. With less, the windows of all would fill a longer queue.
  static constexpr std::uint64_t kUsefulRate = 26'000;
};

}  // namespace ppspp
