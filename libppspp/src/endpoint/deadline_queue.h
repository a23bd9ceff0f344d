// When each channel wants to be woken: a heap with at most a few entries per channel. An entry is
// only a hint: who is woken too early says when to be woken again.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "ppspp/time.h"
#include "wire/message.h"

namespace ppspp {

class DeadlineQueue {
 public:
  void set(ChannelId channel, TimePoint at) {
    if (at == kNever) return;
    auto [place, added] = earliest_.try_emplace(channel.value, at);
    if (!added && place->second <= at) return;  // it will be asked before that
    place->second = at;
    heap_.push_back({at, channel});
    std::push_heap(heap_.begin(), heap_.end(), later);
  }

  void forget(ChannelId channel) { earliest_.erase(channel.value); }

  TimePoint first() const { return heap_.empty() ? kNever : heap_.front().at; }

  // Takes out the channels that are due.
  void take_due(TimePoint now, std::vector<ChannelId>& due) {
    while (!heap_.empty() && heap_.front().at <= now) {
      const Entry entry = heap_.front();
      std::pop_heap(heap_.begin(), heap_.end(), later);
      heap_.pop_back();
      const auto place = earliest_.find(entry.channel.value);
      if (place == earliest_.end() || place->second != entry.at) continue;  // overtaken or gone
      earliest_.erase(place);
      due.push_back(entry.channel);
    }
  }

  bool empty() const { return earliest_.empty(); }

 private:
  struct Entry {
    TimePoint at;
    ChannelId channel;
  };
  static bool later(const Entry& a, const Entry& b) {
    return a.at != b.at ? a.at > b.at : a.channel > b.channel;
  }

  std::vector<Entry> heap_;
  std::unordered_map<std::uint32_t, TimePoint> earliest_;
};

}  // namespace ppspp
