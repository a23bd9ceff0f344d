// How long a store's reads and writes take, counted for all stores of a node, from any thread.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "ppspp/duration_histogram.h"
#include "ppspp/time.h"

namespace ppspp {

class LatencyCounter {
 public:
  using Clock = std::chrono::steady_clock;

  void add(Clock::duration time) {
    const auto us = std::chrono::duration_cast<Microseconds>(time);
    const auto* const bound = std::ranges::lower_bound(DurationHistogram::kBounds, us);
    const auto place = static_cast<std::size_t>(bound - DurationHistogram::kBounds.begin());
    counts_.at(place).fetch_add(1, std::memory_order_relaxed);
    sum_us_.fetch_add(us.count(), std::memory_order_relaxed);
  }

  DurationHistogram get() const {
    DurationHistogram histogram;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      histogram.counts.at(i) = counts_.at(i).load(std::memory_order_relaxed);
      histogram.samples += histogram.counts.at(i);
    }
    histogram.sum = Microseconds(sum_us_.load(std::memory_order_relaxed));
    return histogram;
  }

 private:
  std::array<std::atomic<std::uint64_t>, DurationHistogram::kBounds.size() + 1> counts_ = {};
  std::atomic<std::int64_t> sum_us_ = 0;
};

struct StoreCounters {
  LatencyCounter reads;
  LatencyCounter writes;
};

// Counts the time until it goes; nothing without a counter.
class LatencyScope {
 public:
  explicit LatencyScope(LatencyCounter* counter) : counter_(counter) {
    if (counter_ != nullptr) began_ = LatencyCounter::Clock::now();
  }
  ~LatencyScope() {
    if (counter_ != nullptr) counter_->add(LatencyCounter::Clock::now() - began_);
  }
  LatencyScope(const LatencyScope&) = delete;
  LatencyScope& operator=(const LatencyScope&) = delete;

 private:
  LatencyCounter* counter_;
  LatencyCounter::Clock::time_point began_;
};

}  // namespace ppspp
