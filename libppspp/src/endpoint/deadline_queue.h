// When each channel, or each swarm, wants to be woken: a heap with at most a few entries for each.
// An entry is only a hint: who is woken too early says when to be woken again.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "ppspp/time.h"

namespace ppspp {

template <typename Key>
class DeadlineQueue {
 public:
  void set(Key key, TimePoint at) {
    if (at == kNever) return;
    auto [place, added] = earliest_.try_emplace(key.value, at);
    if (!added && place->second <= at) return;  // it will be asked before that
    place->second = at;
    heap_.push_back({at, key});
    std::push_heap(heap_.begin(), heap_.end(), later);
  }

  void forget(Key key) {
    if (earliest_.erase(key.value) != 0) trim();
  }

  TimePoint first() const { return heap_.empty() ? kNever : heap_.front().at; }

  // Takes out those that are due.
  void take_due(TimePoint now, std::vector<Key>& due) {
    while (!heap_.empty() && heap_.front().at <= now) {
      const Entry entry = heap_.front();
      pop();
      if (is_stale(entry)) continue;
      earliest_.erase(entry.key.value);
      due.push_back(entry.key);
    }
    trim();
  }

  bool empty() const { return earliest_.empty(); }

 private:
  struct Entry {
    TimePoint at;
    Key key;
  };
  // Overtaken by an earlier one, or forgotten.
  bool is_stale(const Entry& entry) const {
    const auto place = earliest_.find(entry.key.value);
    return place == earliest_.end() || place->second != entry.at;
  }
  void pop() {
    std::pop_heap(heap_.begin(), heap_.end(), later);
    heap_.pop_back();
  }
  void trim() {
    while (!heap_.empty() && is_stale(heap_.front())) pop();
  }
  static bool later(const Entry& a, const Entry& b) {
    return a.at != b.at ? a.at > b.at : a.key > b.key;
  }

  std::vector<Entry> heap_;
  std::unordered_map<decltype(Key::value), TimePoint> earliest_;
};

}  // namespace ppspp
