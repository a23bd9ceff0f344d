// One endpoint, the hub, and the peers of thousands of channels to it, in virtual time and without
// sockets. What the hub's calls cost is counted apart from all else.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <queue>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "ppspp/endpoint.h"
#include "ppspp/random_source.h"

namespace bench {

// Contents of so many chunks that are alike but for a number in the first: many swarms take no more
// memory for them than one.
class Contents {
 public:
  explicit Contents(std::uint64_t chunks);

  std::uint64_t length() const;
  ppspp::SwarmMetadata metadata(std::uint64_t number) const;
  // One that has it, or nothing of it; what is written is not kept.
  std::unique_ptr<ppspp::ChunkStore> store(std::uint64_t number, bool complete) const;

 private:
  std::vector<std::byte> tree(std::uint64_t number) const;

  std::uint64_t chunks_;
  std::vector<std::byte> tree_;  // of the content with number 0
};

class ManyPeers {
 public:
  // What the hub's calls have cost so far.
  struct Cost {
    double cpu_s = 0;
    std::int64_t heap = 0;  // octets, now
    std::int64_t allocations = 0;
    std::uint64_t datagrams = 0;  // in and out
  };

  ManyPeers();

  ppspp::SwarmHandle join(const Contents& contents, std::uint64_t number, bool complete);
  void leave(ppspp::SwarmHandle swarm);
  // A peer that has a channel to the hub in one swarm, and begins it when time passes.
  void add_peer(const Contents& contents, std::uint64_t number, bool complete);

  void run_for(ppspp::Microseconds time);
  // Until the hub has sent and received so many more datagrams, or the time is up.
  void run_datagrams(std::uint64_t datagrams, ppspp::Microseconds most);

  Cost cost() const;
  std::size_t channels() const;  // established, of the hub

 private:
  struct Peer {
    explicit Peer(std::uint32_t number) : index(number), random(number + 1'000) {}
    std::uint32_t index;
    ppspp::Rng random;
    std::unique_ptr<ppspp::Endpoint> endpoint;
    ppspp::TransportAddress address;
    ppspp::TimePoint wake = ppspp::kNever;
  };
  struct Packet {
    ppspp::TimePoint at;
    Peer* peer;
    std::vector<std::byte> octets;
  };
  using Packets = std::deque<Packet>;

  ppspp::Now now() const;
  bool step(ppspp::TimePoint until);
  void run_hub();
  void run_peers();
  void pump(Peer& peer);
  void pump_hub();
  void send(Packets& packets, Peer& peer, const ppspp::Transmit& transmit,
            std::span<const std::byte> octets);
  std::span<Packet> take_due(Packets& packets, std::vector<Packet>& due);

  ppspp::Rng random_{1};
  ppspp::TimePoint time_{std::chrono::seconds(1'000)};
  std::unique_ptr<ppspp::Endpoint> hub_;
  std::deque<Peer> peers_;
  std::unordered_map<ppspp::TransportAddress, Peer*> by_address_;
  std::priority_queue<std::pair<ppspp::TimePoint, std::size_t>,
                      std::vector<std::pair<ppspp::TimePoint, std::size_t>>, std::greater<>>
      wakes_;
  Packets to_hub_;
  Packets to_peers_;
  std::vector<std::vector<std::byte>> spare_;  // of packets that have arrived
  std::vector<std::byte> buffer_;
  std::vector<ppspp::Transmit> outgoing_;  // in buffer_
  Cost cost_;
};

}  // namespace bench
