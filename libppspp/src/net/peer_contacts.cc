#include "net/peer_contacts.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"

namespace ppspp {
namespace {

std::string to_text(const HostPort& name) {
  const bool v6 = name.host.find(':') != std::string::npos;
  return v6 ? fmt::format("[{}]:{}", name.host, name.port)
            : fmt::format("{}:{}", name.host, name.port);
}

TransportAddress from_endpoint(const boost::asio::ip::udp::endpoint& endpoint) {
  const auto address = endpoint.address();
  if (address.is_v4()) return TransportAddress::v4(address.to_v4().to_uint(), endpoint.port());
  const auto v6 = address.to_v6();
  return TransportAddress::v6(v6.to_bytes(), endpoint.port(),
                              static_cast<std::uint32_t>(v6.scope_id()));
}

}  // namespace

PeerContacts::PeerContacts(boost::asio::io_context& io, Contact contact)
    : contact_(std::move(contact)), resolver_(io), timer_(io) {}

PeerContacts::~PeerContacts() {
  *alive_ = false;
  resolver_.cancel();
}

void PeerContacts::add(const HostPort& name) {
  if (peers_.size() >= kMaxPeers) return;
  Peer& peer = peers_.emplace_back();
  peer.name = name;
  if (const auto literal = TransportAddress::parse(to_text(name))) {
    peer.addresses.push_back(*literal);
  }
  attempt(peer);
}

void PeerContacts::attempt(Peer& peer) {
  peer.retry_at = Clock::time_point::max();
  const bool literal = TransportAddress::parse(to_text(peer.name)).has_value();
  if (!literal) return look_up(peer);
  for (const auto& address : peer.addresses) contact_(address);
}

void PeerContacts::look_up(Peer& peer) {
  resolver_.async_resolve(
      peer.name.host, fmt::format("{}", peer.name.port),
      [this, &peer, alive = alive_](const boost::system::error_code& error, Results results) {
        if (!*alive) return;
        if (!error) return looked_up(peer, results);
        log(LogLevel::warning, "cannot find the peer {}: {}; trying again later",
            to_text(peer.name), error.message());
        retry_later(peer);
      });
}

void PeerContacts::looked_up(Peer& peer, const Results& results) {
  peer.addresses.clear();
  for (const auto& result : results) {
    const auto address = from_endpoint(result.endpoint());
    if (std::find(peer.addresses.begin(), peer.addresses.end(), address) == peer.addresses.end()) {
      peer.addresses.push_back(address);
    }
  }
  const auto addresses = peer.addresses;  // contact_ may report a loss at once
  for (const auto& address : addresses) contact_(address);
}

void PeerContacts::joined(const TransportAddress& address) {
  if (Peer* peer = find(address)) peer->joined_at = Clock::now();
}

void PeerContacts::lost(const TransportAddress& address) {
  Peer* const peer = find(address);
  if (peer == nullptr) return;
  const bool stayed =
      peer->joined_at != Clock::time_point::min() && Clock::now() - peer->joined_at >= kMaxPause;
  if (stayed) peer->pause = kMinPause;
  retry_later(*peer);
}

void PeerContacts::retry_later(Peer& peer) {
  if (peer.retry_at != Clock::time_point::max()) return;  // of several addresses
  peer.retry_at = Clock::now() + peer.pause;
  peer.pause = std::min(peer.pause * 2, kMaxPause);
  arm_timer();
}

void PeerContacts::arm_timer() {
  const auto next =
      std::min_element(peers_.begin(), peers_.end(),
                       [](const Peer& a, const Peer& b) { return a.retry_at < b.retry_at; });
  if (next == peers_.end() || next->retry_at == Clock::time_point::max()) return;
  timer_.expires_at(next->retry_at);
  timer_.async_wait([this, alive = alive_](const boost::system::error_code& error) {
    if (*alive && !error) on_timer();
  });
}

void PeerContacts::on_timer() {
  const auto now = Clock::now();
  for (Peer& peer : peers_) {
    if (peer.retry_at <= now) attempt(peer);
  }
  arm_timer();
}

PeerContacts::Peer* PeerContacts::find(const TransportAddress& address) {
  for (Peer& peer : peers_) {
    if (std::find(peer.addresses.begin(), peer.addresses.end(), address) != peer.addresses.end()) {
      return &peer;
    }
  }
  return nullptr;
}

}  // namespace ppspp
