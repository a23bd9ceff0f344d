// Who is in which swarm (RFC 7846, 2.3): peers that registered, the swarms they joined, and which
// of them can be told to others because their address was shown to be theirs.
//
// In memory, without I/O and clock. Everything is bounded, and nothing here costs more than what is
// asked for: a sample of k peers costs O(k) however large the swarm, and peers that fall silent are
// found without looking at the others.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ppspp/address_rules.h"
#include "ppspp/random_source.h"
#include "ppspp/swarm_metadata.h"
#include "ppspp/time.h"
#include "tracker/message.h"

namespace ppspp::tracker {

struct RegistryLimits {
  std::size_t max_peers = 100'000;  // registrations
  std::size_t max_swarms = 50'000;
  std::size_t max_peers_per_swarm = 50'000;
  std::size_t max_peers_per_network = 64;   // an IPv4 address, or 64 bits of IPv6
  std::size_t max_memberships = 1'000'000;  // peers, counted once for each swarm that they are in
  std::size_t max_memberships_per_network = 50'000;
  std::chrono::seconds track_timer{300};  // silent for so long: gone (2.3.2 D)
};

inline constexpr std::size_t kMaxAddressesPerPeer = 4;

// The network whose peers share limits.
Network network_of(const TransportAddress& address);

struct Membership;

// An address at which a peer can be reached by PPSPP, or says so.
struct PeerPlace {
  PeerAddress info;
  bool checked = false;
  TimePoint checked_at{};
};

struct Swarm {
  SwarmId id;
  std::unordered_map<std::uint64_t, std::unique_ptr<Membership>> members;  // by the peer's serial
  // Members that are told to others, in no order: samples are drawn by position.
  std::array<std::vector<Membership*>, 2> listed;  // by PeerMode
  std::size_t listed_count() const { return listed[0].size() + listed[1].size(); }
};

struct Peer {
  std::uint64_t serial = 0;  // never used again
  std::string id;
  TransportAddress host;  // without a port: where its requests come from
  std::vector<PeerPlace> places;
  std::vector<Membership*> memberships;
  Octets key;  // of its certificate request, as in a DNSKEY record; empty: it wants no certificates
  std::string check_url;             // the URL of the swarm with which its addresses are checked
  std::size_t next_certificate = 0;  // of memberships: where to go on when all cannot have one now
  TimePoint registered_at{};
  TimePoint heard_at{};
  std::list<Peer*>::iterator place_in_order;

  bool is_listed() const;  // any of its places is checked
};

struct Membership {
  Peer* peer = nullptr;
  Swarm* swarm = nullptr;
  PeerMode mode = PeerMode::leech;
  std::size_t place_in_peer = 0;
  std::optional<std::size_t> place_in_list;
  Octets certificate;                   // DER, or empty
  std::uint64_t certificate_until = 0;  // seconds since 1970
  TransportAddress certificate_for;
};

enum class Refusal : std::uint8_t { too_many_peers, too_many_swarms, network_has_too_many };

class Registry {
 public:
  explicit Registry(RegistryLimits limits = {}) : limits_(limits) {}
  ~Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  // Pointers are good until the peer or swarm goes: with leave(), remove(), expire(), or when
  // another peer is registered, since that may push out the one that was not checked and was silent
  // for longest.
  Peer* find(std::string_view peer_id, const TransportAddress& host);
  Peer* find(std::uint64_t serial);
  Swarm* find(const SwarmId& id);

  // Registers a peer that find() does not know.
  tl::expected<Peer*, Refusal> add(std::string_view peer_id, const TransportAddress& host,
                                   TimePoint now);
  void heard(Peer& peer, TimePoint now);
  void remove(Peer& peer);

  // Joins, or changes the mode.
  tl::expected<Membership*, Refusal> join(Peer& peer, const SwarmId& id, PeerMode mode);
  Membership* membership(Peer& peer, const SwarmId& id);
  // False: it is not in that swarm.
  bool leave(Peer& peer, const SwarmId& id);

  // The addresses that a peer names now; what was checked of them stays so. Those behind the bound
  // are left out.
  void set_places(Peer& peer, const std::vector<PeerAddress>& addresses);
  // An address answered, or does not any more.
  void set_checked(Peer& peer, const TransportAddress& address, bool checked, TimePoint now);

  // Up to `count` different members that are listed, each with the same probability; without
  // `except`. `leeches_only`: who has all of the content needs nobody who has it too.
  std::vector<const Membership*> sample(const Swarm& swarm, std::size_t count, const Peer* except,
                                        bool leeches_only, RandomSource& random) const;

  // Removes the peers that were silent for the track timer.
  std::size_t expire(TimePoint now);
  TimePoint next_expiry() const;

  std::size_t peers() const { return peers_.size(); }
  std::size_t listed_peers() const { return listed_.size(); }
  std::size_t swarms() const { return swarms_.size(); }
  std::size_t memberships() const { return memberships_; }
  const RegistryLimits& limits() const { return limits_; }
  // For /metrics and tests: that everything which is counted twice is equal.
  bool is_consistent() const;

 private:
  struct NetworkUse {
    std::size_t peers = 0;
    std::size_t memberships = 0;
  };
  using Key = std::pair<std::string, TransportAddress>;
  struct KeyHash {
    std::size_t operator()(const Key& key) const;
  };

  std::list<Peer*>& order_of(const Peer& peer) { return peer.is_listed() ? listed_ : unlisted_; }
  bool make_room();
  void list(Membership& membership);
  void unlist(Membership& membership);
  void take_out(Membership& membership);
  void release(const Network& network);

  RegistryLimits limits_;
  std::uint64_t next_serial_ = 1;
  std::unordered_map<std::uint64_t, std::unique_ptr<Peer>> peers_;
  std::unordered_map<Key, Peer*, KeyHash> by_id_;
  std::unordered_map<SwarmId, std::unique_ptr<Swarm>> swarms_;
  std::map<Network, NetworkUse> networks_;
  std::size_t memberships_ = 0;
  // Who was silent for longest comes first.
  std::list<Peer*> listed_;
  std::list<Peer*> unlisted_;
};

}  // namespace ppspp::tracker
