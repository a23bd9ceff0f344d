// The network address translator before a node, in the four kinds of RFC 3489. A node without one
// is reached at one port by everybody.
#pragma once

#include <cstdint>
#include <map>
#include <optional>

#include "ppspp/transport_address.h"
#include "sim/sim_clock.h"

namespace ppspp::sim {

enum class NatKind : std::uint8_t {
  none,
  full_cone,           // one port outside; everybody may use it once it is there
  address_restricted,  // those to whom something was sent
  port_restricted,     // at exactly the port to which it was sent
  symmetric,           // and for each of them a port of its own
};

inline constexpr std::uint16_t kOpenPort = 6778;  // of a node without a NAT

struct NatOptions {
  NatKind kind = NatKind::none;
  SimTime timeout = 60'000'000;  // a mapping is forgotten when nothing was sent for so long
};

class Nat {
 public:
  explicit Nat(const NatOptions& options) : options_(options) {}

  NatKind kind() const { return options_.kind; }
  // A datagram leaves: the port that it seems to come from; none where there is no NAT.
  std::optional<std::uint16_t> translate(const TransportAddress& to, SimTime now);
  // Whether a datagram for `port` comes through.
  bool admits(const TransportAddress& from, std::uint16_t port, SimTime now) const;

 private:
  struct Mapping {
    std::uint16_t port = 0;
    SimTime used = 0;
    std::map<TransportAddress, SimTime> sent_to;
  };
  bool lives(SimTime used, SimTime now) const { return now < used + options_.timeout; }

  NatOptions options_;
  std::map<TransportAddress, Mapping> mappings_;  // of a symmetric one by whom it is for
  std::uint16_t next_port_ = 20'000;
};

}  // namespace ppspp::sim
