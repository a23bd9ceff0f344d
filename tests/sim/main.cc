// ppspp-sim: swarms of the real core in virtual time.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdlib>

#include "sim/live.h"
#include "sim/many_runs.h"
#include "sim/paths.h"
#include "sim/scaling.h"

namespace {

// "12", or the digits that a commit's hash begins with.
std::string seed_of(const std::string& text) {
  const bool number = text.find_first_not_of("0123456789") == std::string::npos;
  if (number && text.size() < 20) return text;
  if (text.find_first_not_of("0123456789abcdefABCDEF") != std::string::npos || text.size() < 7) {
    throw CLI::ValidationError("neither a number nor a commit's hash: " + text);
  }
  return std::to_string(std::stoull(text.substr(0, 15), nullptr, 16));
}

// A world of thousands of nodes is gigabytes of small things, and most of what they cost is finding
// their pages: with large ones it is a third faster. Only at its start can a process have them of
// glibc.
void use_huge_pages(char** argv) {
  if (getenv("GLIBC_TUNABLES") != nullptr) return;
  setenv("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1", 1);
  execv("/proc/self/exe", argv);  // where that fails it goes on without
}

}  // namespace

int main(int argc, char** argv) {
  using namespace ppspp::sim;
  CLI::App app("Swarms of the real protocol core in one process and in virtual time", "ppspp-sim");
  app.require_subcommand(1);

  ScalingOptions scaling;
  CLI::App* scale = app.add_subcommand(
      "scaling", "The time until everybody has a file, next to what the links allow");
  scale->add_option("--peers", scaling.peers, "Leechers that join at once")->capture_default_str();
  scale->add_option("--seed", scaling.seed, "Equal seeds give equal runs")->capture_default_str();
  scale->add_option("--upload", scaling.upload, "Octets per second of every uplink (k, M)")
      ->transform(CLI::AsSizeValue(true))
      ->capture_default_str();
  scale->add_option("--size", scaling.size, "Octets of the file (k, M; ki, Mi)")
      ->transform(CLI::AsSizeValue(true))
      ->capture_default_str();
  scale->add_option("--chunk-size", scaling.chunk_size, "Octets")->capture_default_str();
  scale->add_option("--churn", scaling.churn, "Percent of the leechers replaced each minute")
      ->capture_default_str();
  scale->add_option("--neighbours", scaling.neighbours, "Addresses that the tracker names")
      ->capture_default_str();
  scale->add_option("--malicious", scaling.malicious, "Percent of all peers that mean ill, on top")
      ->check(CLI::Range(0, 90))
      ->capture_default_str();
  scale->add_option("--kind", scaling.kind, "Of these; mixed: all kinds")->capture_default_str();
  scale->add_option("--limit", scaling.limit, "Seconds of virtual time")->capture_default_str();
  scale->add_flag("--verbose", scaling.verbose,
                  "What uplinks carried, on stderr, every five seconds of virtual time");

  const auto add_trace = [](CLI::App* command, TraceOptions& trace) {
    command->add_flag("--text", trace.text, "Print all datagrams in words");
    command->add_option("--pcap", trace.pcap, "Write all datagrams to this file");
  };
  add_trace(scale, scaling.trace);

  LiveOptions live;
  CLI::App* feed = app.add_subcommand("live", "How many viewers keep up with a feed");
  feed->add_option("--peers", live.peers, "Viewers that join at once")->capture_default_str();
  feed->add_option("--seed", live.seed, "Equal seeds give equal runs")->capture_default_str();
  feed->add_option("--rate", live.rate, "Octets per second of the feed (k, M)")
      ->transform(CLI::AsSizeValue(true))
      ->capture_default_str();
  feed->add_option("--upload", live.upload, "Octets per second of every uplink (k, M)")
      ->transform(CLI::AsSizeValue(true))
      ->capture_default_str();
  feed->add_option("--neighbours", live.neighbours, "Addresses that the tracker names")
      ->capture_default_str();
  feed->add_option("--malicious", live.malicious, "Percent of all peers that mean ill, on top")
      ->check(CLI::Range(0, 90))
      ->capture_default_str();
  feed->add_option("--kind", live.kind, "Of these; mixed: all kinds")->capture_default_str();
  feed->add_option("--buffer", live.buffer_ms, "Of the viewers, ms")->capture_default_str();
  feed->add_option("--seconds", live.seconds, "That are measured")->capture_default_str();
  feed->add_option("--warm-up", live.warm_up, "Seconds before, from the viewers' joining")
      ->capture_default_str();
  feed->add_flag("--account", live.account, "Where the octets of the uplinks go");

  add_trace(feed, live.trace);

  std::uint64_t seed = 1;
  SingleRun single;
  CLI::App* swarm = app.add_subcommand("swarm", "One random swarm with faults, from its seed");
  swarm->add_option("--seed", seed, "What everything is drawn from: a number or a commit's hash")
      ->transform(&seed_of)
      ->capture_default_str();
  swarm->add_flag("--twice", single.twice, "Run it twice, and compare all that was sent");
  swarm->add_flag("--text", single.text, "Print all datagrams in words");
  swarm->add_option("--pcap", single.pcap, "Write all datagrams to this file");

  ManyRuns many;
  CLI::App* swarms = app.add_subcommand("swarms", "Many random swarms, each in its own process");
  swarms->add_option("--from", many.from, "The first seed")->capture_default_str();
  swarms->add_option("--count", many.count, "How many")->capture_default_str();
  swarms->add_option("--jobs", many.jobs, "At once")->capture_default_str();
  swarms->add_flag("--twice", many.twice, "Each one twice, and compare all that was sent");
  swarms->add_option("--seconds", many.seconds, "That one may take")->capture_default_str();

  std::string only;
  CLI::App* paths = app.add_subcommand(
      "paths", "What LEDBAT, pacing and acknowledgements make of bottlenecks of all sizes");
  paths->add_option("--only", only, "Those whose names have this in them");

  CLI11_PARSE(app, argc, argv);
  if (*scale || *feed) use_huge_pages(argv);
  if (*scale) return run_scaling(scaling).exit_code;
  if (*feed) return run_live(live);
  if (*paths) return run_paths(only);
  if (*swarm) return run_one(seed, single);
  return run_many(many);
}
