// What is said of networks, found by an address in them: one look-up for each length of prefix that
// occurs, however many networks there are.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>

#include "ppspp/address_rules.h"
#include "ppspp/transport_address.h"

namespace ppspp {

template <typename T>
class NetworkMap {
 public:
  void set(const Network& network, const T& value) {
    if (entries_.insert_or_assign(network, value).second) ++lengths(network)[network.bits()];
  }
  bool erase(const Network& network) {
    if (entries_.erase(network) == 0) return false;
    --lengths(network)[network.bits()];
    return true;
  }
  bool empty() const { return entries_.empty(); }
  const std::map<Network, T>& entries() const { return entries_; }

  // Whether `holds` is true of any network that contains the address.
  template <typename Holds>
  bool any_around(const TransportAddress& address, const Holds& holds) const {
    if (empty()) return false;
    const auto& lengths = address.is_v4() ? v4_ : v6_;
    const unsigned most = address.is_v4() ? 32 : 128;
    for (unsigned bits = 0; bits <= most; ++bits) {
      if (lengths[bits] == 0) continue;
      const auto found = entries_.find(Network::of(address, bits));
      if (found != entries_.end() && holds(found->second)) return true;
    }
    return false;
  }

 private:
  using Lengths = std::array<std::uint32_t, 129>;  // how many networks have so many bits
  Lengths& lengths(const Network& network) { return network.is_v4() ? v4_ : v6_; }

  std::map<Network, T> entries_;
  Lengths v4_ = {};
  Lengths v6_ = {};
};

}  // namespace ppspp
