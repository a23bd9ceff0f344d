// A priority queue for times that never go back (a radix heap): what is pushed is not before what
// was popped last. Equal times come out in the order in which they were pushed. Everything is read
// and written in sequence, which is why it beats a binary heap by far with a million entries. The
// entries that come next are in order, to be looked at before their time.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/assert.h"

namespace ppspp::sim {

template <typename T>
class RadixQueue {
 public:
  struct Entry {
    std::uint64_t time;
    T value;
  };

  bool empty() const { return size_ == 0; }
  std::size_t size() const { return size_; }

  void push(std::uint64_t time, const T& value) {
    PPSPP_ASSERT(time >= now_);
    ++size_;
    if (time >= run_end_) {
      buckets_[bucket_of(time)].push_back({time, value});
      return;
    }
    if (run_.size() - front_ >= 2 * kSorted) shorten();
    if (time >= run_end_) {
      buckets_[bucket_of(time)].push_back({time, value});
    } else {
      run_.insert(behind(time), {time, value});
    }
  }

  Entry pop() {
    if (front_ == run_.size()) refill();
    --size_;
    const Entry entry = run_[front_++];
    now_ = entry.time;
    if (front_ >= 16 * kSorted) {
      run_.erase(run_.begin(), run_.begin() + static_cast<std::ptrdiff_t>(front_));
      front_ = 0;
    }
    return entry;
  }

  // What pop() will yield after `count` others, as far as that is known already.
  const T* ahead(std::size_t count) const {
    return front_ + count < run_.size() ? &run_[front_ + count].value : nullptr;
  }

 private:
  static constexpr std::size_t kSorted = 256;

  // Bucket b holds times that differ from `last` first in bit b - 1.
  std::size_t bucket_of(std::uint64_t time) const {
    return static_cast<std::size_t>(std::bit_width(time ^ last_));
  }

  // Where the part of the run begins that is later.
  auto behind(std::uint64_t time) {
    return std::upper_bound(run_.begin() + static_cast<std::ptrdiff_t>(front_), run_.end(), time,
                            [](std::uint64_t at, const Entry& entry) { return at < entry.time; });
  }

  // What is far off goes back: the run is to be short, since what is pushed is put in its place.
  void shorten() {
    const std::uint64_t last = run_[front_ + kSorted - 1].time;
    const auto rest = behind(last);
    for (auto entry = rest; entry != run_.end(); ++entry) {
      buckets_[bucket_of(entry->time)].push_back(*entry);
    }
    run_.erase(rest, run_.end());
    run_end_ = last + 1;
  }

  // The run becomes the lowest bucket, in order: all times before the end of that are in it. One
  // that is too large for this is spread over those below it.
  void refill() {
    PPSPP_ASSERT(size_ != 0);
    run_.clear();
    front_ = 0;
    std::size_t i = 0;
    while (buckets_[i].empty()) ++i;
    while (i > 1 && buckets_[i].size() > kSorted) {
      moving_.swap(buckets_[i]);
      last_ = moving_.front().time;
      for (const Entry& entry : moving_) last_ = std::min(last_, entry.time);
      for (const Entry& entry : moving_) buckets_[bucket_of(entry.time)].push_back(entry);
      moving_.clear();
      i = 0;
      while (buckets_[i].empty()) ++i;
    }
    run_.swap(buckets_[i]);
    if (i == 0) {
      run_end_ = last_ + 1;
      return;
    }
    const std::uint64_t width = std::uint64_t{1} << (i - 1);
    last_ = (last_ / width + 1) * width;  // of this bucket's times, the first that there can be
    run_end_ = last_ + width;
    std::stable_sort(run_.begin(), run_.end(),
                     [](const Entry& a, const Entry& b) { return a.time < b.time; });
  }

  std::array<std::vector<Entry>, 65> buckets_;
  std::vector<Entry> moving_;
  std::vector<Entry> run_;  // in order; from front_ on
  std::size_t front_ = 0;
  std::size_t size_ = 0;
  std::uint64_t run_end_ = 0;  // all times before it are in the run
  std::uint64_t now_ = 0;      // popped last
  std::uint64_t last_ = 0;     // not after any of what is in the buckets
};

}  // namespace ppspp::sim
