// What a random swarm is like: everything is drawn from its seed, and whole kinds of faults are
// absent in some.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "sim/world.h"

namespace ppspp::sim {

struct SwarmSpec {
  SwarmMetadata metadata;
  std::uint64_t length = 0;  // octets; of a feed: the most that it will have
  bool tell_length = true;
  std::size_t seeders = 1;
  std::uint64_t rate = 0;  // of a feed, octets per second
  // Its tracker certifies members for so many seconds; 0: the swarm has no authority.
  std::uint64_t certified = 0;
};

struct RunOptions {
  std::uint64_t seed = 0;
  std::vector<SwarmSpec> swarms;
  std::size_t nodes = 2;
  PathOptions path;
  std::uint64_t rate_min = 0;  // of access links; 0: they have no limit
  std::uint64_t rate_max = 0;
  std::size_t queue = std::size_t{64} << 10;
  std::size_t max_datagram_size = 65'507;
  unsigned nat_percent = 0;
  std::int32_t drift_ppm = 0;  // at most
  std::uint64_t clock_step_us = 0;
  bool leaving = false;
  bool crashing = false;
  bool parting = false;
  bool one_way = false;          // some hear nobody, or nobody hears them
  bool source_crashing = false;  // of feeds
  bool pex = false;
  bool pex_on_internet = false;
  std::size_t enemies = 0;   // of the first swarm, as long as faults last
  std::string enemy_kinds;   // Enemies::kinds_of()
  unsigned lan_percent = 0;  // of the nodes, on one of two private networks
  unsigned slow_reads = 0;   // each so many reads of a store is put off
  std::size_t neighbours = 30;
  unsigned fault_seconds = 20;

  bool live() const;
};

// The number of the first chunk of a source that comes back is a multiple of this: no signature
// covers more at these rates.
inline constexpr std::uint64_t kRestartGap = 64;
inline constexpr unsigned kMostRestarts = 8;

RunOptions draw_options(std::uint64_t seed);
std::string to_string(const RunOptions& options);  // one line

}  // namespace ppspp::sim
