// Peers that mean ill, together: they know each other, and call every honest peer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ppspp/result.h"
#include "sim/enemy.h"

namespace ppspp::sim {

// Whose addresses are misused. It says nothing.
class Victim final : public Speaker {
 public:
  void on_datagram(std::uint16_t, const TransportAddress&,
                   std::span<const std::byte> datagram) override {
    ++datagrams_;
    octets_ += datagram.size();
  }
  std::uint64_t datagrams() const { return datagrams_; }
  std::uint64_t octets() const { return octets_; }

 private:
  std::uint64_t datagrams_ = 0;
  std::uint64_t octets_ = 0;
};

class Enemies {
 public:
  // Both outlive it; it outlives what `world` still runs.
  Enemies(World& world, const Content& content);

  // The kinds that a name stands for: its own, or with "mixed" all.
  static Result<std::vector<EnemyKind>> kinds_of(std::string_view name);
  // How many are a share (percent) of all peers, if so many others are honest.
  static std::size_t count_for(unsigned percent, std::size_t honest) {
    return percent >= 100 ? honest : (honest * percent + 50) / (100 - percent);
  }

  NodeId add(EnemyKind kind, const NodeOptions& options);
  // `count` of these kinds in turn.
  void add(std::span<const EnemyKind> kinds, std::size_t count, const NodeOptions& options);
  // Whom they attack.
  void set_honest(std::span<const NodeId> honest);
  void start();
  void stop();

  const std::vector<std::unique_ptr<Enemy>>& all() const { return enemies_; }
  std::vector<TransportAddress> addresses() const { return team_.fellows; }
  EnemyTally tally() const;
  const Victim& victim() const { return victim_; }
  std::string report() const;  // a line for each kind that is there

 private:
  World& world_;
  Victim victim_;
  EnemyTeam team_;
  std::vector<std::unique_ptr<Enemy>> enemies_;
};

}  // namespace ppspp::sim
