// One direction of a bad network path: rate, queue, delay and the ways of losing order and content.
// Pure: the time is an argument, and all chance comes from one seed.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>

#include "ppspp/random_source.h"

namespace ppspp::test {

using LinkClock = std::chrono::steady_clock;
using LinkTime = LinkClock::time_point;

struct LinkOptions {
  double rate = 0;         // octets of UDP payload per second; 0: unlimited
  double queue = 262'144;  // octets that may wait for the rate, drop-tail
  double delay_ms = 0;
  double jitter_ms = 0;  // added to the delay, uniform, order kept
  double loss = 0;       // this and the following: probability per datagram
  double duplicate = 0;
  double reorder = 0;
  double reorder_ms = 5;  // how long a reordered datagram is held back
  double corrupt = 0;     // one to eight random bits are flipped
};

struct LinkStatistics {
  std::uint64_t datagrams_in = 0;
  std::uint64_t bytes_in = 0;
  std::uint64_t datagrams_out = 0;
  std::uint64_t bytes_out = 0;
  std::uint64_t lost = 0;
  std::uint64_t overflowed = 0;  // the queue was full
  std::uint64_t duplicated = 0;
  std::uint64_t reordered = 0;
  std::uint64_t corrupted = 0;
};

// When the copies of one datagram arrive: none if it is lost.
struct Fate {
  std::size_t copies = 0;
  std::array<LinkTime, 2> arrivals = {};
};

class Link {
 public:
  Link(const LinkOptions& options, std::uint64_t seed) : options_(options), rng_(seed) {}

  // May flip bits of `datagram`.
  Fate pass(std::span<std::byte> datagram, LinkTime now);
  const LinkStatistics& statistics() const { return statistics_; }

 private:
  bool happens(double probability);
  double uniform();
  void corrupt(std::span<std::byte> datagram);
  LinkTime arrival(LinkTime departure);

  LinkOptions options_;
  Rng rng_;
  LinkTime busy_until_{};
  LinkTime last_arrival_{};
  LinkStatistics statistics_;
};

}  // namespace ppspp::test
