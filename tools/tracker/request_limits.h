// How much each network may ask for: token buckets, of which so many are kept as have a place.
#pragma once

#include <chrono>
#include <cstddef>
#include <list>
#include <map>

#include "ppspp/address_rules.h"
#include "ppspp/time.h"

namespace ppspp::tracker {

class RequestLimits {
 public:
  struct Options {
    double per_second = 20;
    double burst = 300;
    std::size_t max_networks = 65'536;
  };
  explicit RequestLimits(Options options) : options_(options) {}

  // Takes `cost` of the network's allowance; false: it has not that much now. A network that was
  // forgotten begins with a full bucket: with more of them than fit, no limit by address helps.
  bool allow(const Network& network, double cost, TimePoint now);
  // Until `cost` would be allowed.
  std::chrono::seconds wait(const Network& network, double cost, TimePoint now) const;
  std::size_t networks() const { return buckets_.size(); }

 private:
  struct Bucket {
    double tokens = 0;
    TimePoint at{};
    std::list<Network>::iterator place;
  };
  double tokens(const Bucket& bucket, TimePoint now) const;

  Options options_;
  std::map<Network, Bucket> buckets_;
  std::list<Network> order_;  // who asked longest ago comes first
};

}  // namespace ppspp::tracker
