// How it goes with a tracker (RFC 7846).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "ppspp/time.h"

namespace ppspp {

// Why a request brought nothing.
enum class TrackerFailure : std::uint8_t {
  unreachable,  // no such host, no route, refused, reset
  timed_out,
  tls,           // no certificate that we trust, or no TLS at all
  http,          // a status that is no answer
  bad_response,  // not the protocol, too long, or for another request
  refused,       // an error_code of the protocol
};
inline constexpr std::size_t kTrackerFailures = 6;
std::string_view to_string(TrackerFailure failure);  // "unreachable", "timed_out", "tls", ...

struct TrackerCounters {
  std::uint64_t connects = 0;  // requests sent, repeated ones included
  std::uint64_t finds = 0;
  std::uint64_t stat_reports = 0;
  std::uint64_t peers = 0;                                 // addresses received
  std::array<std::uint64_t, kTrackerFailures> failures{};  // by TrackerFailure
};

enum class TrackerState : std::uint8_t {
  idle,         // no swarm is announced to it
  registering,  // no answer yet
  working,      // the last request was answered
  failing,      // it was not: TrackerStatus::problem says why
};
std::string_view to_string(TrackerState state);

struct TrackerStatus {
  std::string url;
  TrackerState state = TrackerState::idle;
  std::string problem;                                   // one line; empty unless failing
  TrackerFailure failure = TrackerFailure::unreachable;  // of what kind it is
  std::optional<Microseconds> next_in;  // until the next request, if one is planned
  std::size_t swarms = 0;               // to be announced to it
  std::size_t announced = 0;            // that it knows
  bool knows_swarm = false;             // of Swarm::trackers(): it knows this one
  TrackerCounters counters;
};

// Of a failing tracker, in one line: "the tracker at http://... does not answer: ...".
std::string describe_failure(const TrackerStatus& status);

}  // namespace ppspp
