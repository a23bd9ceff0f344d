// When each channel, or each swarm, wants to be woken.
//
// A binary heap in which each member stands once at most, and a table of where it stands, by a
// number that it gets when it enters: nothing is looked up, nothing is allocated, and all of it
// lies close together.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "ppspp/time.h"

namespace ppspp {

// Of those that are due at the same time the one with the smaller key comes first.
template <typename Key>
class DeadlineQueue {
 public:
  using Number = std::uint32_t;

  Number enter() {
    if (free_.empty()) {
      places_.push_back(kNowhere);
      return static_cast<Number>(places_.size() - 1);
    }
    const Number number = free_.back();
    free_.pop_back();
    return number;
  }
  void leave(Number number) {
    if (places_[number] != kNowhere) take_out(places_[number]);
    free_.push_back(number);
  }

  // In place of what was set before; kNever: it is not to be woken. `key`: always the same of one
  // member.
  void set(Number number, Key key, TimePoint at) {
    const std::uint32_t place = places_[number];
    if (place != kNowhere) {
      if (heap_[place].at == at) return;
      if (at < heap_[place].at) return rise(place, {at, key, number});
      take_out(place);
    }
    if (at == kNever) return;
    heap_.push_back({at, key, number});
    rise(static_cast<std::uint32_t>(heap_.size() - 1), {at, key, number});
  }
  // At the latest then.
  void bring_forward(Number number, Key key, TimePoint at) {
    const std::uint32_t place = places_[number];
    if (place == kNowhere || at < heap_[place].at) set(number, key, at);
  }

  TimePoint first() const { return heap_.empty() ? kNever : heap_.front().at; }

  // Takes out those that are due.
  void take_due(TimePoint now, std::vector<Key>& due) {
    while (!heap_.empty() && heap_.front().at <= now) {
      due.push_back(heap_.front().key);
      take_out(0);
    }
  }

  bool empty() const { return heap_.empty(); }

  void check_invariants() const {
    for (std::uint32_t place = 0; place < heap_.size(); ++place) {
      PPSPP_ASSERT(places_[heap_[place].number] == place);
      PPSPP_ASSERT(place == 0 || !before(heap_[place], heap_[(place - 1) / 2]));
    }
  }

 private:
  static constexpr std::uint32_t kNowhere = ~std::uint32_t{0};

  struct Entry {
    TimePoint at;
    Key key;
    Number number;
  };
  static bool before(const Entry& a, const Entry& b) {
    return a.at != b.at ? a.at < b.at : a.key < b.key;
  }

  void put(std::uint32_t place, const Entry& entry) {
    heap_[place] = entry;
    places_[entry.number] = place;
  }
  // `entry` belongs at `place` or nearer to the top.
  void rise(std::uint32_t place, const Entry& entry) {
    while (place > 0 && before(entry, heap_[(place - 1) / 2])) {
      put(place, heap_[(place - 1) / 2]);
      place = (place - 1) / 2;
    }
    put(place, entry);
  }
  void take_out(std::uint32_t place) {
    places_[heap_[place].number] = kNowhere;
    const Entry last = heap_.back();
    heap_.pop_back();
    if (place == heap_.size()) return;
    // The hole sinks to the bottom, and the last one rises from there: it mostly belongs there.
    const auto size = static_cast<std::uint32_t>(heap_.size());
    std::uint32_t hole = place;
    for (std::uint32_t child = 2 * hole + 1; child < size; child = 2 * hole + 1) {
      if (child + 1 < size && before(heap_[child + 1], heap_[child])) ++child;
      put(hole, heap_[child]);
      hole = child;
    }
    rise(hole, last);
  }

  std::vector<Entry> heap_;
  std::vector<std::uint32_t> places_;  // in the heap, by number
  std::vector<Number> free_;
};

}  // namespace ppspp
