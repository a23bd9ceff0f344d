// A tracker without messages: it knows who is there and names some of them at random.
#pragma once

#include <cstddef>
#include <vector>

#include "ppspp/random_source.h"
#include "sim/world.h"

namespace ppspp::sim {

class Tracker {
 public:
  void join(NodeId node) { members_.push_back(node); }
  void leave(NodeId node) { std::erase(members_, node); }
  const std::vector<NodeId>& members() const { return members_; }

  // Up to `count` different members other than `asker`.
  std::vector<NodeId> sample(NodeId asker, std::size_t count, Rng& random) const;

 private:
  std::vector<NodeId> members_;
};

}  // namespace ppspp::sim
