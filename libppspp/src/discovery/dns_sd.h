// What DNS-SD (RFC 6763) is told of the swarms of this host, and what it tells of those of others
// (decision 49): a service of type _ppspp._udp for each swarm, with a subtype that is the swarm's
// tag, by which it is looked for. Its TXT record proves that its owner knows the swarm's ID.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "discovery/local_discovery.h"
#include "discovery/local_messages.h"
#include "ppspp/swarm_metadata.h"

namespace ppspp {

struct ServiceName {
  static constexpr unsigned kMaxAttempt = 4;

  std::uint64_t instance = 0;  // as in LocalMessage
  LocalTag tag = {};
  unsigned attempt = 1;  // names of others that are the same make it rise
  friend bool operator==(const ServiceName&, const ServiceName&) = default;
};

inline constexpr const char* kServiceType = "_ppspp._udp";
// The entry of the TXT record, with the 16 octets of a LocalProof.
inline constexpr const char* kServiceProofKey = "p";

// One label each, at most 63 octets.
std::string write_service_name(const ServiceName& name);
std::optional<ServiceName> read_service_name(std::string_view text);
// What a host is called at whose address the services are: as it is different on each network,
// names of the system's own do not fit.
std::string write_service_host(std::uint64_t instance, unsigned attempt);
// The name of the subtype under which members of the swarm are listed.
std::string write_service_subtype(const LocalTag& tag);
// Of one string of a TXT record. Absent: it says something else.
std::optional<LocalProof> read_service_text(std::span<const std::byte> text);

// The address of each interface and IP version at which services are published, at most
// kMaxServiceLinks.
std::vector<LocalLink> service_links(const std::vector<LocalLink>& links);
inline constexpr std::size_t kMaxServiceLinks = 16;

// Which swarms are published and looked for: those where something is missing, the newest first,
// then those that are complete or were used lately, the last first; and of those that sleep the
// oldest, so that ten thousand that are added one after the other are not all published for a
// moment.
class ServiceChoice {
 public:
  using Part = LocalDiscovery::Part;
  static constexpr std::size_t kMaxPublished = 64;
  static constexpr std::size_t kMaxBrowsed = 32;

  // True: it may be that another choice is to be made.
  bool set_part(const SwarmId& swarm, Part part);
  // One that sleeps was asked for by a peer.
  bool note_used(const SwarmId& swarm);
  bool remove(const SwarmId& swarm);
  // Best first.
  std::vector<SwarmId> published() const { return first(kMaxPublished, Part::sleeps); }
  std::vector<SwarmId> browsed() const { return first(kMaxBrowsed, Part::misses); }
  std::size_t size() const { return swarms_.size(); }

 private:
  using Rank = std::pair<int, std::int64_t>;  // the less the better
  struct Swarm {
    Part part = Part::sleeps;
    Rank rank;
  };
  void rank(const SwarmId& id, Swarm& swarm, int kind);
  std::vector<SwarmId> first(std::size_t count, Part least) const;

  std::map<SwarmId, Swarm> swarms_;
  std::map<Rank, const SwarmId*> ranking_;
  std::int64_t sequence_ = 0;
};

}  // namespace ppspp
