#include "sim/many_runs.h"

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <map>
#include <optional>

#include "sim/run_options.h"
#include "sim/swarm_run.h"

namespace ppspp::sim {
namespace {

struct Tally {
  std::uint64_t failed = 0;
  std::map<std::string, std::uint64_t> kinds;
};

pid_t start(std::uint64_t seed, const ManyRuns& many) {
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child != 0) return child;
  if (std::freopen("/dev/null", "w", stdout) == nullptr ||
      std::freopen("/dev/null", "w", stderr) == nullptr) {
    _exit(127);
  }
  alarm(many.seconds);  // one that hangs
  _exit(run_one(seed, {.twice = many.twice}));
}

void take(int status, std::uint64_t seed, Tally& tally) {
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return;
  const std::string kind = WIFSIGNALED(status) ? fmt::format("signal {}", WTERMSIG(status))
                                               : fmt::format("exit code {}", WEXITSTATUS(status));
  ++tally.failed;
  ++tally.kinds[kind];
  fmt::print("seed {}: {}: ppspp-sim swarm --seed {}\n", seed, kind, seed);
  std::fflush(stdout);
}

}  // namespace

int run_one(std::uint64_t seed, const SingleRun& how) {
  const RunOptions options = draw_options(seed);
  fmt::print("{}\n", to_string(options));
  std::fflush(stdout);
  std::optional<PcapFile> pcap;
  if (!how.pcap.empty()) {
    pcap.emplace(how.pcap);
    if (!pcap->ok()) {
      fmt::print(stderr, "ppspp-sim: {} cannot be written\n", how.pcap);
      return 2;
    }
  }
  SwarmRun run(options);
  run.set_text(how.text);
  if (pcap) run.set_pcap(&*pcap);
  const RunResult result = run.run();
  fmt::print("{} datagrams in {:.1f} s, {} octets allocated for a channel, digest {:016x}\n",
             result.datagrams, result.seconds, result.most_allocated, result.digest);
  if (result.code != 0) {
    fmt::print(stderr, "FAILED {}\n", result.text);
    return result.code;
  }
  if (how.twice) {
    const RunResult again = SwarmRun(options).run();
    if (again.digest != result.digest) {
      fmt::print(stderr, "FAILED: the second run differs: digest {:016x}\n", again.digest);
      return kWrongResult;
    }
  }
  return 0;
}

int run_many(const ManyRuns& many) {
  std::map<pid_t, std::uint64_t> running;
  Tally tally;
  std::uint64_t next = many.from;
  const std::uint64_t end = many.from + many.count;
  while (next != end || !running.empty()) {
    while (next != end && running.size() < many.jobs) running[start(next, many)] = next, ++next;
    int status = 0;
    const pid_t child = wait(&status);
    const auto found = running.find(child);
    if (found == running.end()) continue;
    take(status, found->second, tally);
    running.erase(found);
  }
  fmt::print("{} swarms from seed {}, {} failed", many.count, many.from, tally.failed);
  for (const auto& [kind, count] : tally.kinds) fmt::print(", {} with {}", count, kind);
  fmt::print("\n");
  return tally.failed == 0 ? 0 : 1;
}

}  // namespace ppspp::sim
