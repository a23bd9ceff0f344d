// Peers that a test plays by hand, at addresses of its choice, for peer exchange.
#pragma once

#include <memory>
#include <vector>

#include "endpoint/puppet.h"

namespace ppspp::test {

inline TransportAddress public_address(std::uint32_t index, std::uint16_t port = 6778) {
  return TransportAddress::v4(0x50000001 + (index << 8), port);  // each of another /24
}

struct PexWorld {
  explicit PexWorld(bool seeding, EndpointOptions options = {}, SwarmMetadata wanted = {},
                    std::size_t size = 50'000)
      : world(4711, {.delay = 5ms}), original(size, 4711, wanted) {
    world.clocks_agree = true;
    world.peers_tell = true;
    node = &world.add_node(options);
    if (seeding) {
      node->seed(original.octets, original.metadata);
    } else {
      node->join(original.metadata);
    }
  }

  // A peer that came to the node.
  Puppet& peer_at(const TransportAddress& address) {
    auto peer = std::make_unique<Puppet>(world, *node, original.metadata);
    peer->set_address(address);
    REQUIRE(peer->open());
    peers.push_back(std::move(peer));
    return *peers.back();
  }
  // Says an empty datagram, as a keep-alive.
  static void keep_alive(Puppet& peer) { peer.say({}); }
  // What the node answers to a PEX_REQ.
  static std::vector<TransportAddress> ask(Puppet& peer) {
    peer.hear();
    peer.say({PexReq{}});
    std::vector<TransportAddress> told;
    for (const Heard& heard : peer.hear()) {
      for (const PexResV4& v4 : heard.all<PexResV4>()) {
        told.push_back(TransportAddress::v4(v4.address, v4.port));
      }
      for (const PexResV6& v6 : heard.all<PexResV6>()) {
        told.push_back(TransportAddress::v6(v6.address, v6.port));
      }
    }
    return told;
  }
  // Waits until the node asks the peer for others.
  static bool is_asked(Puppet& peer, Microseconds most = 5s) {
    for (Microseconds waited{0}; waited < most; waited += 100ms) {
      for (const Heard& heard : peer.hear(100ms)) {
        if (heard.has<PexReq>()) return true;
      }
    }
    return false;
  }
  // First datagrams of the node to this address that have arrived since the last call.
  std::size_t handshakes_to(const TransportAddress& address) {
    const auto count =
        std::count_if(world.inbox.begin(), world.inbox.end(),
                      [&](const World::Arrived& arrived) { return arrived.to == address; });
    std::erase_if(world.inbox,
                  [&](const World::Arrived& arrived) { return arrived.to == address; });
    return static_cast<std::size_t>(count);
  }
  const PexCounters& counters() { return node->endpoint().counters().pex; }

  World world;
  Original original;
  Node* node;
  std::vector<std::unique_ptr<Puppet>> peers;
};

}  // namespace ppspp::test
