#include "sim/tracker.h"

#include <algorithm>

namespace ppspp::sim {

std::vector<NodeId> Tracker::sample(NodeId asker, std::size_t count, Rng& random) const {
  std::vector<NodeId> chosen;
  if (members_.size() <= count * 4) {  // shuffle them
    chosen = members_;
    std::erase(chosen, asker);
    count = std::min(count, chosen.size());
    for (std::size_t i = 0; i < count; ++i) {
      std::swap(chosen[i], chosen[i + static_cast<std::size_t>(random.below(chosen.size() - i))]);
    }
    chosen.resize(count);
    return chosen;
  }
  while (chosen.size() < count) {
    const NodeId node = members_[static_cast<std::size_t>(random.below(members_.size()))];
    if (node != asker && std::ranges::find(chosen, node) == chosen.end()) chosen.push_back(node);
  }
  return chosen;
}

}  // namespace ppspp::sim
