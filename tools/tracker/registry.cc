#include "tracker/registry.h"

#include <algorithm>
#include <functional>

#include "base/assert.h"

namespace ppspp::tracker {
namespace {

constexpr unsigned kV6Site = 64;  // bits that one subscriber has for himself

TransportAddress host_only(const TransportAddress& address) {
  return address.is_v4() ? TransportAddress::v4(address.v4_address(), 0)
                         : TransportAddress::v6(address.bytes(), 0, address.scope_id());
}

std::size_t index_of(PeerMode mode) {
  return static_cast<std::size_t>(mode);
}

}  // namespace

Network network_of(const TransportAddress& address) {
  return address.is_v4() ? Network::of(address) : Network::of(address, kV6Site);
}

bool Peer::is_listed() const {
  return std::ranges::any_of(places, [](const PeerPlace& place) { return place.checked; });
}

std::size_t Registry::KeyHash::operator()(const Key& key) const {
  return std::hash<std::string>()(key.first) * 31 + key.second.hash();
}

Registry::~Registry() = default;

Peer* Registry::find(std::string_view peer_id, const TransportAddress& host) {
  const auto found = by_id_.find({std::string(peer_id), host_only(host)});
  return found == by_id_.end() ? nullptr : found->second;
}

Peer* Registry::find(std::uint64_t serial) {
  const auto found = peers_.find(serial);
  return found == peers_.end() ? nullptr : found->second.get();
}

Swarm* Registry::find(const SwarmId& id) {
  const auto found = swarms_.find(id);
  return found == swarms_.end() ? nullptr : found->second.get();
}

// Peers that nobody is told of make way, those silent for longest first: so forged registrations
// push out each other, and not the peers that make the swarms.
bool Registry::make_room() {
  if (peers_.size() < limits_.max_peers) return true;
  if (unlisted_.empty()) return false;
  remove(*unlisted_.front());
  return true;
}

tl::expected<Peer*, Refusal> Registry::add(std::string_view peer_id, const TransportAddress& host,
                                           TimePoint now) {
  PPSPP_ASSERT(find(peer_id, host) == nullptr);
  const Network network = network_of(host);
  const auto use = networks_.find(network);
  if (use != networks_.end() && use->second.peers >= limits_.max_peers_per_network) {
    return tl::unexpected(Refusal::network_has_too_many);
  }
  if (!make_room()) return tl::unexpected(Refusal::too_many_peers);
  auto peer = std::make_unique<Peer>();
  peer->serial = next_serial_++;
  peer->id = peer_id;
  peer->host = host_only(host);
  peer->registered_at = peer->heard_at = now;
  peer->place_in_order = unlisted_.insert(unlisted_.end(), peer.get());
  ++networks_[network].peers;
  by_id_.emplace(Key(peer->id, peer->host), peer.get());
  Peer* const added = peer.get();
  peers_.emplace(added->serial, std::move(peer));
  return added;
}

void Registry::heard(Peer& peer, TimePoint now) {
  peer.heard_at = now;
  auto& order = order_of(peer);
  order.splice(order.end(), order, peer.place_in_order);
}

void Registry::remove(Peer& peer) {
  while (!peer.memberships.empty()) take_out(*peer.memberships.back());
  order_of(peer).erase(peer.place_in_order);
  --networks_[network_of(peer.host)].peers;
  release(network_of(peer.host));
  by_id_.erase(Key(peer.id, peer.host));
  peers_.erase(peer.serial);
}

void Registry::release(const Network& network) {
  const auto use = networks_.find(network);
  if (use->second.peers == 0 && use->second.memberships == 0) networks_.erase(use);
}

tl::expected<Membership*, Refusal> Registry::join(Peer& peer, const SwarmId& id, PeerMode mode) {
  if (Membership* const known = membership(peer, id)) {
    const bool listed = known->place_in_list.has_value();
    unlist(*known);
    known->mode = mode;
    if (listed) list(*known);
    return known;
  }
  NetworkUse& use = networks_[network_of(peer.host)];
  if (memberships_ >= limits_.max_memberships) return tl::unexpected(Refusal::too_many_peers);
  if (use.memberships >= limits_.max_memberships_per_network) {
    return tl::unexpected(Refusal::network_has_too_many);
  }
  Swarm* swarm = find(id);
  if (swarm == nullptr && swarms_.size() >= limits_.max_swarms) {
    return tl::unexpected(Refusal::too_many_swarms);
  }
  if (swarm != nullptr && swarm->members.size() >= limits_.max_peers_per_swarm) {
    return tl::unexpected(Refusal::too_many_peers);
  }
  if (swarm == nullptr) {
    swarm = swarms_.emplace(id, std::make_unique<Swarm>()).first->second.get();
    swarm->id = id;
  }
  auto& member = swarm->members[peer.serial] = std::make_unique<Membership>();
  member->peer = &peer;
  member->swarm = swarm;
  member->mode = mode;
  member->place_in_peer = peer.memberships.size();
  peer.memberships.push_back(member.get());
  ++use.memberships;
  ++memberships_;
  if (peer.is_listed()) list(*member);
  return member.get();
}

Membership* Registry::membership(Peer& peer, const SwarmId& id) {
  Swarm* const swarm = find(id);
  if (swarm == nullptr) return nullptr;
  const auto found = swarm->members.find(peer.serial);
  return found == swarm->members.end() ? nullptr : found->second.get();
}

bool Registry::leave(Peer& peer, const SwarmId& id) {
  Membership* const known = membership(peer, id);
  if (known == nullptr) return false;
  take_out(*known);
  return true;
}

void Registry::take_out(Membership& membership) {
  unlist(membership);
  Peer& peer = *membership.peer;
  Swarm& swarm = *membership.swarm;
  Membership* const last = peer.memberships.back();
  peer.memberships[membership.place_in_peer] = last;
  last->place_in_peer = membership.place_in_peer;
  peer.memberships.pop_back();
  --networks_[network_of(peer.host)].memberships;
  --memberships_;
  swarm.members.erase(peer.serial);
  if (swarm.members.empty()) swarms_.erase(SwarmId(swarm.id));
}

void Registry::list(Membership& membership) {
  if (membership.place_in_list) return;
  auto& list = membership.swarm->listed[index_of(membership.mode)];
  membership.place_in_list = list.size();
  list.push_back(&membership);
}

void Registry::unlist(Membership& membership) {
  if (!membership.place_in_list) return;
  auto& list = membership.swarm->listed[index_of(membership.mode)];
  list[*membership.place_in_list] = list.back();
  list.back()->place_in_list = membership.place_in_list;
  list.pop_back();
  membership.place_in_list.reset();
}

void Registry::set_places(Peer& peer, const std::vector<PeerAddress>& addresses) {
  const bool before = peer.is_listed();
  auto& order = order_of(peer);
  std::vector<PeerPlace> places;
  for (const PeerAddress& address : addresses) {
    const auto same = [&](const PeerPlace& place) { return place.info.address == address.address; };
    if (places.size() >= kMaxAddressesPerPeer || std::ranges::any_of(places, same)) continue;
    const auto known = std::ranges::find_if(peer.places, same);
    places.push_back(known == peer.places.end() ? PeerPlace{address} : *known);
    places.back().info = address;
  }
  peer.places = std::move(places);
  if (before && !peer.is_listed()) {
    for (Membership* const membership : peer.memberships) unlist(*membership);
    unlisted_.splice(unlisted_.end(), order, peer.place_in_order);
  }
}

void Registry::set_checked(Peer& peer, const TransportAddress& address, bool checked,
                           TimePoint now) {
  const auto place = std::ranges::find_if(
      peer.places, [&](const PeerPlace& each) { return each.info.address == address; });
  if (place == peer.places.end()) return;
  const bool before = peer.is_listed();
  auto& order = order_of(peer);
  place->checked = checked;
  place->checked_at = now;
  const bool after = peer.is_listed();
  if (before == after) return;
  order_of(peer).splice(order_of(peer).end(), order, peer.place_in_order);
  peer.heard_at = std::max(peer.heard_at, now);  // the orders are by this time
  for (Membership* const membership : peer.memberships) {
    after ? list(*membership) : unlist(*membership);
  }
}

// Floyd's way to draw k of n without repetition: k draws, and no more memory than the sample.
std::vector<const Membership*> Registry::sample(const Swarm& swarm, std::size_t count,
                                                const Peer* except, bool leeches_only,
                                                RandomSource& random) const {
  const auto& leeches = swarm.listed[index_of(PeerMode::leech)];
  const auto& seeders = swarm.listed[index_of(PeerMode::seeder)];
  const std::size_t all = leeches.size() + (leeches_only ? 0 : seeders.size());
  const std::size_t drawn = std::min(all, count + 1);  // one of them may be `except`
  std::vector<std::size_t> places;
  for (std::size_t limit = all - drawn; limit < all; ++limit) {
    const std::size_t place = random.below(limit + 1);
    const bool taken = std::ranges::find(places, place) != places.end();
    places.push_back(taken ? limit : place);
  }
  // Floyd's sample is in no particular, but not in a random order: and the last may have to go.
  for (std::size_t i = places.size(); i > 1; --i) std::swap(places[i - 1], places[random.below(i)]);
  std::vector<const Membership*> sample;
  for (const std::size_t place : places) {
    const Membership* const member =
        place < leeches.size() ? leeches[place] : seeders[place - leeches.size()];
    if (member->peer != except && sample.size() < count) sample.push_back(member);
  }
  return sample;
}

std::size_t Registry::expire(TimePoint now) {
  std::size_t removed = 0;
  for (auto* const order : {&listed_, &unlisted_}) {
    while (!order->empty() && now - order->front()->heard_at >= limits_.track_timer) {
      remove(*order->front());
      ++removed;
    }
  }
  return removed;
}

TimePoint Registry::next_expiry() const {
  TimePoint next = kNever;
  for (const auto* const order : {&listed_, &unlisted_}) {
    if (!order->empty()) next = std::min(next, order->front()->heard_at + limits_.track_timer);
  }
  return next;
}

bool Registry::is_consistent() const {
  std::size_t memberships = 0;
  for (const auto& [serial, peer] : peers_) {
    for (std::size_t i = 0; i < peer->memberships.size(); ++i) {
      const Membership& each = *peer->memberships[i];
      if (each.peer != peer.get() || each.place_in_peer != i) return false;
      if (each.place_in_list.has_value() != peer->is_listed()) return false;
    }
    memberships += peer->memberships.size();
  }
  std::size_t members = 0;
  for (const auto& [id, swarm] : swarms_) {
    if (swarm->members.empty() || swarm->listed_count() > swarm->members.size()) return false;
    members += swarm->members.size();
    for (const auto& list : swarm->listed) {
      for (std::size_t i = 0; i < list.size(); ++i) {
        if (list[i]->place_in_list != i || list[i]->swarm != swarm.get()) return false;
      }
    }
  }
  std::size_t in_networks = 0;
  std::size_t peers_in_networks = 0;
  for (const auto& [network, use] : networks_) {
    in_networks += use.memberships;
    peers_in_networks += use.peers;
  }
  return memberships == memberships_ && members == memberships_ && in_networks == memberships_ &&
         peers_in_networks == peers_.size() && by_id_.size() == peers_.size() &&
         listed_.size() + unlisted_.size() == peers_.size();
}

}  // namespace ppspp::tracker
