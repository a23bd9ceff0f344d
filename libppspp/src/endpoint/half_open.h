// Handshakes that were answered and not yet confirmed (RFC 7574, 12.1.2): a peer that anybody can
// claim to be costs one small record, not a channel. Bounded in all and for each IP address; when a
// flood fills the table, records are evicted at random, so that a legitimate peer, which confirms
// within a round trip or asks again, still gets through.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "channel/handshake_check.h"
#include "ppspp/chunk_range.h"
#include "ppspp/endpoint.h"
#include "ppspp/random_source.h"
#include "ppspp/time.h"
#include "ppspp/transport_address.h"
#include "wire/message.h"

namespace ppspp {

struct HalfOpen {
  static constexpr std::size_t kMaxHaves = 4;  // minor payload of the first datagram that is kept

  ChannelId local;   // ours, that the third datagram has to carry
  ChannelId remote;  // the initiator's
  TransportAddress peer;
  SwarmHandle swarm;
  TimePoint answered_at;
  PeerCapabilities capabilities;
  std::array<ChunkRange, kMaxHaves> haves = {};
};

// Whom a first datagram is from.
struct Initiator {
  TransportAddress peer;
  ChannelId channel;
  friend bool operator==(const Initiator&, const Initiator&) = default;
};
struct HashInitiator {
  std::size_t operator()(const Initiator& initiator) const noexcept {
    return initiator.peer.hash() ^ initiator.channel.value * std::size_t{0x9e3779b97f4a7c15};
  }
};

class HalfOpenTable {
 public:
  HalfOpenTable(std::size_t max, std::size_t max_per_address);

  // False: over the limit of the address.
  bool add(const HalfOpen& entry, RandomSource& random);
  const HalfOpen* find(ChannelId local) const;
  // The record of a first datagram that came before (8.2 #237).
  const HalfOpen* find(const TransportAddress& peer, ChannelId remote) const;
  void remove(ChannelId local);
  void remove_swarm(SwarmHandle swarm);
  template <typename Unwanted>
  void remove_if(const Unwanted& unwanted) {
    for (std::size_t i = entries_.size(); i-- > 0;) {
      if (unwanted(entries_[i])) remove_at(i);
    }
  }
  void expire(TimePoint now);
  TimePoint deadline() const;  // of the next expiry
  std::size_t size() const { return entries_.size(); }

 private:
  static TransportAddress host_of(const TransportAddress& address);
  void remove_at(std::size_t place);

  std::size_t max_;
  std::size_t max_per_address_;
  std::vector<HalfOpen> entries_;
  std::unordered_map<std::uint32_t, std::size_t> by_local_;
  std::unordered_map<Initiator, ChannelId, HashInitiator> by_initiator_;  // the ID is ours
  std::unordered_map<TransportAddress, std::size_t> per_host_;
  TimePoint oldest_ = kNever;
};

}  // namespace ppspp
