#include "tracker/request_limits.h"

#include <algorithm>
#include <cmath>

namespace ppspp::tracker {

double RequestLimits::tokens(const Bucket& bucket, TimePoint now) const {
  const double passed = std::chrono::duration<double>(now - bucket.at).count();
  return std::min(options_.burst, bucket.tokens + std::max(0.0, passed) * options_.per_second);
}

bool RequestLimits::allow(const Network& network, double cost, TimePoint now) {
  auto found = buckets_.find(network);
  if (found == buckets_.end()) {
    if (buckets_.size() >= options_.max_networks) {
      buckets_.erase(order_.front());
      order_.pop_front();
    }
    const auto place = order_.insert(order_.end(), network);
    found = buckets_.emplace(network, Bucket{options_.burst, now, place}).first;
  }
  Bucket& bucket = found->second;
  order_.splice(order_.end(), order_, bucket.place);
  bucket.tokens = tokens(bucket, now);
  bucket.at = now;
  if (bucket.tokens < cost) return false;
  bucket.tokens -= cost;
  return true;
}

std::chrono::seconds RequestLimits::wait(const Network& network, double cost, TimePoint now) const {
  const auto found = buckets_.find(network);
  const double lacking = found == buckets_.end() ? 0.0 : cost - tokens(found->second, now);
  return std::chrono::seconds(std::max<std::int64_t>(
      1, static_cast<std::int64_t>(std::ceil(lacking / options_.per_second))));
}

}  // namespace ppspp::tracker
