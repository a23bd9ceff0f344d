#include "congestion/pacer.h"

#include <algorithm>
#include <limits>

#include "congestion/duration.h"

namespace ppspp {
namespace {

constexpr std::int64_t kOctet = 1'000'000;
// Bounds within which no product below overflows: a terabyte, and as much per second.
constexpr std::uint64_t kLargest = std::uint64_t{1} << 40;

std::int64_t units(std::size_t bytes) {
  return static_cast<std::int64_t>(std::min<std::uint64_t>(bytes, kLargest)) * kOctet;
}

}  // namespace

TokenBucket::TokenBucket(std::uint64_t rate, std::size_t burst, TimePoint now)
    : rate_(std::min(rate, kLargest)),
      burst_(units(std::max<std::size_t>(burst, 1))),
      level_(burst_),
      filled_at_(now) {}

void TokenBucket::set(std::uint64_t rate, std::size_t burst, TimePoint now) {
  refill(now);
  rate_ = std::min(rate, kLargest);
  burst_ = units(std::max<std::size_t>(burst, 1));
  level_ = std::min(level_, burst_);
}

std::size_t TokenBucket::available(TimePoint now) {
  if (rate_ == 0) return std::numeric_limits<std::size_t>::max();
  refill(now);
  return level_ <= 0 ? 0 : static_cast<std::size_t>(level_ / kOctet);
}

void TokenBucket::take(std::size_t bytes, TimePoint now) {
  refill(now);
  if (rate_ == 0) return;
  level_ = std::max(level_ - units(bytes), -units(kLargest));
}

TimePoint TokenBucket::ready_at(std::size_t bytes, TimePoint now) {
  refill(now);
  const std::int64_t missing = std::min(units(bytes), burst_) - level_;
  if (rate_ == 0 || missing <= 0) return now;
  const auto rate = static_cast<std::int64_t>(rate_);
  return time_after(std::max(now, filled_at_), Microseconds{(missing - 1) / rate + 1});
}

void TokenBucket::refill(TimePoint now) {
  if (now <= filled_at_) return;
  const auto passed = elapsed(now, filled_at_).count();
  filled_at_ = now;
  const auto rate = static_cast<std::int64_t>(rate_);
  const std::int64_t missing = burst_ - level_;
  if (rate == 0 || passed > missing / rate) {
    level_ = burst_;
  } else {
    level_ += passed * rate;
  }
}

}  // namespace ppspp
