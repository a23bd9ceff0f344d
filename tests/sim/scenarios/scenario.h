// A world in which a scenario is ten lines: nodes that seed or fetch one content.
#pragma once

#include <doctest/doctest.h>

#include <memory>
#include <vector>

#include "sim/content.h"
#include "sim/sim_store.h"
#include "sim/world.h"

namespace ppspp::sim {

class Scenario {
 public:
  explicit Scenario(std::uint64_t seed, std::uint64_t length, const PathOptions& path = {})
      : world_(seed, path), content_(length, seed, {}, true) {}

  World& world() { return world_; }
  const Content& content() const { return content_; }

  NodeId seed(const NodeOptions& options = {}) { return add(options, true); }
  NodeId fetch(const NodeOptions& options = {}) { return add(options, false); }
  void introduce(NodeId node, NodeId peer) { introduce_at(node, world_.address(peer)); }
  void introduce_at(NodeId node, const TransportAddress& peer,
                    PeerSource source = PeerSource::user) {
    world_.endpoint(node).add_peer(handles_[node], peer, world_.now(node), source);
    world_.kick(node);
  }
  bool all_well() const { return verdicts_.all_well(); }  // nothing wrong was stored
  bool complete(NodeId node) const { return disks_[node]->complete(); }
  SwarmStatus status(NodeId node) { return *world_.endpoint(node).status(handles_[node]); }
  // Seconds until the node has everything; -1: it takes longer than `most`.
  double seconds_until_complete(NodeId node, unsigned most) {
    const SimTime begin = world_.time();
    while (!complete(node) && world_.time() < begin + most * SimTime{1'000'000}) {
      world_.run_until(world_.time() + 10'000);
    }
    CHECK(verdicts_.all_well());
    return complete(node) ? static_cast<double>(world_.time() - begin) / 1e6 : -1;
  }

 private:
  NodeId add(const NodeOptions& options, bool complete) {
    const NodeId id = world_.add_node(options);
    disks_.push_back(std::make_shared<SimDisk>(content_, complete));
    SwarmContent known;
    if (complete) known = {.state = SwarmContent::State::complete, .length = content_.length()};
    const auto joined = world_.endpoint(id).join(
        content_.metadata(), std::make_unique<SimStore>(disks_.back(), verdicts_), known, {},
        world_.now(id));
    REQUIRE(joined);
    handles_.push_back(*joined);
    return id;
  }

  World world_;
  Content content_;
  StoreVerdicts verdicts_;
  std::vector<std::shared_ptr<SimDisk>> disks_;
  std::vector<SwarmHandle> handles_;
};

}  // namespace ppspp::sim
