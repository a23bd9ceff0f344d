#include "metrics.h"

#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <system_error>

#include "metrics_writer.h"

namespace ppspp::daemon {
namespace {

constexpr std::string_view kCounter = "counter";
constexpr std::string_view kGauge = "gauge";

using control::SwarmKind;
using control::SwarmState;

constexpr std::array kKinds = {SwarmKind::file, SwarmKind::download, SwarmKind::feed,
                               SwarmKind::live, SwarmKind::directory};
constexpr std::array kStates = {SwarmState::hashing,   SwarmState::opening, SwarmState::downloading,
                                SwarmState::seeding,   SwarmState::live,    SwarmState::paused,
                                SwarmState::scheduled, SwarmState::failed};

void write_swarms(MetricsWriter& out, const Snapshot& snapshot) {
  out.family("ppspp_swarms", kGauge, "Swarms of the catalogue, by kind and state.");
  for (const SwarmKind kind : kKinds) {
    for (const SwarmState state : kStates) {
      std::size_t count = 0;
      if (const auto of = snapshot.swarms.find(kind); of != snapshot.swarms.end()) {
        if (const auto in = of->second.find(state); in != of->second.end()) count = in->second;
      }
      out.sample({{"kind", to_string(kind)}, {"state", to_string(state)}}, count);
    }
  }
  out.single("ppspp_swarms_sleeping", kGauge, "Swarms that nobody wants at the moment.",
             snapshot.sleeping);
  out.single("ppspp_swarms_active", kGauge, "Swarms that have a channel.",
             snapshot.node.endpoint.swarms_active);
  out.single("ppspp_readers", kGauge, "Readers of content, such as players at the gateway.",
             snapshot.readers);
}

void write_class(MetricsWriter& out, std::string_view name, std::string_view help,
                 const EndpointStatistics& statistics,
                 std::uint64_t EndpointStatistics::Totals::*member) {
  out.family(name, kCounter, help);
  out.sample({{"class", "static"}}, statistics.static_swarms.*member);
  out.sample({{"class", "live"}}, statistics.live_swarms.*member);
}

void write_content(MetricsWriter& out, const Snapshot& snapshot) {
  using Totals = EndpointStatistics::Totals;
  const EndpointStatistics& endpoint = snapshot.node.endpoint;
  out.family("ppspp_content_bytes_total", kCounter,
             "Content exchanged with peers since the start, without headers and hashes.");
  out.sample({{"direction", "in"}, {"class", "static"}}, endpoint.static_swarms.bytes_in);
  out.sample({{"direction", "in"}, {"class", "live"}}, endpoint.live_swarms.bytes_in);
  out.sample({{"direction", "out"}, {"class", "static"}}, endpoint.static_swarms.bytes_out);
  out.sample({{"direction", "out"}, {"class", "live"}}, endpoint.live_swarms.bytes_out);
  out.family("ppspp_lifetime_bytes_total", kCounter,
             "Content exchanged since the catalogue was made, over restarts.");
  out.sample({{"direction", "in"}}, snapshot.downloaded);
  out.sample({{"direction", "out"}}, snapshot.uploaded);
  write_class(out, "ppspp_chunks_verified_total", "Chunks that came and were right.", endpoint,
              &Totals::chunks_verified);
  out.family("ppspp_chunks_rejected_total", kCounter,
             "Chunks that came and were not taken, by reason.");
  const auto rejected = [&out](std::string_view name, const Totals& totals) {
    out.sample({{"class", name}, {"reason", "wrong_hash"}}, totals.chunks_rejected);
    out.sample({{"class", name}, {"reason", "unverifiable"}}, totals.chunks_unverifiable);
    out.sample({{"class", name}, {"reason", "duplicate"}}, totals.chunks_duplicate);
  };
  rejected("static", endpoint.static_swarms);
  rejected("live", endpoint.live_swarms);
  write_class(out, "ppspp_chunks_retransmitted_total", "Chunks sent again after a presumed loss.",
              endpoint, &Totals::chunks_retransmitted);
  write_class(out, "ppspp_chunks_skipped_total", "Chunks of live swarms that were given up.",
              endpoint, &Totals::chunks_skipped);
}

void write_channels(MetricsWriter& out, const EndpointStatistics& endpoint) {
  out.family("ppspp_channels", kGauge, "Channels to peers, by state.");
  out.sample({{"state", "half_open"}}, endpoint.half_open);
  out.sample({{"state", "connecting"}}, endpoint.channels_connecting);
  out.sample({{"state", "established"}}, endpoint.channels_established);
  out.single("ppspp_banned_networks", kGauge, "Bans in force, by command and automatic.",
             endpoint.banned);
  out.single("ppspp_requests_queued", kGauge, "Chunks that peers asked for and have not got yet.",
             endpoint.requests_queued);
  out.single("ppspp_requests_outstanding", kGauge,
             "Chunks that were asked of peers and are not here yet.",
             endpoint.requests_outstanding);
  out.family("ppspp_queueing_delay_seconds", "histogram",
             "LEDBAT's samples of the delay that queues on the way add.");
  out.histogram({}, endpoint.queueing_delay);
}

void write_choking(MetricsWriter& out, const EndpointStatistics& endpoint) {
  out.single("ppspp_chokes_total", kCounter,
             "Peers that were choked: asked to wait for their turn.",
             endpoint.static_swarms.chokes);
  out.single("ppspp_optimistic_unchokes_total", kCounter,
             "Peers that were unchoked by chance, to see what they give.",
             endpoint.static_swarms.optimistic_unchokes);
}

void write_addresses(MetricsWriter& out, const EndpointStatistics& endpoint,
                     const PexCounters& pex) {
  constexpr std::array<std::string_view, kPeerSources> kSources = {
      "user", "tracker", "pex", "certified", "local", "inbound"};
  out.family("ppspp_peer_addresses", kGauge, "Addresses of peers that are known, by source.");
  for (std::size_t i = 0; i < kPeerSources; ++i) {
    out.sample({{"source", kSources[i]}}, endpoint.addresses[i]);
  }
  out.family("ppspp_pex_messages_total", kCounter,
             "Messages of peer exchange, by direction and type.");
  out.sample({{"direction", "in"}, {"type", "request"}}, pex.requests_in);
  out.sample({{"direction", "in"}, {"type", "address"}}, pex.addresses_in);
  out.sample({{"direction", "in"}, {"type", "certificate"}}, pex.certificates_in);
  out.sample({{"direction", "out"}, {"type", "request"}}, pex.requests_out);
  out.sample({{"direction", "out"}, {"type", "address"}}, pex.addresses_out);
  out.sample({{"direction", "out"}, {"type", "certificate"}}, pex.certificates_out);
  out.family("ppspp_pex_addresses_total", kCounter,
             "Addresses that peers told, by what became of them; the others were known.");
  out.sample({{"result", "learned"}}, pex.addresses_learned);
  out.sample({{"result", "refused"}}, pex.addresses_refused);
  out.single("ppspp_pex_ignored_total", kCounter,
             "Messages of peer exchange that came too often, unasked or against the rules.",
             pex.ignored);
  out.family("ppspp_pex_certificates_total", kCounter,
             "Membership certificates of peers that were checked, by result.");
  out.sample({{"result", "accepted"}}, pex.certificates_accepted);
  out.sample({{"result", "refused"}}, pex.certificates_refused);
}

void write_port(MetricsWriter& out, const NodeStatistics& node) {
  const EndpointCounters& counters = node.counters;
  out.family("ppspp_datagrams_total", kCounter, "UDP datagrams, by direction.");
  out.sample({{"direction", "in"}}, counters.datagrams_in);
  out.sample({{"direction", "out"}}, counters.datagrams_out);
  out.family("ppspp_datagram_bytes_total", kCounter, "UDP payload, by direction.");
  out.sample({{"direction", "in"}}, counters.bytes_in);
  out.sample({{"direction", "out"}}, counters.bytes_out);
  out.family("ppspp_dropped_total", kCounter,
             "Datagrams, handshakes and requests that were refused, by reason.");
  out.sample({{"reason", "unknown_channel"}}, counters.unknown_channel);
  out.sample({{"reason", "wrong_address"}}, counters.wrong_address);
  out.sample({{"reason", "handshake_refused"}}, counters.handshakes_refused);
  out.sample({{"reason", "handshake_over_limit"}}, counters.handshakes_over_limit);
  out.sample({{"reason", "handshake_forbidden"}}, counters.handshakes_forbidden);
  out.sample({{"reason", "request_over_limit"}}, counters.requests_over_limit);
  out.sample({{"reason", "decode_error"}}, counters.decode_errors);
  out.sample({{"reason", "send_error"}}, node.udp.send_errors);
  out.family("ppspp_peers_lost_total", kCounter, "Channels that were closed on a peer, by reason.");
  out.sample({{"reason", "faults"}}, counters.peers_dropped);
  out.sample({{"reason", "silent"}}, counters.peers_dead);
  out.sample({{"reason", "replaced"}}, counters.peers_replaced);
  out.single("ppspp_send_would_block_total", kCounter,
             "Times that the socket took no more datagrams.", node.udp.would_block);
}

void write_local_discovery(MetricsWriter& out, const LocalDiscoveryCounters& counters) {
  out.family("ppspp_local_discovery_datagrams_total", kCounter,
             "Questions and answers by which peers on the local network find each other.");
  out.sample({{"kind", "query"}, {"direction", "in"}}, counters.queries_in);
  out.sample({{"kind", "query"}, {"direction", "out"}}, counters.queries_out);
  out.sample({{"kind", "answer"}, {"direction", "in"}}, counters.answers_in);
  out.sample({{"kind", "answer"}, {"direction", "out"}}, counters.answers_out);
  out.family("ppspp_local_discovery_dropped_total", kCounter,
             "Of them, what was not answered or believed, by reason.");
  out.sample({{"reason", "invalid"}}, counters.invalid);
  out.sample({{"reason", "over_limit"}}, counters.over_limit);
  out.sample({{"reason", "unproven"}}, counters.unproven);
  out.single("ppspp_local_services_found_total", kCounter,
             "Services of DNS-SD that are of swarms of ours.", counters.services_in);
  out.single("ppspp_local_services", kGauge, "Services that are published by DNS-SD.",
             counters.services);
  out.single("ppspp_local_peers_found_total", kCounter, "Peers found on the local network.",
             counters.found);
}

void write_trackers(MetricsWriter& out, const TrackerCounters& trackers) {
  out.family("ppspp_tracker_requests_total", kCounter, "Requests to trackers, by type.");
  out.sample({{"type", "connect"}}, trackers.connects);
  out.sample({{"type", "find"}}, trackers.finds);
  out.sample({{"type", "stat_report"}}, trackers.stat_reports);
  out.family("ppspp_tracker_failures_total", kCounter,
             "Requests to trackers that brought nothing, by reason.");
  for (std::size_t i = 0; i < kTrackerFailures; ++i) {
    out.sample({{"reason", to_string(static_cast<TrackerFailure>(i))}}, trackers.failures[i]);
  }
  out.single("ppspp_tracker_peers_total", kCounter, "Addresses of peers that trackers gave.",
             trackers.peers);
}

void write_loop(MetricsWriter& out, const MetricsInput& input) {
  const NodeStatistics& node = input.snapshot.node;
  out.family("ppspp_store_seconds", "histogram",
             "Time that reads and writes of content took, waiting for the disk included.");
  out.histogram({{"operation", "read"}}, node.store_reads);
  out.histogram({{"operation", "write"}}, node.store_writes);
  out.single("ppspp_loop_turns_total", kCounter, "Turns of the event loop.", node.turns);
  out.single("ppspp_loop_stalls_total", kCounter,
             "Turns of the event loop that came 20 ms or more after they were due.", node.stalls);
  out.single("ppspp_loop_longest_stall_seconds", kGauge, "The longest of them since the start.",
             static_cast<double>(node.longest_stall.count()) / 1e6);
  out.single("ppspp_catalogue_commits_total", kCounter, "Changes of the catalogue on the disk.",
             input.snapshot.catalogue_commits);
  out.single("ppspp_catalogue_failures_total", kCounter,
             "Changes of the catalogue that the disk refused.", input.snapshot.catalogue_failures);
  out.family("ppspp_http_connections", kGauge, "Open HTTP connections, by server.");
  out.sample({{"server", "control"}}, input.control_connections);
  out.sample({{"server", "gateway"}}, input.gateway_connections);
  out.single("ppspp_gateway_bytes_total", kCounter, "Content that the gateway has sent.",
             input.gateway_bytes);
  out.single("ppspp_event_subscribers", kGauge, "Who follows /v1/events.", input.event_subscribers);
}

void write_process(MetricsWriter& out, const MetricsInput& input) {
  const ProcessUsage& process = input.process;
  out.family("ppspp_build_info", kGauge, "Always 1; the version is a label.");
  out.sample({{"version", PPSPP_VERSION}}, 1);
  out.single("process_start_time_seconds", kGauge, "Start of the process since 1970.",
             input.snapshot.started_at);
  out.single("process_cpu_seconds_total", kCounter, "User and system CPU time.",
             process.cpu_seconds);
  out.single("process_resident_memory_bytes", kGauge, "Resident memory.", process.resident_bytes);
  out.single("process_virtual_memory_bytes", kGauge, "Virtual memory.", process.virtual_bytes);
  out.single("process_open_fds", kGauge, "Open file descriptors.", process.open_fds);
  out.single("process_max_fds", kGauge, "How many there may be.", process.max_fds);
}

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

std::uint64_t entries(const std::filesystem::path& directory) {
  std::uint64_t count = 0;
  std::error_code error;
  std::filesystem::directory_iterator each(directory, error);
  while (!error && each != std::filesystem::directory_iterator()) {
    ++count;
    each.increment(error);
  }
  return count > 0 ? count - 1 : 0;  // without that of the iteration itself
}

}  // namespace

void MetricsWriter::histogram(Labels labels, const DurationHistogram& durations) {
  const std::string name = name_;
  std::uint64_t so_far = 0;
  for (std::size_t i = 0; i < DurationHistogram::kBounds.size(); ++i) {
    so_far += durations.counts[i];
    const double bound = static_cast<double>(DurationHistogram::kBounds[i].count()) / 1e6;
    line(name + "_bucket", labels, so_far, fmt::format("{}", bound));
  }
  line(name + "_bucket", labels, so_far + durations.counts.back(), "+Inf");
  line(name + "_sum", labels, static_cast<double>(durations.sum.count()) / 1e6);
  line(name + "_count", labels, so_far + durations.counts.back());
}

ProcessUsage ProcessUsage::now() {
  ProcessUsage usage;
  rusage times{};
  if (getrusage(RUSAGE_SELF, &times) == 0) {
    usage.cpu_seconds = seconds(times.ru_utime) + seconds(times.ru_stime);
  }
  std::ifstream statm("/proc/self/statm");
  std::uint64_t pages = 0;
  std::uint64_t resident = 0;
  const auto page = static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  if (statm >> pages >> resident) {
    usage.virtual_bytes = pages * page;
    usage.resident_bytes = resident * page;
  }
  usage.open_fds = entries("/proc/self/fd");
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) usage.max_fds = limit.rlim_cur;
  return usage;
}

std::string metrics_text(const MetricsInput& input) {
  MetricsWriter out;
  write_swarms(out, input.snapshot);
  write_content(out, input.snapshot);
  write_channels(out, input.snapshot.node.endpoint);
  write_choking(out, input.snapshot.node.endpoint);
  write_addresses(out, input.snapshot.node.endpoint, input.snapshot.node.counters.pex);
  write_port(out, input.snapshot.node);
  write_local_discovery(out, input.snapshot.node.local_discovery);
  write_trackers(out, input.snapshot.node.trackers);
  write_loop(out, input);
  write_process(out, input);
  return out.take();
}

}  // namespace ppspp::daemon
