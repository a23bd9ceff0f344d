// The smallest delay of the last minutes, as a list of one-minute minima (RFC 6817, section 2.4.2:
// base_delays). A minute without samples counts as +infinity, so that after BASE_HISTORY idle
// minutes the measurement begins anew.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "ppspp/time.h"

namespace ppspp {

class BaseDelayHistory {
 public:
  static constexpr int kMaxMinutes = 30;

  // `minutes` is brought into [1, kMaxMinutes].
  explicit BaseDelayHistory(int minutes);

  void on_sample(std::int64_t delay, TimePoint now);
  // Drops the minutes that have become too old.
  void advance(TimePoint now);
  // Adds `difference` to every minimum: the clocks have moved apart by so much.
  void shift(std::int64_t difference);

  // Of the minutes remembered; none: no sample in any of them.
  std::optional<std::int64_t> minimum() const { return minimum_; }

 private:
  std::size_t slot(std::int64_t minute) const;
  bool is_known(std::size_t slot) const { return (known_ >> slot & 1) != 0; }
  void recompute();

  std::size_t size_;
  std::optional<std::int64_t> newest_;  // of the minute that has not ended
  std::vector<std::int64_t> minima_;    // of those before; not before one has ended
  std::uint32_t known_ = 0;             // a bit for each of minima_ that there is
  std::int64_t minute_ = 0;             // of the newest slot
  bool started_ = false;
  std::optional<std::int64_t> minimum_;
};

}  // namespace ppspp
