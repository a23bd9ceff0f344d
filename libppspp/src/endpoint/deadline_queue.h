// When each channel, or each swarm, wants to be woken. A time is only a hint: who is woken too
// early says when to be woken again, so a time that is set is never moved back.
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

  // `key`: always the same of one member.
  void set(Number number, Key key, TimePoint at) {
    if (at == kNever) return;
    std::uint32_t place = places_[number];
    if (place == kNowhere) {
      place = static_cast<std::uint32_t>(heap_.size());
      heap_.push_back({at, key, number});
    } else if (heap_[place].at <= at) {
      return;  // it will be asked before that
    }
    rise(place, {at, key, number});
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
