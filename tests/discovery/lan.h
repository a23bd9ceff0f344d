// A network for tests of LocalDiscovery: what one sends to the group arrives at all others that are
// on the same link after a moment, at the sender as well, and sometimes not.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "discovery/local_discovery.h"

namespace ppspp::test {

using Part = LocalDiscovery::Part;
inline constexpr Microseconds kSecond{1'000'000};

SwarmId swarm_id(std::uint64_t number);

// One link, number 1, with IPv4.
class Lan {
 public:
  struct Packet {
    TransportAddress from;
    std::vector<std::byte> octets;
    LocalMessage message;
  };
  struct Node {
    Node(std::uint64_t seed, const TransportAddress& where)
        : random(seed), address(where), discovery(random) {}
    Rng random;
    TransportAddress address;
    LocalDiscovery discovery;
    std::vector<LocalDiscovery::Found> found;

    bool knows(const SwarmId& swarm, const Node& other) const;
  };

  explicit Lan(std::uint64_t seed) : random_(seed) {}

  Node& add_node();
  static LocalLink link(const Node& node);
  void run(Microseconds duration);
  // To everybody, as if `from` had sent it.
  void inject(const TransportAddress& from, std::vector<std::byte> octets);

  TimePoint now() const { return now_; }
  std::size_t count(LocalMessage::Type type) const;  // of all that was sent
  std::size_t count(LocalMessage::Type type, const Node& by) const;

  std::vector<std::unique_ptr<Node>> nodes;
  std::vector<Packet> sent;
  double loss = 0;  // of each datagram at each receiver

 private:
  struct Flight {
    TransportAddress from;
    std::vector<std::byte> octets;
  };
  void deliver();
  void collect();

  Rng random_;
  TimePoint now_{kSecond * 1'000};
  std::multimap<TimePoint, Flight> flying_;
};

}  // namespace ppspp::test
