#include "swarm/known_peers.h"

#include <algorithm>

namespace ppspp {
namespace {

constexpr Microseconds kFirstPause = std::chrono::milliseconds(500);
constexpr Microseconds kLongestPause = std::chrono::minutes(1);

}  // namespace

KnownPeers::Peer* KnownPeers::find(const TransportAddress& address) {
  const auto found = std::find_if(peers_.begin(), peers_.end(),
                                  [&](const Peer& peer) { return peer.address == address; });
  return found == peers_.end() ? nullptr : &*found;
}

bool KnownPeers::knows(const TransportAddress& address) const {
  return std::any_of(peers_.begin(), peers_.end(),
                     [&](const Peer& peer) { return peer.address == address; });
}

void KnownPeers::add(const TransportAddress& address, TimePoint now) {
  if (peers_.size() >= kMaxPeers || knows(address)) return;
  peers_.push_back({address, std::nullopt, now, kFirstPause});
}

std::optional<TransportAddress> KnownPeers::due(TimePoint now) const {
  for (const Peer& peer : peers_) {
    if (!peer.channel && peer.next_attempt <= now) return peer.address;
  }
  return std::nullopt;
}

void KnownPeers::on_connecting(const TransportAddress& address, ChannelId channel) {
  if (Peer* peer = find(address)) peer->channel = channel;
}

void KnownPeers::on_established(const TransportAddress& address) {
  if (Peer* peer = find(address)) peer->pause = kFirstPause;
}

void KnownPeers::schedule(Peer& peer, TimePoint now) {
  peer.next_attempt = now + peer.pause;
  peer.pause = std::min<Microseconds>(peer.pause * 2, kLongestPause);
}

void KnownPeers::on_closed(const TransportAddress& address, ChannelId channel, bool retry_now,
                           TimePoint now) {
  Peer* peer = find(address);
  if (peer == nullptr || peer->channel != channel) return;
  peer->channel.reset();
  if (retry_now) {
    peer->next_attempt = now;
  } else {
    schedule(*peer, now);
  }
}

void KnownPeers::postpone(const TransportAddress& address, TimePoint now) {
  if (Peer* peer = find(address)) schedule(*peer, now);
}

TimePoint KnownPeers::deadline() const {
  TimePoint first = kNever;
  for (const Peer& peer : peers_) {
    if (!peer.channel) first = std::min(first, peer.next_attempt);
  }
  return first;
}

}  // namespace ppspp
