// Who is talked to: the user's rules, the bans that were asked for, and those of peers that sent
// too much that was wrong.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "endpoint/banned_peers.h"
#include "endpoint/network_map.h"
#include "ppspp/address_rules.h"
#include "ppspp/time.h"
#include "ppspp/transport_address.h"

namespace ppspp {

class AccessList {
 public:
  explicit AccessList(const AddressRules& rules) { set_rules(rules); }

  void set_rules(const AddressRules& rules);
  void ban(const Network& network, std::optional<Microseconds> duration, TimePoint now);
  bool unban(const Network& network);
  void ban_for_faults(const TransportAddress& peer, TimePoint now) { faulty_.add(peer, now); }

  bool allows(const TransportAddress& address, TimePoint now) const;
  std::vector<Ban> bans(TimePoint now) const;  // those by command first

 private:
  struct Nothing {};
  NetworkMap<Nothing> allowed_;
  NetworkMap<Nothing> denied_;
  NetworkMap<TimePoint> banned_;  // until then; kNever: for good
  BannedPeers faulty_;
};

}  // namespace ppspp
