// Networks of IP addresses, and who is talked to by them.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ppspp/result.h"
#include "ppspp/time.h"
#include "ppspp/transport_address.h"

namespace ppspp {

// An IP address, or all that begin with the same bits. An IPv4-mapped IPv6 address counts as IPv4,
// and no network holds addresses of both versions.
class Network {
 public:
  Network() = default;  // 0.0.0.0/32
  // "192.0.2.0/24", "2001:db8::/32", or a single address: "192.0.2.1". Bits behind the prefix are
  // ignored.
  static Result<Network> parse(std::string_view text);
  // The address alone, without its port.
  static Network of(const TransportAddress& address);
  // What the address begins with: at most 32 bits for IPv4, 128 for IPv6.
  static Network of(const TransportAddress& address, unsigned bits);

  bool contains(const TransportAddress& address) const;
  bool contains(const Network& other) const;
  bool is_v4() const { return v4_; }
  unsigned bits() const { return bits_; }  // of the prefix, as it is written behind the slash
  std::string to_string() const;           // as parse() takes it, in canonical form
  friend auto operator<=>(const Network&, const Network&) = default;

 private:
  bool v4_ = true;
  std::array<std::uint8_t, 16> bytes_ = {};  // of IPv4: the first four
  std::uint8_t bits_ = 32;
};

// Whom to talk to. What is denied is denied; an empty `allow` allows everybody else.
struct AddressRules {
  std::vector<Network> allow;
  std::vector<Network> deny;
  bool allows(const TransportAddress& address) const;
};

// A network that is not talked to for a while: by a command, or because a peer sent too much that
// was wrong (automatic: a single address).
struct Ban {
  Network network;
  std::optional<Microseconds> remaining;  // absent: for good
  bool automatic = false;
};

}  // namespace ppspp
