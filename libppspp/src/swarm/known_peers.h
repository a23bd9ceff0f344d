// The peers that a swarm was told of, and when to try them (again): at once, then after pauses that
// double up to a minute. A peer that is gone today may be back tomorrow.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "ppspp/swarm_types.h"
#include "ppspp/time.h"
#include "ppspp/transport_address.h"
#include "wire/message.h"

namespace ppspp {

class KnownPeers {
 public:
  static constexpr std::size_t kMaxPeers = 1'000;

  // Known already, or full: nothing.
  void add(const TransportAddress& address, PeerSource source, TimePoint now);
  bool knows(const TransportAddress& address) const;

  // The next peer to be contacted; it is then connecting through `channel`.
  std::optional<TransportAddress> due(TimePoint now) const;
  void on_connecting(const TransportAddress& address, ChannelId channel);
  // The handshake was completed: the pauses begin anew.
  void on_established(const TransportAddress& address);
  // Its channel ended. `retry_now`: it may have forgotten us, a new handshake is worth a try at
  // once.
  void on_closed(const TransportAddress& address, ChannelId channel, bool retry_now, TimePoint now);
  // No free channel: not before a while.
  void postpone(const TransportAddress& address, TimePoint now);

  TimePoint deadline() const { return first_attempt_; }  // of the next attempt
  std::size_t size() const { return peers_.size(); }

 private:
  struct Peer {
    TransportAddress address;
    PeerSource source;
    std::optional<ChannelId> channel;
    TimePoint next_attempt;
    Microseconds pause;
  };
  Peer* find(const TransportAddress& address);
  void schedule(Peer& peer, TimePoint now);
  void find_first();  // after a change

  std::vector<Peer> peers_;
  TimePoint first_attempt_ = kNever;
};

}  // namespace ppspp
