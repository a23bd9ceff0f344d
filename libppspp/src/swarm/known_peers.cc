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

void KnownPeers::add(const TransportAddress& address, PeerSource source, TimePoint now) {
  if (peers_.size() >= kMaxPeers || knows(address)) return;
  peers_.push_back({address, source, std::nullopt, now, kFirstPause});
  first_attempt_ = std::min(first_attempt_, now);
}

std::optional<TransportAddress> KnownPeers::due(TimePoint now) const {
  if (first_attempt_ > now) return std::nullopt;
  for (const Peer& peer : peers_) {
    if (!peer.channel && peer.next_attempt <= now) return peer.address;
  }
  return std::nullopt;
}

void KnownPeers::on_connecting(const TransportAddress& address, ChannelId channel) {
  Peer* peer = find(address);
  if (peer == nullptr) return;
  peer->channel = channel;
  find_first();
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
  find_first();
}

void KnownPeers::postpone(const TransportAddress& address, TimePoint now) {
  Peer* peer = find(address);
  if (peer == nullptr) return;
  schedule(*peer, now);
  find_first();
}

void KnownPeers::find_first() {
  first_attempt_ = kNever;
  for (const Peer& peer : peers_) {
    if (!peer.channel) first_attempt_ = std::min(first_attempt_, peer.next_attempt);
  }
}

}  // namespace ppspp
