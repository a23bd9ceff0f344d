// What a node counts, for metrics.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ppspp/duration_histogram.h"
#include "ppspp/endpoint.h"
#include "ppspp/local_discovery_counters.h"
#include "ppspp/time.h"
#include "ppspp/tracker_status.h"

namespace ppspp {

struct UdpCounters {
  std::uint64_t receive_calls = 0;
  std::uint64_t send_calls = 0;
  std::uint64_t datagrams_in = 0;
  std::uint64_t datagrams_out = 0;
  std::uint64_t would_block = 0;   // the socket took no more
  std::uint64_t send_errors = 0;   // refused by the system, dropped
  std::uint64_t too_big = 0;       // EMSGSIZE
  std::uint64_t trains_split = 0;  // sent piece by piece
};

struct NodeStatistics {
  EndpointCounters counters;
  EndpointStatistics endpoint;
  std::size_t swarms = 0;    // of this node, those that sleep included
  std::size_t sleeping = 0;  // hosted files that nobody wants at the moment
  std::size_t readers = 0;
  std::uint64_t turns = 0;   // of the event loop
  std::uint64_t stalls = 0;  // turns that began 20 ms or more after they were due
  Microseconds longest_stall{0};
  UdpCounters udp;
  LocalDiscoveryCounters local_discovery;
  TrackerCounters trackers;       // all of them together
  DurationHistogram store_reads;  // of all files; waiting for the disk included
  DurationHistogram store_writes;
};

}  // namespace ppspp
