// The return-routability check (RFC 7574, 12.2.2): whether a peer of a swarm answers at an address.
//
// The tracker sends the first datagram of a PPSPP handshake, as any peer would, and waits for one
// that carries its channel ID, which nobody can guess who does not receive there (3.1.1(3), 12.1).
// It then says no more: the peer's half of the handshake falls asleep by itself. A check costs its
// target at most kAttempts datagrams of about a hundred octets, is started by a request over TCP
// from the same IP address that is larger, and all checks together are limited.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "ppspp/random_source.h"
#include "ppspp/swarm_metadata.h"
#include "ppspp/time.h"
#include "ppspp/transport_address.h"

namespace ppspp::tracker {

struct CheckLimits {
  std::size_t max_pending = 20'000;
  double datagrams_per_second = 2'000;
};

class AddressChecks {
 public:
  static constexpr int kAttempts = 3;

  struct Datagram {
    TransportAddress to;
    std::vector<std::byte> octets;
  };
  struct Outcome {
    std::uint64_t subject = 0;
    TransportAddress address;
    bool answered = false;
  };

  AddressChecks(RandomSource& random, CheckLimits limits) : random_(random), limits_(limits) {}

  // Begins to check; `subject` comes back with the outcome. Nothing happens if that address of that
  // subject is being checked already. False: too many are.
  bool begin(std::uint64_t subject, const TransportAddress& address, const SwarmMetadata& swarm,
             TimePoint now);
  void handle_datagram(const TransportAddress& from, std::span<const std::byte> datagram);
  // What is to be sent now.
  std::optional<Datagram> poll_transmit(TimePoint now);
  // Each check ends with one.
  std::optional<Outcome> poll_outcome();
  TimePoint deadline() const;

  std::size_t pending() const { return by_channel_.size(); }
  std::uint64_t sent() const { return sent_; }
  std::uint64_t strays() const { return strays_; }  // datagrams that answered nothing

 private:
  struct Check {
    std::uint64_t subject = 0;
    TransportAddress address;
    std::vector<std::byte> octets;
    int attempts = 0;
  };
  using Channel = std::uint32_t;

  void end(Channel channel, bool answered);
  void refill(TimePoint now);

  RandomSource& random_;
  CheckLimits limits_;
  std::unordered_map<Channel, Check> by_channel_;
  std::map<std::pair<std::uint64_t, TransportAddress>, Channel> by_subject_;
  std::multimap<TimePoint, Channel> due_;
  std::deque<Outcome> outcomes_;
  double tokens_ = 0;
  std::optional<TimePoint> refilled_at_;
  std::uint64_t sent_ = 0;
  std::uint64_t strays_ = 0;
};

}  // namespace ppspp::tracker
