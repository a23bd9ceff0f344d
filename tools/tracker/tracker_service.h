// What the tracker answers (RFC 7846, 4.1): requests and datagrams in, answers and datagrams out.
// Without I/O and clock; whoever drives it polls datagrams after each call and calls
// handle_deadline() when deadline() has come.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/membership_certificate.h"
#include "tracker/address_checks.h"
#include "tracker/codec.h"
#include "tracker/registry.h"
#include "tracker/request_limits.h"

namespace ppspp::tracker {

struct ServiceOptions {
  RegistryLimits registry;
  RequestLimits::Options requests;
  CheckLimits checks;
  std::set<SwarmId> swarms;             // only these; empty: any
  std::chrono::seconds interval{120};   // between the reports of a peer
  std::chrono::seconds recheck{1'800};  // an address is checked again so long after it was
  std::chrono::seconds certificate_lifetime{6 * 3600};
  std::size_t list_size = kMaxPeerCount;  // of a peer list, where less is not asked for
};

struct ServiceCounters {
  std::uint64_t connects = 0;
  std::uint64_t finds = 0;
  std::uint64_t reports = 0;
  std::uint64_t errors[7] = {};  // by ErrorCode
  std::uint64_t over_limit = 0;  // of the network that asked
  std::uint64_t peers_told = 0;  // entries of peer lists
  std::uint64_t certificates = 0;
  std::uint64_t checks_good = 0;
  std::uint64_t checks_failed = 0;
  std::uint64_t checks_refused = 0;  // too many at once
  std::uint64_t expired = 0;
};

class TrackerService {
 public:
  // `random` outlives it. Without an issuer there are no certificates.
  TrackerService(ServiceOptions options, RandomSource& random,
                 std::optional<MembershipIssuer> issuer);

  struct Answer {
    int status = 200;  // of HTTP
    std::string body;
    std::optional<std::chrono::seconds> retry_after;
  };
  // `from`: the other end of the TCP connection.
  Answer handle(std::string_view body, const TransportAddress& from, Now now);

  void handle_datagram(const TransportAddress& from, std::span<const std::byte> datagram, Now now);
  std::optional<AddressChecks::Datagram> poll_transmit(Now now);
  void handle_deadline(Now now);
  TimePoint deadline() const;

  // What may change while it runs: the swarms that are allowed (others' members are not removed,
  // but expire), intervals, list size, lifetime.
  void set_options(const ServiceOptions& options);

  const ServiceCounters& counters() const { return counters_; }
  const Registry& registry() const { return registry_; }
  const AddressChecks& checks() const { return checks_; }
  const RequestLimits& limits() const { return requests_; }

 private:
  struct Asked {
    const Request& request;
    TransportAddress from;
    Now now;
  };

  Response answer(const Asked& asked, const Connect& connect);
  Response answer(const Asked& asked, const Find& find);
  Response answer(const Asked& asked, const StatReport& report);
  Response refuse(const Asked& asked, ErrorCode error, std::string message) const;
  Response begin_response(const Asked& asked, const Peer& peer) const;

  SwarmResult act(const Asked& asked, Peer& peer, const SwarmAction& action,
                  std::optional<Refusal>& refusal);
  void take_certificate_request(Peer& peer, const Connect& connect);
  void take_addresses(const Asked& asked, Peer& peer, const Connect& connect);
  void begin_checks(Peer& peer, Now now);
  void take_outcomes(Now now);

  std::vector<PeerInfo> list(const Asked& asked, const Swarm& swarm, const Peer* except,
                             const std::optional<PeerNum>& number, bool leeches_only, Now now);
  bool may_have(const SwarmId& id) const;
  // The membership's certificates, made anew when they are old; nothing for an address that is not
  // checked.
  bool renew(Membership& membership, Now now);
  void add_certificates(Peer& peer, Response& response, Now now);

  ServiceOptions options_;
  RandomSource& random_;
  std::optional<MembershipIssuer> issuer_;
  Octets spare_key_;  // certified for peers that have none; nobody has the private key
  Registry registry_;
  AddressChecks checks_;
  RequestLimits requests_;
  ServiceCounters counters_;
};

// The swarm for a handshake: what the peer says of its metadata, else the defaults for such an ID.
std::optional<SwarmMetadata> metadata_of(const SwarmId& id, std::string_view url_options);

}  // namespace ppspp::tracker
