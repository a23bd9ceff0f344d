#include "swarm/first_offers.h"

#include <algorithm>

namespace ppspp {
namespace {

constexpr double kMore = 1.05;
constexpr double kLess = 0.75;
// Among many a link that is too slow for four copies is filled for seconds before that shows.
constexpr std::size_t kMany = 8;
constexpr double kFirstAmongMany = 1;
// Chunks that wait while a few datagrams leave tell nothing of a link, however small a group is.
constexpr double kLittleQueued = 2;
constexpr double kMuchQueued = 8;
// Chunks that stay together there: they are proved, told of and asked for with fewer octets.
constexpr std::uint64_t kRun = 4;

}  // namespace

// As TCP finds its rate: a little more as long as the link keeps up, a good part less when it does
// not. One copy of each chunk there must be.
void FirstOffers::adapt(std::uint64_t fresh, std::size_t candidates, std::uint64_t queued,
                        Link link) {
  if (candidates > kMany && !among_many_) {
    among_many_ = true;
    copies_ = std::min(copies_, kFirstAmongMany);
  }
  const double sent = copies_ * static_cast<double>(fresh);
  const auto left = static_cast<double>(queued);
  if (left > std::max(sent / 2, kMuchQueued) || link == Link::fuller) {
    copies_ *= kLess;
  } else if (left <= std::max(sent / 8, kLittleQueued) && link == Link::free) {
    copies_ = copies_ * kMore + 0.05;
  }
  copies_ = std::clamp(copies_, 1.0, std::max(4.0, static_cast<double>(candidates) * 1.2));
}

bool FirstOffers::divide(ChunkRange fresh, std::size_t candidates, std::uint64_t queued,
                         std::vector<Offer>& offers, Link link) {
  adapt(fresh.size(), candidates, queued, link);
  if (candidates == 0) return true;
  if (copies_ >= static_cast<double>(candidates)) {
    for (std::size_t peer = 0; peer < candidates; ++peer) offers.push_back({peer, fresh});
    return true;
  }
  const std::uint64_t run = among_many_ ? kRun : 1;
  for (ChunkIndex chunk = fresh.begin; chunk < fresh.end; chunk += run) {
    const ChunkRange together{chunk, std::min(chunk + run, fresh.end)};
    owed_ += copies_;
    for (; owed_ >= 1; owed_ -= 1) {
      offers.push_back({turn_ % candidates, together});
      turn_ = (turn_ + 1) % candidates;
    }
  }
  return false;
}

}  // namespace ppspp
