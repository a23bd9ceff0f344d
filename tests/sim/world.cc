#include "sim/world.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "support/heap.h"

namespace ppspp::sim {
namespace {

using test::HeapMeter;

constexpr std::size_t kHeaders = 28;                  // of IPv4 and UDP
constexpr std::uint32_t kFirstAddress = 0x0b00'0000;  // 11.0.0.0, a public network
constexpr std::uint32_t kFirstOnLan = 0x0a00'0000;    // 10.0.0.0

std::uint64_t mix(std::uint64_t x) {
  return Rng(x).next_u64();
}

}  // namespace

World::World(std::uint64_t seed, const PathOptions& path)
    : path_(path), random_(seed), delay_seed_(random_.next_u64()) {}

NodeId World::add_node(const NodeOptions& options) {
  const auto id = static_cast<NodeId>(nodes_.size());
  nodes_.push_back(std::make_unique<Node>(options, random_.next_u64()));
  Node& node = *nodes_.back();
  node.endpoint = std::make_unique<Endpoint>(options.endpoint, node.random, now(id));
  buffer_.resize(std::max(buffer_.size(), options.endpoint.max_train_size));
  return id;
}

NodeId World::add_speaker(const NodeOptions& options, Speaker& speaker) {
  const auto id = static_cast<NodeId>(nodes_.size());
  nodes_.push_back(std::make_unique<Node>(options, random_.next_u64()));
  nodes_.back()->speaker = &speaker;
  return id;
}

void World::remove_node(NodeId node) {
  nodes_[node]->endpoint.reset();
  nodes_[node]->allocated = 0;
}

void World::restart_node(NodeId id) {
  Node& node = *nodes_[id];
  node.endpoint = std::make_unique<Endpoint>(node.endpoint_options, node.random, now(id));
}

TransportAddress World::address(NodeId node) const {
  return TransportAddress::v4(kFirstAddress + node, kPort);
}

TransportAddress World::lan_address(NodeId node) const {
  return TransportAddress::v4(kFirstOnLan + node, kPort);
}

std::optional<NodeId> World::find(const TransportAddress& address) const {
  if (!address.is_v4()) return std::nullopt;
  const std::uint32_t index =
      address.v4_address() - (address.is_internal() ? kFirstOnLan : kFirstAddress);
  return index < nodes_.size() ? std::optional(index) : std::nullopt;
}

void World::kick(NodeId id) {
  Node& node = *nodes_[id];
  node.kicked = true;
  if (node.wake_at == time_) return;
  node.wake_at = time_;
  queue_.push(time_, {Kind::wake, id});
}

void World::at(SimTime time, std::function<void()> action) {
  std::uint32_t index = static_cast<std::uint32_t>(actions_.size());
  if (free_actions_.empty()) {
    actions_.emplace_back();
  } else {
    index = free_actions_.back();
    free_actions_.pop_back();
  }
  actions_[index] = std::move(action);
  queue_.push(std::max(time, time_), {Kind::action, index});
}

bool World::run_until(SimTime time) {
  stopped_ = false;
  queue_.push(std::max(time, time_), {Kind::limit, ++run_});
  for (;;) {
    const auto entry = queue_.pop();
    time_ = entry.time;
    if (entry.value.kind == Kind::limit) {
      if (entry.value.index == run_) return true;
      continue;  // of a run that was stopped before
    }
    ++events_;
    look_ahead();
    handle(entry.value);
    if (stopped_) return false;
  }
}

// What is far apart in memory is fetched before it is needed: with thousands of nodes nothing of
// one is in a cache any more when its turn comes again. Each step needs what the one before it has
// fetched.
void World::look_ahead() {
  const auto node_of = [this](const What& what) -> Node* {
    if (what.kind == Kind::wake) return nodes_[what.index].get();
    return is_packet(what) ? nodes_[packets_[what.index].node].get() : nullptr;
  };
  if (const What* far = queue_.ahead(11); far != nullptr && is_packet(*far)) {
    __builtin_prefetch(&packets_[far->index]);
  }
  if (const What* what = queue_.ahead(8); what != nullptr) {
    if (Node* const node = node_of(*what); node != nullptr) {
      __builtin_prefetch(node);
      __builtin_prefetch(&node->down);
      __builtin_prefetch(&node->wake_at);
      if (is_packet(*what)) __builtin_prefetch(packets_[what->index].payload().data());
    }
  }
  if (const What* what = queue_.ahead(6); what != nullptr) {
    if (Node* const node = node_of(*what); node != nullptr)
      __builtin_prefetch(node->endpoint.get());
  }
  if (const What* what = queue_.ahead(4); what != nullptr) {
    Node* const node = node_of(*what);
    if (node != nullptr && node->endpoint != nullptr) node->endpoint->anticipate({});
  }
  if (const What* what = queue_.ahead(1); what != nullptr && is_packet(*what)) {
    Packet& packet = packets_[what->index];
    Node& node = *nodes_[packet.node];
    if (node.endpoint != nullptr) node.endpoint->anticipate(packet.payload());
  }
}

void World::handle(What what) {
  switch (what.kind) {
    case Kind::arrive:
      return arrive(what.index);
    case Kind::deliver:
      return deliver(what.index);
    case Kind::wake:
      return wake(what.index);
    case Kind::action: {
      const auto action = std::exchange(actions_[what.index], nullptr);
      free_actions_.push_back(what.index);
      return action();
    }
    case Kind::limit:
      return;
  }
}

// --- Links

bool World::chance(std::uint32_t millionths) {
  return millionths != 0 && random_.below(1'000'000) < millionths;
}

SimTime World::delay_between(NodeId a, NodeId b) const {
  const auto least = static_cast<std::uint64_t>(path_.delay_min.count());
  const auto range = static_cast<std::uint64_t>((path_.delay_max - path_.delay_min).count()) + 1;
  const std::uint64_t pair = std::uint64_t{std::min(a, b)} << 32 | std::max(a, b);
  return least + mix(pair ^ delay_seed_) % range;
}

std::optional<SimTime> World::pass(Link& link, std::size_t payload) const {
  if (link.options.rate == 0) return time_;
  const SimTime start = std::max(time_, link.free_at);
  if ((start - time_) * link.options.rate / 1'000'000 > link.options.queue) return std::nullopt;
  link.free_at = start + (payload + kHeaders) * 1'000'000 / link.options.rate;
  return link.free_at;
}

void World::send(NodeId from, const TransportAddress& to, std::span<const std::byte> datagram,
                 bool probe) {
  ++datagrams_;
  if (observer_ != nullptr) observer_->on_send(from, to, datagram);
  Node& node = *nodes_[from];
  const std::size_t packets = datagram.size() / (path_.mtu + 1) + 1;
  if (packets > 1 && probe) return;
  const auto left = pass(node.up, datagram.size() + (packets - 1) * kHeaders);
  if (!left) {
    ++node.traffic.dropped_up;
    return;
  }
  node.traffic.sent += datagram.size() + packets * kHeaders;
  const auto receiver = receiver_of(from, to);
  if (!receiver) return;
  travel(source_of(from, to), *receiver, to, datagram, packets,
         *left + delay_between(from, *receiver));
}

TransportAddress World::source_of(NodeId from, const TransportAddress& to) {
  if (to.is_internal()) return lan_address(from);
  return TransportAddress::v4(address(from).v4_address(),
                              nodes_[from]->nat.translate(to, time_).value_or(kPort));
}

std::optional<NodeId> World::receiver_of(NodeId from, const TransportAddress& to) const {
  const auto receiver = find(to);
  if (!receiver || nodes_[*receiver]->hears != nodes_[from]->heard_on) return std::nullopt;
  const std::uint8_t lan = nodes_[from]->lan;
  if (to.is_internal() && (lan == 0 || lan != nodes_[*receiver]->lan)) return std::nullopt;
  return exists(*receiver) || is_speaker(*receiver) ? receiver : std::nullopt;
}

void World::speak(NodeId from, const TransportAddress& source, const TransportAddress& to,
                  std::span<const std::byte> datagram) {
  Node& node = *nodes_[from];
  const std::size_t packets = datagram.size() / (path_.mtu + 1) + 1;
  const auto left = pass(node.up, datagram.size() + (packets - 1) * kHeaders);
  if (!left) {
    ++node.traffic.dropped_up;
    return;
  }
  node.traffic.sent += datagram.size() + packets * kHeaders;
  if (const auto receiver = receiver_of(from, to)) {
    travel(source, *receiver, to, datagram, packets, *left + delay_between(from, *receiver));
  }
}

void World::travel(const TransportAddress& source, NodeId receiver, const TransportAddress& to,
                   std::span<const std::byte> datagram, std::size_t packets, SimTime at) {
  for (std::size_t i = 0; i < packets; ++i) {
    if (chance(path_.loss)) return;
  }
  const int copies = chance(path_.duplication) ? 2 : 1;
  for (int copy = 0; copy < copies; ++copy) fly(source, receiver, to, datagram, at);
  if (chance(path_.replay)) {
    const auto most = static_cast<std::uint64_t>(path_.replay_delay.count());
    fly(source, receiver, to, datagram, at + random_.below(most + 1));
  }
}

void World::fly(const TransportAddress& source, NodeId to, const TransportAddress& target,
                std::span<const std::byte> datagram, SimTime at) {
  if (chance(path_.reordering)) {
    at += random_.below(static_cast<std::uint64_t>(path_.reordering_delay.count()) + 1);
  }
  const PacketId id = packets_.take(datagram);
  Packet& packet = packets_[id];
  packet.from = source;
  packet.to = target;
  packet.node = to;
  if (packet.size != 0 && chance(path_.corruption)) {
    packet.payload()[random_.below(packet.size)] ^= static_cast<std::byte>(1U << random_.below(8));
  }
  queue_.push(at, {Kind::arrive, id});
}

// At the receiver's downlink. What finds it free is there at once: its own time on the link is
// charged to those behind it, which spares an event.
void World::arrive(PacketId id) {
  Packet& packet = packets_[id];
  Node& node = *nodes_[packet.node];
  const bool open =
      node.speaker != nullptr || (packet.to.is_internal() && packet.to.port() == kPort);
  const bool admitted = open || node.nat.admits(packet.from, packet.to.port(), time_);
  if (!admitted) return packets_.give_back(id);
  const SimTime free_at = node.down.free_at;
  if (!pass(node.down, packet.size)) {
    ++node.traffic.dropped_down;
    packets_.give_back(id);
    return;
  }
  if (free_at <= time_) return deliver(id);
  queue_.push(free_at, {Kind::deliver, id});
}

// --- The driver of an endpoint

void World::deliver(PacketId id) {
  Packet& packet = packets_[id];
  const NodeId receiver = packet.node;
  Node& node = *nodes_[receiver];
  if (node.speaker != nullptr) {
    node.speaker->on_datagram(packet.to.port(), packet.from, packet.payload());
  } else if (node.endpoint != nullptr) {
    const Now at = now(receiver);
    if (observer_ != nullptr) observer_->on_receive(receiver, packet.from, packet.payload());
    {
      const HeapMeter meter(node.allocated);
      node.endpoint->handle_datagram(packet.payload(), packet.from, at);
      node.endpoint->flush(at);
    }
    pump(receiver);
  }
  packets_.give_back(id);
}

void World::wake(NodeId id) {
  Node& node = *nodes_[id];
  if (node.wake_at != time_ || node.endpoint == nullptr) return;  // overtaken by an earlier one
  node.wake_at = kSimNever;
  const Now at = now(id);
  const bool due = node.endpoint->deadline() <= at.monotonic;
  if (!std::exchange(node.kicked, false) && !due) return arm(id);  // its deadline has moved away
  if (due) {
    const HeapMeter meter(node.allocated);
    node.endpoint->handle_deadline(at);
  }
  pump(id);
}

void World::pump(NodeId id) {
  Node& node = *nodes_[id];
  Endpoint& endpoint = *node.endpoint;
  const Now at = now(id);
  const auto next = [&] {
    const HeapMeter meter(node.allocated);
    return endpoint.poll_transmit(buffer_, at);
  };
  while (const auto transmit = next()) {
    for (std::size_t begin = 0; begin < transmit->size; begin += transmit->segment_size) {
      const std::size_t size = std::min(transmit->segment_size, transmit->size - begin);
      send(id, transmit->to, std::span<const std::byte>(buffer_).subspan(begin, size),
           transmit->probe);
    }
  }
  while (const auto event = endpoint.poll_event()) {
    if (observer_ != nullptr) observer_->on_event(id, *event);
  }
  if (observer_ != nullptr) observer_->after_turn(id);
  arm(id);
}

// A wake-up that is not needed any more is left to fire in vain, as the real driver does.
void World::arm(NodeId id) {
  Node& node = *nodes_[id];
  const SimTime wake_at = std::max(node.clock.when(node.endpoint->deadline()), time_ + 1);
  if (wake_at < node.wake_at) {
    node.wake_at = wake_at;
    queue_.push(wake_at, {Kind::wake, id});
  }
}

}  // namespace ppspp::sim
