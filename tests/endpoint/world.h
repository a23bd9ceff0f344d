// Endpoints on a simulated network: one virtual time, links with delay, rate, queue, loss,
// duplication, reordering and corruption. A test never sleeps.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <string>
#include <vector>

#include "ppspp/endpoint.h"
#include "ppspp/random_source.h"

namespace ppspp::test {

using namespace std::chrono_literals;

struct LinkOptions {
  Microseconds delay{5'000};    // one way
  std::uint64_t rate = 0;       // octets per second; 0: no limit
  std::size_t queue = 1 << 20;  // octets, drop-tail
  double loss = 0;              // share of datagrams
  double duplication = 0;
  double reordering = 0;     // share that is delayed by another `delay`
  double corruption = 0;     // share with one bit flipped
  std::size_t mtu = 65'535;  // larger datagrams are lost
};

class World;

class Node {
 public:
  Node(World& world, std::size_t index, const EndpointOptions& options);

  Endpoint& endpoint() {
    may_have_output_ = true;
    return *endpoint_;
  }
  const TransportAddress& address() const { return address_; }

  // Seeds the content. The metadata's ID is its root hash.
  SwarmMetadata seed(std::span<const std::byte> content, SwarmMetadata metadata = {});
  // Seeds a part of it, as a download that goes on; asks for the rest.
  SwarmMetadata seed_part(std::span<const std::byte> content, SwarmMetadata metadata,
                          const std::vector<ChunkRange>& verified);
  // Joins with an empty store.
  SwarmHandle join(const SwarmMetadata& metadata, PickPolicy policy = PickPolicy::rarest_first);
  SwarmHandle join(const SwarmMetadata& metadata, std::unique_ptr<ChunkStore> store,
                   const SwarmContent& content = {}, const JoinSettings& settings = {});
  void add_peer(SwarmHandle swarm, const Node& peer);
  std::vector<std::byte> content(SwarmHandle swarm);  // of a MemoryChunkStore
  SwarmStatus status() { return *endpoint_->status(swarm_); }
  bool complete(SwarmHandle swarm) { return endpoint_->status(swarm)->complete; }
  SwarmHandle swarm() const { return swarm_; }
  std::vector<ChannelStatus> channels(SwarmHandle swarm) const;
  const std::vector<Event>& events() const { return events_; }
  void crash();  // forgets everything without a word; a new endpoint with the same address
  std::function<bool(std::span<const std::byte>)> on_send;  // false: the datagram is swallowed
  std::optional<LinkOptions> link;  // of its sending side, where it differs from the world's

 private:
  friend class World;
  void pump();

  World& world_;
  EndpointOptions options_;
  TransportAddress address_;
  Rng random_;
  std::unique_ptr<Endpoint> endpoint_;
  SwarmHandle swarm_;
  std::vector<Event> events_;
  std::int64_t clock_offset_us_;
  TimePoint link_free_at_{};
  bool paused_ = false;
  bool may_have_output_ = true;  // something was put in since the last pump()
  bool heard_ = false;           // datagrams, since the last flush
};

class World {
 public:
  explicit World(std::uint64_t seed, const LinkOptions& link = {});

  Node& add_node(const EndpointOptions& options = {});
  LinkOptions& link() { return link_; }  // of every node's sending side
  Now now(const Node& node) const;
  TimePoint time() const { return time_; }
  Rng& random() { return random_; }

  // A datagram of a peer that a test plays by hand. What endpoints send to it lands in `inbox`.
  struct Arrived {
    TransportAddress from;
    TransportAddress to;
    std::vector<std::byte> octets;
    TimePoint at;
  };
  TransportAddress stranger(std::size_t index = 0) const;
  void send_as(const TransportAddress& from, Node& to, std::span<const std::byte> datagram);
  std::vector<Arrived> inbox;

  // Runs until the condition holds or the time is up; true if it holds.
  bool run_until(const std::function<bool()>& condition, Microseconds most);
  void run_for(Microseconds time);
  void pause(Node& node, bool paused) { node.paused_ = paused; }

  std::uint64_t datagrams() const { return datagrams_; }
  std::size_t steps() const { return steps_; }
  std::size_t steps_per_check = 16;         // of the endpoints' invariants
  double flush_chance = 0.1;                // after each datagram of a batch
  std::function<void(Node&)> before_flush;  // what a driver may do there
  bool peers_tell = false;                  // of others (PEX): else each knows whom the test names
  bool clocks_agree = false;                // wall clocks, as live feeds need them within minutes
  std::size_t max_steps = 2'000'000;  // a guard: somebody is woken again and again for nothing

 private:
  friend class Node;
  struct Flying {
    TimePoint at;
    std::uint64_t order;
    TransportAddress from;
    TransportAddress to;
    std::vector<std::byte> octets;
    bool operator>(const Flying& other) const {
      return at != other.at ? at > other.at : order > other.order;
    }
  };
  void transmit(Node& from, const TransportAddress& to, std::span<const std::byte> datagram);
  void fly(const TransportAddress& from, const TransportAddress& to,
           std::span<const std::byte> datagram, TimePoint at);
  bool chance(double probability);
  Node* find(const TransportAddress& address);
  bool step(TimePoint limit);
  void deliver();

  LinkOptions link_;
  Rng random_;
  TimePoint time_{std::chrono::seconds(1)};
  std::uint64_t order_ = 0;
  std::uint64_t datagrams_ = 0;
  std::size_t steps_ = 0;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::map<TransportAddress, Node*> by_address_;
  std::priority_queue<Flying, std::vector<Flying>, std::greater<>> flying_;
};

// A store that holds the content and its whole hash tree, as a seeder's does. Sets the metadata's
// ID.
std::unique_ptr<ChunkStore> complete_store(std::span<const std::byte> content,
                                           SwarmMetadata& metadata);
void build_tree(std::span<const std::byte> content, SwarmMetadata& metadata, ChunkStore& store);

// Content that differs everywhere, the same for the same seed.
std::vector<std::byte> random_content(std::size_t size, std::uint64_t seed);

}  // namespace ppspp::test
