#include "swarm/first_offers.h"

#include <algorithm>

namespace ppspp {
namespace {

constexpr double kMore = 1.05;
constexpr double kLess = 0.75;

}  // namespace

// As TCP finds its rate: a little more as long as the link keeps up, a good part less when it does
// not. One copy of each chunk there must be.
void FirstOffers::adapt(std::uint64_t fresh, std::size_t candidates, std::uint64_t queued) {
  const double sent = copies_ * static_cast<double>(fresh);
  const auto left = static_cast<double>(queued);
  if (left > sent / 2) {
    copies_ *= kLess;
  } else if (left < sent / 8) {
    copies_ = copies_ * kMore + 0.05;
  }
  copies_ = std::clamp(copies_, 1.0, std::max(4.0, static_cast<double>(candidates) * 1.2));
}

bool FirstOffers::divide(ChunkRange fresh, std::size_t candidates, std::uint64_t queued,
                         std::vector<Offer>& offers) {
  adapt(fresh.size(), candidates, queued);
  if (candidates == 0) return true;
  if (copies_ >= static_cast<double>(candidates)) {
    for (std::size_t peer = 0; peer < candidates; ++peer) offers.push_back({peer, fresh});
    return true;
  }
  for (ChunkIndex chunk = fresh.begin; chunk < fresh.end; ++chunk) {
    owed_ += copies_;
    for (; owed_ >= 1; owed_ -= 1) {
      offers.push_back({turn_ % candidates, {chunk, chunk + 1}});
      turn_ = (turn_ + 1) % candidates;
    }
  }
  return false;
}

}  // namespace ppspp
