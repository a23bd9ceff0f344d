#include "channel/path_search.h"

#include <algorithm>
#include <iterator>

namespace ppspp {
namespace {

// UDP payloads above that of Ethernet which paths really have: jumbo frames, and the loopback's
// 64 KiB with a step before it.
constexpr std::size_t kRungs[] = {8'952, 32'768, 65'487};

constexpr int kProbesPerRung = 3;  // a probe may be lost by chance
constexpr int kBlackHoleLosses = 4;
constexpr Microseconds kRetryAfter = std::chrono::minutes(10);  // RFC 4821, 7.7

}  // namespace

PathSearch::PathSearch(std::size_t base, std::size_t max)
    : base_(base), max_(std::max(base, max)), size_(base), ceiling_(max_ + 1) {}

std::size_t PathSearch::next_rung() const {
  return rung_ < std::size(kRungs) ? std::min(kRungs[rung_], max_) : size_;
}

std::size_t PathSearch::probe_size(TimePoint now) const {
  const std::size_t next = next_rung();
  if (probing_ || next <= size_) return 0;
  return next < ceiling_ || now >= retry_at_ ? next : 0;
}

void PathSearch::skip_below(std::size_t useful) {
  while (!probing_ && rung_ + 1 < std::size(kRungs) && kRungs[rung_] < useful) ++rung_;
}

void PathSearch::on_acked(std::size_t size, bool probe, TimePoint now) {
  if (size > base_) lost_in_a_row_ = 0;
  if (!probe) return;
  probing_ = false;
  failures_ = 0;
  size_ = std::max(size_, std::min(size, max_));
  // A probe is as large as whole chunks make it: the rung counts as reached all the same.
  if (rung_ < std::size(kRungs)) ++rung_;
  if (size_ >= ceiling_ || now >= retry_at_) ceiling_ = max_ + 1;
}

void PathSearch::on_lost(std::size_t size, bool probe, TimePoint now) {
  if (probe) {
    probing_ = false;
    if (++failures_ >= kProbesPerRung) fail(now);
    return;
  }
  if (size <= base_ || ++lost_in_a_row_ < kBlackHoleLosses) return;
  lost_in_a_row_ = 0;
  size_ = base_;
  rung_ = 0;
  fail(now);
}

void PathSearch::on_too_big(std::size_t size, TimePoint now) {
  probing_ = false;
  if (size <= size_) {
    size_ = base_;
    rung_ = 0;
  }
  fail(now);
}

void PathSearch::fail(TimePoint now) {
  failures_ = 0;
  ceiling_ = next_rung();
  retry_at_ = now + kRetryAfter;
}

}  // namespace ppspp
