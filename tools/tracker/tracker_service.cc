#include "tracker/tracker_service.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "ppspp/swarm_url.h"

namespace ppspp::tracker {
namespace {

constexpr std::chrono::seconds kSoon{10};  // until a peer whose address is being checked asks again
constexpr double kActionCost = 0.1;        // of a request's
constexpr int kTooManyRequests = 429;

int http_status(ErrorCode error) {
  switch (error) {
    case ErrorCode::none:
      return 200;
    case ErrorCode::bad_request:
    case ErrorCode::unsupported_version:
      return 400;
    case ErrorCode::forbidden_action:
    case ErrorCode::authentication_required:
      return 403;
    case ErrorCode::internal_error:
      return 500;
    case ErrorCode::service_unavailable:
      return 503;
  }
  return 500;
}

bool same_host(const TransportAddress& one, const TransportAddress& other) {
  return one.bytes() == other.bytes();
}

TransportAddress with_port(const TransportAddress& host, std::uint16_t port) {
  return host.is_v4() ? TransportAddress::v4(host.v4_address(), port)
                      : TransportAddress::v6(host.bytes(), port, host.scope_id());
}

double cost_of(const Request& request) {
  const auto* connect = std::get_if<Connect>(&request.data);
  return connect == nullptr ? 0.0 : kActionCost * static_cast<double>(connect->actions.size());
}

}  // namespace

std::optional<SwarmMetadata> metadata_of(const SwarmId& id, std::string_view url_options) {
  std::string url = "ppspp:" + id.to_hex();
  if (!url_options.empty()) {
    url += fmt::format("?{}", url_options);
  } else if (std::ranges::none_of(kHashFunctions,
                                  [&](auto f) { return digest_size(f) == id.size(); }) &&
             signature_size(id) != 0) {
    url += "?live=1";
  } else {
    for (const HashFunction function : kHashFunctions) {
      if (digest_size(function) == id.size() && function != HashFunction::sha256) {
        url += fmt::format("?mhf={}", to_string(function));
      }
    }
  }
  const auto parsed = SwarmUrl::parse(url);
  if (!parsed || !parsed->metadata.validate()) return std::nullopt;
  return parsed->metadata;
}

TrackerService::TrackerService(ServiceOptions options, RandomSource& random,
                               std::optional<MembershipIssuer> issuer)
    : options_(std::move(options)),
      random_(random),
      issuer_(std::move(issuer)),
      registry_(options_.registry),
      checks_(random, options_.checks),
      requests_(options_.requests) {
  if (!issuer_) return;
  const auto key = SigningKey::generate(SignatureAlgorithm::ed25519);
  if (key) spare_key_.assign(key->dnskey().begin(), key->dnskey().end());
}

void TrackerService::set_options(const ServiceOptions& options) {
  options_.swarms = options.swarms;
  options_.interval = options.interval;
  options_.recheck = options.recheck;
  options_.certificate_lifetime = options.certificate_lifetime;
  options_.list_size = options.list_size;
}

// --- Requests

TrackerService::Answer TrackerService::handle(std::string_view body, const TransportAddress& from,
                                              Now now) {
  const Network network = network_of(from);
  const auto over_limit = [&](std::string transaction_id, double cost) {
    ++counters_.over_limit;
    Response response;
    response.transaction_id = std::move(transaction_id);
    response.error = ErrorCode::service_unavailable;
    response.message = "too many requests from this address";
    return Answer{kTooManyRequests, to_json(response),
                  requests_.wait(network, cost, now.monotonic)};
  };
  if (!requests_.allow(network, 1, now.monotonic)) return over_limit({}, 1);
  const auto request = read_request(body);
  if (!request) {
    ++counters_.errors[static_cast<std::size_t>(request.error().code)];
    return {http_status(request.error().code), to_json(to_response(request.error())), {}};
  }
  const double cost = cost_of(*request);
  if (cost > 0 && !requests_.allow(network, cost, now.monotonic)) {
    return over_limit(request->transaction_id, cost);
  }
  const Asked asked{*request, from, now};
  Response response =
      std::visit([&](const auto& data) { return answer(asked, data); }, request->data);
  response.transaction_id = request->transaction_id;
  ++counters_.errors[static_cast<std::size_t>(response.error)];
  Answer answer{http_status(response.error), to_json(response), {}};
  if (response.error == ErrorCode::service_unavailable) answer.retry_after = options_.interval;
  return answer;
}

Response TrackerService::refuse(const Asked&, ErrorCode error, std::string message) const {
  Response response;
  response.error = error;
  response.message = std::move(message);
  return response;
}

// With the address as it is seen from here, for peers that do not know their own (4.1.1).
Response TrackerService::begin_response(const Asked& asked, const Peer& peer) const {
  Response response;
  const std::uint16_t port =
      peer.places.empty() ? asked.from.port() : peer.places.front().info.address.port();
  response.peer_address =
      PeerAddress{.address = with_port(asked.from, port), .type = AddressType::reflexive};
  const bool waits = issuer_ && !peer.key.empty() && !peer.is_listed() && !peer.places.empty();
  const auto interval = waits ? std::min(kSoon, options_.interval) : options_.interval;
  response.interval = static_cast<std::uint32_t>(interval.count());
  return response;
}

bool TrackerService::may_have(const SwarmId& id) const {
  return options_.swarms.empty() || options_.swarms.contains(id);
}

// Table 6. As 2.2 and 2.3.1(4) have it, a peer that is tracked may join more swarms in either mode.
Response TrackerService::answer(const Asked& asked, const Connect& connect) {
  ++counters_.connects;
  Peer* peer = registry_.find(asked.request.peer_id, asked.from);
  const bool is_new = peer == nullptr;
  if (is_new) {
    const bool leaves = std::ranges::any_of(
        connect.actions, [](const auto& action) { return action.action == Action::leave; });
    if (leaves) {
      return refuse(asked, ErrorCode::forbidden_action, "a peer that is not registered leaves");
    }
    const auto added = registry_.add(asked.request.peer_id, asked.from, asked.now.monotonic);
    if (!added) {
      return refuse(asked, ErrorCode::service_unavailable, "too many peers are registered");
    }
    peer = *added;
  }
  registry_.heard(*peer, asked.now.monotonic);
  take_certificate_request(*peer, connect);
  take_addresses(asked, *peer, connect);

  std::vector<SwarmResult> results;
  std::optional<Refusal> refusal;
  for (const SwarmAction& action : connect.actions) {
    results.push_back(act(asked, *peer, action, refusal));
  }
  const bool any = std::ranges::any_of(results, [](const auto& each) { return each.successful; });
  if (!any) {  // 2.3.2 A, C
    if (is_new) registry_.remove(*peer);
    return refusal ? refuse(asked, ErrorCode::service_unavailable, "too many peers or swarms")
                   : refuse(asked, ErrorCode::forbidden_action, "no such swarm here");
  }
  begin_checks(*peer, asked.now);
  Response response = begin_response(asked, *peer);
  response.results = std::move(results);
  std::size_t told = 0;
  for (std::size_t i = 0; i < connect.actions.size(); ++i) {
    const SwarmAction& action = connect.actions[i];
    const bool wants = action.mode == PeerMode::leech || connect.peer_num.has_value();
    if (action.action != Action::join || !response.results[i].successful || !wants) continue;
    const auto id = SwarmId::from_hex(action.swarm_id);
    const Swarm* const swarm = id ? registry_.find(*id) : nullptr;
    if (swarm == nullptr || told + kMaxPeerCount > kMaxPeers) continue;
    auto peers =
        list(asked, *swarm, peer, connect.peer_num, action.mode == PeerMode::seeder, asked.now);
    told += peers.size();
    response.results[i].peers = std::move(peers);
  }
  add_certificates(*peer, response, asked.now);
  if (peer->memberships.empty()) registry_.remove(*peer);  // it left the last swarm
  return response;
}

SwarmResult TrackerService::act(const Asked&, Peer& peer, const SwarmAction& action,
                                std::optional<Refusal>& refusal) {
  SwarmResult result;
  result.swarm_id = action.swarm_id;
  const auto id = SwarmId::from_hex(action.swarm_id);
  if (!id || id->empty()) {
    result.successful = false;
  } else if (action.action == Action::leave) {
    result.successful = registry_.leave(peer, *id);
  } else if (!may_have(*id)) {
    result.successful = false;
  } else if (const auto joined = registry_.join(peer, *id, action.mode); !joined) {
    result.successful = false;
    refusal = joined.error();
  } else {
    // The peer may not have got it when it was made.
    if (!(*joined)->certificate.empty()) result.certificates = {(*joined)->certificate};
    if (peer.check_url.empty()) {
      peer.check_url = fmt::format("ppspp:{}?{}", id->to_hex(), action.url_options);
    }
  }
  return result;
}

// One key for all swarms of a peer; the same request in each action is looked at once.
void TrackerService::take_certificate_request(Peer& peer, const Connect& connect) {
  if (!issuer_) return;
  const auto asks = std::ranges::find_if(
      connect.actions, [](const auto& each) { return each.certificate_request.has_value(); });
  if (asks == connect.actions.end()) return;
  if (asks->certificate_request->empty()) {
    peer.key = spare_key_;
  } else if (auto key = certificate_request_key(*asks->certificate_request)) {
    peer.key = std::move(*key);
  }
}

// Only the address that the request came from is ever contacted and told to others, with the ports
// that the peer names: so nobody can have datagrams sent to somebody else. A peer behind a NAT
// names addresses of its own network; its ports are tried at the address that is seen from here.
void TrackerService::take_addresses(const Asked& asked, Peer& peer, const Connect& connect) {
  if (connect.addresses.empty()) return;
  std::vector<PeerAddress> places;
  for (const PeerAddress& claimed : connect.addresses) {
    if (claimed.address.port() == 0) continue;
    PeerAddress place = claimed;
    if (!same_host(claimed.address, asked.from)) place.type = AddressType::reflexive;
    place.address = with_port(asked.from, claimed.address.port());
    places.push_back(std::move(place));
  }
  // Those that the peer itself sees come first: the others may be of another IP version.
  std::ranges::stable_partition(places,
                                [](const auto& p) { return p.type != AddressType::reflexive; });
  registry_.set_places(peer, places);
}

void TrackerService::begin_checks(Peer& peer, Now now) {
  if (peer.memberships.empty()) return;
  std::optional<SwarmMetadata> swarm;
  for (const PeerPlace& place : peer.places) {
    if (place.checked && now.monotonic - place.checked_at < options_.recheck) continue;
    if (!swarm) {
      const auto query = peer.check_url.find('?');
      const auto id = SwarmId::from_hex(std::string_view(peer.check_url).substr(6, query - 6));
      const auto options = std::string_view(peer.check_url).substr(query + 1);
      const bool still_in = id && registry_.membership(peer, *id) != nullptr;
      const SwarmId& used = still_in ? *id : peer.memberships.front()->swarm->id;
      swarm = metadata_of(used, options);
      if (!swarm) swarm = metadata_of(used, {});
    }
    if (!swarm) return;
    if (!checks_.begin(peer.serial, place.info.address, *swarm, now.monotonic)) {
      ++counters_.checks_refused;
    }
  }
}

Response TrackerService::answer(const Asked& asked, const Find& find) {
  ++counters_.finds;
  Peer* const peer = registry_.find(asked.request.peer_id, asked.from);
  if (peer == nullptr) {
    return refuse(asked, ErrorCode::forbidden_action, "this peer is not registered");
  }
  registry_.heard(*peer, asked.now.monotonic);
  const auto id = SwarmId::from_hex(find.swarm_id);
  Membership* const member = id ? registry_.membership(*peer, *id) : nullptr;
  if (member == nullptr) {
    return refuse(asked, ErrorCode::forbidden_action, "this peer is not in that swarm");
  }
  Response response = begin_response(asked, *peer);
  SwarmResult result;
  result.swarm_id = find.swarm_id;
  result.peers =
      list(asked, *member->swarm, peer, find.peer_num, member->mode == PeerMode::seeder, asked.now);
  // Now, as the next report may be far away: any request keeps a peer registered.
  if (issuer_ && !peer->key.empty() && renew(*member, asked.now)) {
    result.certificates = {member->certificate};
  }
  response.results.push_back(std::move(result));
  return response;
}

Response TrackerService::answer(const Asked& asked, const StatReport& report) {
  ++counters_.reports;
  Peer* const peer = registry_.find(asked.request.peer_id, asked.from);
  if (peer == nullptr) {
    return refuse(asked, ErrorCode::forbidden_action, "this peer is not registered");
  }
  registry_.heard(*peer, asked.now.monotonic);
  Response response = begin_response(asked, *peer);
  for (const StreamStats& stats : report.stats) {
    const auto id = SwarmId::from_hex(stats.swarm_id);
    SwarmResult result;
    result.swarm_id = stats.swarm_id;
    result.successful = id && registry_.membership(*peer, *id) != nullptr;
    response.results.push_back(std::move(result));
  }
  const bool any =
      std::ranges::any_of(response.results, [](auto& each) { return each.successful; });
  if (!report.stats.empty() && !any) {
    return refuse(asked, ErrorCode::forbidden_action, "this peer is not in these swarms");
  }
  begin_checks(*peer, asked.now);
  add_certificates(*peer, response, asked.now);
  return response;
}

// --- Peer lists and certificates

std::vector<PeerInfo> TrackerService::list(const Asked& asked, const Swarm& swarm,
                                           const Peer* except, const std::optional<PeerNum>& number,
                                           bool leeches_only, Now now) {
  const std::size_t most = std::min<std::size_t>(options_.list_size, kMaxPeerCount);
  const std::size_t count = number ? std::min<std::size_t>(number->peer_count, most) : most;
  const std::uint64_t seconds = now.wall.microseconds / 1'000'000;
  std::vector<PeerInfo> peers;
  for (const Membership* member : registry_.sample(swarm, count, except, leeches_only, random_)) {
    for (const PeerPlace& place : member->peer->places) {
      // As RFC 7574, 8.13 has it for peers: addresses of a local network are not told outside.
      const bool leaks = place.info.address.is_internal() && !asked.from.is_internal();
      if (!place.checked || leaks || peers.size() >= count) continue;
      PeerInfo info{member->peer->id, place.info, {}};
      const bool certified = member->certificate_for == place.info.address;
      if (certified && member->certificate_until > seconds) info.certificate = member->certificate;
      peers.push_back(std::move(info));
    }
  }
  counters_.peers_told += peers.size();
  return peers;
}

bool TrackerService::renew(Membership& membership, Now now) {
  const Peer& peer = *membership.peer;
  const auto place = std::ranges::find_if(peer.places, [](const auto& p) { return p.checked; });
  if (place == peer.places.end()) return false;
  const std::uint64_t seconds = now.wall.microseconds / 1'000'000;
  const auto lifetime = static_cast<std::uint64_t>(options_.certificate_lifetime.count());
  const bool is_old = membership.certificate.empty() ||
                      membership.certificate_for != place->info.address ||
                      membership.certificate_until < seconds + lifetime / 2;
  if (!is_old) return false;
  auto der = issuer_->issue({.host = host_of(place->info.address),
                             .port = place->info.address.port(),
                             .swarm_id = Octets(membership.swarm->id.octets().begin(),
                                                membership.swarm->id.octets().end()),
                             .not_before = seconds,
                             .not_after = seconds + lifetime,
                             .peer_key = peer.key});
  if (!der) return false;
  membership.certificate = std::move(*der);
  membership.certificate_until = seconds + lifetime;
  membership.certificate_for = place->info.address;
  ++counters_.certificates;
  return true;
}

// A peer in thousands of swarms gets its certificates with several reports, a bounded number with
// each: they are 0.2 ms of work and half a kilobyte.
void TrackerService::add_certificates(Peer& peer, Response& response, Now now) {
  if (!issuer_ || peer.key.empty() || peer.memberships.empty()) return;
  constexpr std::size_t kMostLooks = 1'024;
  constexpr std::size_t kMostMade = 32;
  std::size_t made = 0;
  const std::size_t looks = std::min(peer.memberships.size(), kMostLooks);
  for (std::size_t i = 0; i < looks && made < kMostMade; ++i) {
    peer.next_certificate = (peer.next_certificate + 1) % peer.memberships.size();
    Membership& membership = *peer.memberships[peer.next_certificate];
    if (!renew(membership, now)) continue;
    ++made;
    const std::string name = membership.swarm->id.to_hex();
    auto result = std::ranges::find_if(response.results,
                                       [&](const auto& each) { return each.swarm_id == name; });
    if (result == response.results.end()) {
      if (response.results.size() >= kMaxSwarmActions) continue;
      SwarmResult fresh;
      fresh.swarm_id = name;
      result = response.results.insert(response.results.end(), std::move(fresh));
    }
    result->certificates = {membership.certificate};
  }
}

// --- Address checks and time

void TrackerService::handle_datagram(const TransportAddress& from,
                                     std::span<const std::byte> datagram, Now now) {
  checks_.handle_datagram(from, datagram);
  take_outcomes(now);
}

std::optional<AddressChecks::Datagram> TrackerService::poll_transmit(Now now) {
  auto datagram = checks_.poll_transmit(now.monotonic);
  take_outcomes(now);
  return datagram;
}

void TrackerService::take_outcomes(Now now) {
  while (const auto outcome = checks_.poll_outcome()) {
    ++(outcome->answered ? counters_.checks_good : counters_.checks_failed);
    if (Peer* const peer = registry_.find(outcome->subject)) {
      registry_.set_checked(*peer, outcome->address, outcome->answered, now.monotonic);
    }
  }
}

void TrackerService::handle_deadline(Now now) {
  counters_.expired += registry_.expire(now.monotonic);
}

TimePoint TrackerService::deadline() const {
  return std::min(registry_.next_expiry(), checks_.deadline());
}

}  // namespace ppspp::tracker
