// What happens to nodes while faults last: they leave and come back, crash and lose a part of what
// they had, are parted from each other, and their clocks step.
#include <algorithm>

#include "sim/swarm_run.h"

namespace ppspp::sim {

void SwarmRun::chaos() {
  if (!faults_) return;
  Rng& random = world_.random();
  world_.at(world_.time() + kSecond / 5 + random.below(2 * kSecond), [this] { chaos(); });
  const auto node = static_cast<NodeId>(random.below(nodes_.size()));
  switch (random.below(4)) {
    case 0:
      if (options_.leaving) leave(node);
      return;
    case 1:
      if (options_.crashing) crash(node);
      return;
    case 2:
      if (options_.parting || options_.one_way) part();
      return;
    default:
      if (options_.clock_step_us != 0) {
        const auto most = static_cast<std::int64_t>(options_.clock_step_us);
        world_.step_clock(
            node, static_cast<std::int64_t>(random.below(2 * options_.clock_step_us)) - most);
      }
  }
}

void SwarmRun::part() {
  Rng& random = world_.random();
  const bool one_way = options_.one_way && random.below(2) == 0;
  for (NodeId id = 0; id < nodes_.size(); ++id) {
    const auto side = static_cast<std::uint8_t>(random.below(2));
    world_.set_sides(id, side, one_way ? 0 : side);
  }
  world_.at(world_.time() + kSecond / 2 + random.below(8 * kSecond), [this] {
    for (NodeId id = 0; id < nodes_.size(); ++id) world_.set_side(id, 0);
  });
}

// Chunks that were not synced are gone, and pages of the tree.
void SwarmRun::damage(SimDisk& disk) {
  Rng& random = world_.random();
  const std::uint64_t lost_percent = random.below(2) == 0 ? 0 : random.below(60);
  for (ChunkIndex chunk = 0; chunk < disk.content().chunks(); ++chunk) {
    if (disk.has(chunk) && random.below(100) < lost_percent) disk.lose(chunk);
  }
  if (random.below(2) == 0) return;
  constexpr std::size_t kSector = 512;
  const auto tree = disk.tree();
  for (std::size_t at = 0; at < tree.size(); at += kSector) {
    if (random.below(8) != 0) continue;
    const auto sector = tree.subspan(at, std::min(kSector, tree.size() - at));
    if (random.below(2) == 0) {
      std::ranges::fill(sector, std::byte{0});
    } else {
      sector[random.below(sector.size())] ^= std::byte{0x10};
    }
  }
}

// What the source of a feed loses nobody else has: it may stay.
bool SwarmRun::may_go(NodeId id) {
  if (!nodes_[id].up) return false;
  if (id != 0 || !options_.live()) return true;
  return options_.source_crashing && restarts_++ < kMostRestarts;
}

// The feeds of a source that comes back go on with higher numbers (decision 28).
void SwarmRun::skip_numbers() {
  for (const Membership& membership : nodes_[0].memberships) {
    const SwarmMetadata& metadata = membership.disk->content().metadata();
    if (!metadata.live) continue;
    const std::uint64_t gap = kRestartGap * metadata.chunk_size;
    std::uint64_t& fed = fed_[membership.swarm];
    fed = (fed / gap + 1) * gap;
  }
}

void SwarmRun::note_signed_at_once() {
  for (Membership& membership : nodes_[0].memberships) {
    const SwarmMetadata& metadata = membership.disk->content().metadata();
    if (metadata.integrity != IntegrityMethod::unified_merkle) continue;
    const auto live = world_.endpoint(0).status(membership.handle)->live;
    membership.signed_at_once = live->chunks_per_signature;
  }
}

void SwarmRun::crash(NodeId id) {
  Node& node = nodes_[id];
  if (!may_go(id)) return;
  node.up = false;
  if (id == 0) note_signed_at_once();
  for (Membership& membership : node.memberships) {
    membership.store = nullptr;
    if (membership.disk->content().metadata().live) {
      membership.disk = std::make_shared<SimDisk>(membership.disk->content(), false);
    } else if (!membership.source) {
      damage(*membership.disk);
    }
  }
  world_.remove_node(id);
  checker_.forget(id);
  world_.at(world_.time() + world_.random().below(6 * kSecond), [this, id] { come_back(id); });
}

void SwarmRun::leave(NodeId id) {
  Node& node = nodes_[id];
  if (!may_go(id)) return;
  node.up = false;
  if (id == 0) note_signed_at_once();
  for (Membership& membership : node.memberships) {
    membership.store = nullptr;
    world_.endpoint(id).leave(membership.handle, world_.now(id));
    if (membership.disk->content().metadata().live) {
      membership.disk = std::make_shared<SimDisk>(membership.disk->content(), false);
    }
  }
  world_.kick(id);
  world_.at(world_.time() + world_.random().below(6 * kSecond), [this, id] { come_back(id); });
}

// After a crash with a fresh endpoint, after a farewell with the old one.
void SwarmRun::come_back(NodeId id) {
  Node& node = nodes_[id];
  if (node.up) return;
  node.up = true;
  if (!world_.exists(id)) world_.restart_node(id);
  if (id == 0) skip_numbers();
  for (Membership& membership : node.memberships) join(id, membership);
  ask_tracker(id);
}

}  // namespace ppspp::sim
