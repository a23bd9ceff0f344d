// Thousands of endpoints in one virtual time: the second driver of the core. Datagrams go through
// the sender's uplink, a path with a delay of its own and what faults there are, and the receiver's
// downlink. Equal seeds give equal runs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "ppspp/endpoint.h"
#include "ppspp/random_source.h"
#include "sim/nat.h"
#include "sim/packet_pool.h"
#include "sim/radix_queue.h"
#include "sim/sim_clock.h"

namespace ppspp::sim {

using NodeId = std::uint32_t;

// One way of a node's access link.
struct LinkOptions {
  std::uint64_t rate = 0;  // octets per second, headers of IP and UDP included; 0: no limit
  std::size_t queue = std::size_t{256} << 10;  // octets that wait at most; what comes then is lost
};

struct NodeOptions {
  EndpointOptions endpoint = {.pex = false};  // who meets whom is the scenario's business
  LinkOptions up;
  LinkOptions down;
  SimClock clock;
  NatOptions nat;
  std::uint8_t lan = 0;  // a private network: who is on the same one reaches it there; 0: none
};

// What happens between the links. Shares are parts of a million.
struct PathOptions {
  Microseconds delay_min{5'000};  // one way; of each pair of nodes one between these, both ways
  Microseconds delay_max{80'000};
  // Octets of UDP payload. Larger probes are lost, other datagrams go in fragments.
  std::size_t mtu = 1'472;
  std::uint32_t loss = 0;
  std::uint32_t duplication = 0;
  std::uint32_t reordering = 0;  // delayed by up to `reordering_delay` more
  Microseconds reordering_delay{50'000};
  std::uint32_t corruption = 0;  // one bit is flipped
  std::uint32_t replay = 0;      // comes again, up to `replay_delay` later
  Microseconds replay_delay{30'000'000};
};

struct NodeTraffic {
  std::uint64_t sent = 0;        // octets, with headers, that left through the uplink
  std::uint64_t dropped_up = 0;  // datagrams that found a queue full
  std::uint64_t dropped_down = 0;
};

// Looks at what happens. Its functions do not change the world.
class Observer {
 public:
  virtual ~Observer() = default;
  // A datagram that an endpoint wants to send, before any link.
  virtual void on_send(NodeId from, const TransportAddress& to,
                       std::span<const std::byte> datagram) = 0;
  // One that an endpoint is about to get.
  virtual void on_receive(NodeId to, const TransportAddress& from,
                          std::span<const std::byte> datagram) = 0;
  virtual void on_event(NodeId node, const Event& event) = 0;
  virtual void after_turn(NodeId node) = 0;
};

// A node that speaks for itself and not through an endpoint: one that means ill. It is reached at
// all ports of its address.
class Speaker {
 public:
  virtual ~Speaker() = default;
  virtual void on_datagram(std::uint16_t port, const TransportAddress& from,
                           std::span<const std::byte> datagram) = 0;
};

class World {
 public:
  static constexpr std::uint16_t kPort = kOpenPort;

  explicit World(std::uint64_t seed, const PathOptions& path = {});

  NodeId add_node(const NodeOptions& options);
  // `speaker` outlives the world. Of the options the links and the clock count.
  NodeId add_speaker(const NodeOptions& options, Speaker& speaker);
  // From a speaker, through its uplink, with whatever address as its source. Observers do not see
  // it before it is received.
  void speak(NodeId from, const TransportAddress& source, const TransportAddress& to,
             std::span<const std::byte> datagram);
  bool is_speaker(NodeId node) const { return nodes_[node]->speaker != nullptr; }
  // Its endpoint is gone without a word; datagrams to it are lost. The ID is not used again.
  void remove_node(NodeId node);
  // A fresh endpoint at the place of one that was removed.
  void restart_node(NodeId node);
  bool exists(NodeId node) const { return nodes_[node]->endpoint != nullptr; }
  std::size_t node_count() const { return nodes_.size(); }  // those that went included

  // After a command to it, call kick(): what it has to send follows at once.
  Endpoint& endpoint(NodeId node) { return *nodes_[node]->endpoint; }
  const Endpoint& endpoint(NodeId node) const { return *nodes_[node]->endpoint; }
  void kick(NodeId node);
  Now now(NodeId node) const { return nodes_[node]->clock.now(time_); }
  // Where it can be reached if it is not behind a NAT.
  TransportAddress address(NodeId node) const;
  // The same on its private network, which no NAT stands before.
  TransportAddress lan_address(NodeId node) const;
  std::uint8_t lan(NodeId node) const { return nodes_[node]->lan; }
  // Whose IP address it is, whatever the port.
  std::optional<NodeId> find(const TransportAddress& address) const;
  bool is_public(NodeId node) const { return nodes_[node]->nat.kind() == NatKind::none; }
  // Datagrams pass between nodes of equal sides only; or to the side on which the sender is heard.
  void set_side(NodeId node, std::uint8_t side) { set_sides(node, side, side); }
  void set_sides(NodeId node, std::uint8_t heard_on, std::uint8_t hears) {
    nodes_[node]->heard_on = heard_on;
    nodes_[node]->hears = hears;
  }
  void step_clock(NodeId node, std::int64_t microseconds) {
    nodes_[node]->clock.step(microseconds);
  }
  // Octets that its endpoint has allocated while it dealt with datagrams and deadlines, and not
  // freed since: what others make it allocate.
  std::int64_t allocated(NodeId node) const { return nodes_[node]->allocated; }
  const NodeTraffic& traffic(NodeId node) const { return nodes_[node]->traffic; }

  SimTime time() const { return time_; }
  Rng& random() { return random_; }
  PathOptions& path() { return path_; }
  void set_observer(Observer* observer) { observer_ = observer; }

  // Calls `action` once, at that time or now.
  void at(SimTime time, std::function<void()> action);
  // Runs until the time is there, or stop() was called. The latter: false.
  bool run_until(SimTime time);
  void stop() { stopped_ = true; }

  std::uint64_t events() const { return events_; }        // of all kinds
  std::uint64_t datagrams() const { return datagrams_; }  // that endpoints sent

 private:
  enum class Kind : std::uint8_t { arrive, deliver, wake, action, limit };
  struct What {
    Kind kind;
    std::uint32_t index;  // of a packet, node or action
  };
  struct Link {
    LinkOptions options;
    SimTime free_at = 0;  // when all that waits now has left
  };
  struct Node {
    Node(const NodeOptions& options, std::uint64_t seed)
        : clock(options.clock),
          random(seed),
          up{options.up},
          down{options.down},
          nat(options.nat),
          lan(options.lan),
          endpoint_options(options.endpoint) {}
    SimClock clock;
    SimTime wake_at = kSimNever;  // when a wake event is on its way
    bool kicked = false;
    Rng random;
    std::unique_ptr<Endpoint> endpoint;
    Speaker* speaker = nullptr;
    Link up;
    Link down;
    Nat nat;
    std::uint8_t lan;
    std::uint8_t heard_on = 0;
    std::uint8_t hears = 0;
    NodeTraffic traffic;
    std::int64_t allocated = 0;
    EndpointOptions endpoint_options;
  };

  // When a datagram that comes now is through the link; none if its queue is full.
  std::optional<SimTime> pass(Link& link, std::size_t payload) const;
  bool chance(std::uint32_t millionths);
  TransportAddress source_of(NodeId from, const TransportAddress& to);
  SimTime delay_between(NodeId a, NodeId b) const;
  void send(NodeId from, const TransportAddress& to, std::span<const std::byte> datagram,
            bool probe);
  // Nobody: there is none, or it is on another side.
  std::optional<NodeId> receiver_of(NodeId from, const TransportAddress& to) const;
  // Behind the uplink, unless it is lost.
  void travel(const TransportAddress& source, NodeId receiver, const TransportAddress& to,
              std::span<const std::byte> datagram, std::size_t packets, SimTime at);
  void fly(const TransportAddress& source, NodeId to, const TransportAddress& target,
           std::span<const std::byte> datagram, SimTime at);
  void arrive(PacketId packet);
  void deliver(PacketId packet);
  void wake(NodeId node);
  void pump(NodeId node);
  void arm(NodeId node);
  void handle(What what);
  void look_ahead();
  static bool is_packet(const What& what) {
    return what.kind == Kind::arrive || what.kind == Kind::deliver;
  }

  PathOptions path_;
  Rng random_;
  std::uint64_t delay_seed_;
  SimTime time_ = 1'000'000;
  RadixQueue<What> queue_;
  PacketPool packets_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::vector<std::function<void()>> actions_;
  std::vector<std::uint32_t> free_actions_;
  std::vector<std::byte> buffer_;
  Observer* observer_ = nullptr;
  bool stopped_ = false;
  std::uint32_t run_ = 0;
  std::uint64_t events_ = 0;
  std::uint64_t datagrams_ = 0;
};

}  // namespace ppspp::sim
