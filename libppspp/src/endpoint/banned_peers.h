// Peers that were dropped for what they sent (RFC 7574, 12.6.5, 11.2.6): for a minute at first,
// then for twice as long each time. A path that damages datagrams can make an honest peer look like
// one, so nobody is banned for good. Others may share the address, so it is the port that is
// banned; but where several ports of one address are, all of it is, until some are free again.
// Bounded: beyond kMax the oldest is forgotten.
#pragma once

#include <algorithm>
#include <cstddef>
#include <deque>

#include "ppspp/address_rules.h"
#include "ppspp/time.h"
#include "ppspp/transport_address.h"

namespace ppspp {

class BannedPeers {
 public:
  static constexpr std::size_t kMax = 256;
  // So many ports of one address (64 bits of IPv6), and all of it is banned.
  static constexpr std::size_t kPortsOfHost = 4;

  void add(const TransportAddress& peer, TimePoint now) {
    Microseconds pause = kFirstPause;
    if (const auto found = find(peer); found != banned_.end()) {
      pause = std::min<Microseconds>(found->pause * 2, kLongestPause);
      banned_.erase(found);
    }
    if (banned_.size() >= kMax) banned_.pop_front();
    banned_.push_back({peer, now + pause, pause});
  }

  bool contains(const TransportAddress& peer, TimePoint now) const {
    if (banned_.empty()) return false;
    const bool shared = peer.is_loopback();  // by all that run here
    const Network host = Network::of(peer, kAddressBits);
    std::size_t of_host = 0;
    for (const Banned& banned : banned_) {
      if (now >= banned.until) continue;
      if (banned.peer == peer) return true;
      if (!shared && host.contains(banned.peer)) ++of_host;
    }
    return of_host >= kPortsOfHost;
  }

  // Lets those in the network come back, and forgets what they did. False: there were none.
  bool forgive(const Network& network) {
    return std::erase_if(banned_,
                         [&](const Banned& banned) { return network.contains(banned.peer); }) > 0;
  }

  // Calls `each(peer, remaining)` for those that are banned now.
  template <typename Each>
  void for_each(TimePoint now, const Each& each) const {
    for (const Banned& banned : banned_) {
      if (now < banned.until) each(banned.peer, banned.until - now);
    }
  }

 private:
  static constexpr Microseconds kFirstPause = std::chrono::minutes(1);
  static constexpr Microseconds kLongestPause = std::chrono::hours(1);
  static constexpr unsigned kAddressBits = 64;

  struct Banned {
    TransportAddress peer;
    TimePoint until;
    Microseconds pause;
  };
  std::deque<Banned>::const_iterator find(const TransportAddress& peer) const {
    return std::find_if(banned_.begin(), banned_.end(),
                        [&](const Banned& banned) { return banned.peer == peer; });
  }

  std::deque<Banned> banned_;  // in the order of their last fault
};

}  // namespace ppspp
