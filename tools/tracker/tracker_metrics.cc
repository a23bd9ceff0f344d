#include "tracker/tracker_metrics.h"

#include <sys/resource.h>
#include <unistd.h>

#include <fstream>

#include "metrics_writer.h"

namespace ppspp::tracker {
namespace {

constexpr std::string_view kCounter = "counter";
constexpr std::string_view kGauge = "gauge";

std::uint64_t resident_octets() {
  std::ifstream in("/proc/self/statm");
  std::uint64_t all = 0;
  std::uint64_t resident = 0;
  in >> all >> resident;
  return resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

void write_requests(daemon::MetricsWriter& out, const ServiceCounters& counters) {
  out.family("ppspp_tracker_requests_total", kCounter, "Requests that could be read, by type.");
  out.sample({{"type", "connect"}}, counters.connects);
  out.sample({{"type", "find"}}, counters.finds);
  out.sample({{"type", "stat_report"}}, counters.reports);
  out.family("ppspp_tracker_answers_total", kCounter, "Answers by error code; none is success.");
  constexpr ErrorCode kCodes[] = {ErrorCode::none,
                                  ErrorCode::bad_request,
                                  ErrorCode::unsupported_version,
                                  ErrorCode::forbidden_action,
                                  ErrorCode::internal_error,
                                  ErrorCode::service_unavailable,
                                  ErrorCode::authentication_required};
  constexpr std::string_view kNames[] = {
      "none",     "bad_request", "unsupported_version",    "forbidden",
      "internal", "unavailable", "authentication_required"};
  for (std::size_t i = 0; i < std::size(kCodes); ++i) {
    out.sample({{"error", kNames[i]}}, counters.errors[static_cast<std::size_t>(kCodes[i])]);
  }
  out.single("ppspp_tracker_requests_over_limit_total", kCounter,
             "Requests refused because their address asked too much.", counters.over_limit);
  out.single("ppspp_tracker_peers_told_total", kCounter, "Entries of peer lists.",
             counters.peers_told);
  out.single("ppspp_tracker_certificates_total", kCounter, "Membership certificates signed.",
             counters.certificates);
}

void write_checks(daemon::MetricsWriter& out, const TrackerService& service) {
  const ServiceCounters& counters = service.counters();
  out.family("ppspp_tracker_checks_total", kCounter,
             "Checks whether a peer answers at its address, by outcome.");
  out.sample({{"outcome", "answered"}}, counters.checks_good);
  out.sample({{"outcome", "silent"}}, counters.checks_failed);
  out.sample({{"outcome", "refused"}}, counters.checks_refused);
  out.single("ppspp_tracker_checks_pending", kGauge, "Addresses that are being checked.",
             service.checks().pending());
  out.single("ppspp_tracker_datagrams_sent_total", kCounter, "Datagrams sent to check addresses.",
             service.checks().sent());
  out.single("ppspp_tracker_stray_datagrams_total", kCounter,
             "Datagrams that came and answered nothing.", service.checks().strays());
}

}  // namespace

std::string metrics_text(const MetricsInput& input) {
  daemon::MetricsWriter out;
  const Registry& registry = input.service.registry();
  out.single("ppspp_tracker_peers", kGauge, "Peers that are registered.", registry.peers());
  out.single("ppspp_tracker_listed_peers", kGauge,
             "Peers that are told to others, since they answer at their address.",
             registry.listed_peers());
  out.single("ppspp_tracker_swarms", kGauge, "Swarms that have a member.", registry.swarms());
  out.single("ppspp_tracker_memberships", kGauge, "Peers, counted once for each of their swarms.",
             registry.memberships());
  out.single("ppspp_tracker_expired_total", kCounter, "Peers that fell silent.",
             input.service.counters().expired);
  write_requests(out, input.service.counters());
  write_checks(out, input.service);
  out.single("ppspp_tracker_limited_addresses", kGauge, "Addresses whose requests are counted.",
             input.service.limits().networks());
  out.single("ppspp_tracker_connections", kGauge, "Open TCP connections.", input.connections);
  out.single("process_cpu_seconds_total", kCounter, "Processor time used.", cpu_seconds());
  out.single("process_resident_memory_bytes", kGauge, "Memory in use.", resident_octets());
  out.single("process_start_time_seconds", kGauge, "When the tracker was started.",
             input.start_seconds);
  return out.take();
}

}  // namespace ppspp::tracker
