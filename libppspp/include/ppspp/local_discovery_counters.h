// What is said on the local network to find peers.
#pragma once

#include <cstdint>

namespace ppspp {

struct LocalDiscoveryCounters {
  std::uint64_t queries_in = 0;
  std::uint64_t queries_out = 0;
  std::uint64_t answers_in = 0;
  std::uint64_t answers_out = 0;
  std::uint64_t invalid = 0;      // no messages of this protocol, or from elsewhere
  std::uint64_t over_limit = 0;   // questions that were not answered, as there are too many
  std::uint64_t unproven = 0;     // answers of one who does not know the swarm's ID, or too late
  std::uint64_t services_in = 0;  // of DNS-SD, of members of swarms of ours
  std::uint64_t services = 0;     // that are published by DNS-SD now
  std::uint64_t found = 0;        // addresses of peers
};

}  // namespace ppspp
