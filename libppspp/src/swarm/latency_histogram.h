// Times in fixed memory, for as long as a feed runs: quantiles within 2 %.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "ppspp/swarm_types.h"
#include "ppspp/time.h"

namespace ppspp {

class LatencyHistogram {
 public:
  // Above an hour, quantiles are no longer told apart.
  static constexpr Microseconds kMost = std::chrono::hours(1);

  // Negative ones, of clocks that are not in step, count as 0.
  void add(Microseconds latency) {
    latency = std::max(latency, Microseconds{0});
    least_ = count_ == 0 ? latency : std::min(least_, latency);
    most_ = std::max(most_, latency);
    ++counts_.at(bucket_of(static_cast<std::uint64_t>(std::min(latency, kMost).count())));
    ++count_;
  }

  LatencySummary summary() const {
    return {.chunks = count_,
            .least = least_,
            .median = quantile(count_ - count_ / 2),
            .p99 = quantile(count_ - count_ / 100),
            .most = most_};
  }

 private:
  // Each power of two in 32 equal parts: a value lies at most 1/64 from the middle of its bucket.
  // Up to 63 us every microsecond has a bucket.
  static constexpr int kPartBits = 5;
  static constexpr std::uint64_t kParts = std::uint64_t{1} << kPartBits;
  // An hour has 32 bits: shifts of 0 to 26, the first of which has two times as many parts.
  static constexpr std::size_t kBuckets = 28 * kParts;
  static_assert(kMost.count() < std::int64_t{1} << 32);

  static constexpr std::size_t bucket_of(std::uint64_t value) {
    const int shift = std::max(static_cast<int>(std::bit_width(value)) - kPartBits - 1, 0);
    return static_cast<std::size_t>(static_cast<std::uint64_t>(shift) * kParts + (value >> shift));
  }
  static constexpr std::uint64_t middle_of(std::size_t bucket) {
    if (bucket < 2 * kParts) return bucket;
    const std::uint64_t shift = bucket / kParts - 1;
    return ((kParts + bucket % kParts) << shift) + ((std::uint64_t{1} << shift) - 1) / 2;
  }

  // The value of this rank, counted from 1; 0 if there is none.
  Microseconds quantile(std::uint64_t rank) const {
    std::uint64_t below = 0;
    for (std::size_t bucket = 0; bucket < counts_.size(); ++bucket) {
      below += counts_[bucket];
      if (below < rank || below == 0) continue;
      return std::clamp(Microseconds(middle_of(bucket)), least_, most_);
    }
    return Microseconds{0};
  }

  std::array<std::uint64_t, kBuckets> counts_ = {};
  std::uint64_t count_ = 0;
  Microseconds least_{0};
  Microseconds most_{0};
};

}  // namespace ppspp
