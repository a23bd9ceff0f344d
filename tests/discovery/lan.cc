#include "lan.h"

#include <algorithm>
#include <array>

namespace ppspp::test {

SwarmId swarm_id(std::uint64_t number) {
  Rng random(number);
  std::array<std::byte, 32> octets;
  for (std::byte& octet : octets) octet = static_cast<std::byte>(random.next_u64());
  return SwarmId(octets);
}

bool Lan::Node::knows(const SwarmId& swarm, const Node& other) const {
  return std::any_of(found.begin(), found.end(), [&](const LocalDiscovery::Found& f) {
    return f.swarm == swarm && f.peer == other.address;
  });
}

LocalLink Lan::link(const Node& node) {
  return {1, node.address, {*Network::parse("10.1.0.0/16")}};
}

Lan::Node& Lan::add_node() {
  const auto number = static_cast<std::uint32_t>(nodes.size() + 1);
  const auto address =
      TransportAddress::v4(0x0a010000 + number, static_cast<std::uint16_t>(6'000 + number));
  nodes.push_back(std::make_unique<Node>(random_.next_u64(), address));
  nodes.back()->discovery.set_links({link(*nodes.back())}, now_);
  return *nodes.back();
}

void Lan::inject(const TransportAddress& from, std::vector<std::byte> octets) {
  const Microseconds delay{200 + static_cast<std::int64_t>(random_.below(1'000))};
  flying_.emplace(now_ + delay, Flight{from, std::move(octets)});
}

void Lan::run(Microseconds duration) {
  const TimePoint end = now_ + duration;
  while (true) {
    collect();
    TimePoint next = flying_.empty() ? kNever : flying_.begin()->first;
    for (const auto& node : nodes) next = std::min(next, node->discovery.deadline());
    if (next > end) break;
    now_ = std::max(now_, next);
    deliver();
  }
  now_ = end;
}

void Lan::deliver() {
  while (!flying_.empty() && flying_.begin()->first <= now_) {
    const Flight flight = std::move(flying_.begin()->second);
    flying_.erase(flying_.begin());
    for (const auto& node : nodes) {
      if (loss > 0 && random_.below(1'000) < static_cast<std::uint64_t>(loss * 1'000)) continue;
      node->discovery.handle_datagram(flight.octets, flight.from, 1, now_);
    }
  }
}

void Lan::collect() {
  for (const auto& node : nodes) {
    std::array<std::byte, LocalMessage::kMaxSize> buffer;
    while (const auto transmit = node->discovery.poll_transmit(buffer, now_)) {
      std::vector<std::byte> octets(buffer.begin(),
                                    buffer.begin() + static_cast<std::ptrdiff_t>(transmit->size));
      const auto& address = transmit->link.address;
      sent.push_back({address, octets, read_local_message(octets).value()});
      inject(TransportAddress::v4(address.v4_address(), 6'779), std::move(octets));
    }
    while (auto found = node->discovery.poll_found()) node->found.push_back(*std::move(found));
  }
}

std::size_t Lan::count(LocalMessage::Type type) const {
  return static_cast<std::size_t>(std::count_if(
      sent.begin(), sent.end(), [&](const Packet& p) { return p.message.type == type; }));
}

std::size_t Lan::count(LocalMessage::Type type, const Node& by) const {
  return static_cast<std::size_t>(std::count_if(sent.begin(), sent.end(), [&](const Packet& p) {
    return p.message.type == type && p.from == by.address;
  }));
}

}  // namespace ppspp::test
