#include "sim/paths.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>

namespace ppspp::sim {
namespace {

using namespace std::chrono_literals;
using test::at;
using test::LinkConfig;

double seconds(Microseconds time) {
  return std::chrono::duration<double>(time).count();
}

double milliseconds(Microseconds time) {
  return seconds(time) * 1e3;
}

class Measuring {
 public:
  explicit Measuring(const PathRun& run)
      : run_(run), world_(run.path), queue_(world_.simulation(), interval()) {
    for (int i = 0; i < run_.seeders; ++i) add_flow(i);
    if (run_.tcp) {
      tcp_ = std::make_unique<test::TcpFlow>(world_.simulation(), *run_.tcp);
      tcp_->start(at(run_.tcp_first ? 0us : run_.other_begins));
    }
    if (run_.stall_every != 0us) stall_in(run_.stall_every);
  }

  PathFigures run() {
    watch_ramp(0);
    auto& simulation = world_.simulation();
    simulation.run_until(at(run_.warm_up));
    PathFigures figures;
    for (const auto& flow : flows_) {
      figures.first_burst_ms =
          std::max(figures.first_burst_ms, flow.seeder->bursts.longest_us() / 1e3);
    }
    begin();
    const Counts before = counts();
    const std::uint64_t dropped = world_.dropped();
    const std::uint64_t tcp_before = tcp_ ? tcp_->delivered() : 0;
    simulation.run_until(at(run_.warm_up + run_.measured));
    finish(figures, before, dropped, tcp_before);
    return figures;
  }

 private:
  struct Flow {
    PathHost* seeder;
    std::vector<PathHost*> leechers;
  };
  struct Counts {
    std::vector<std::uint64_t> bytes;  // that arrived, by flow
    std::uint64_t sent = 0;            // datagrams of the seeders
    std::uint64_t trains = 0;
    std::uint64_t said = 0;  // datagrams of the leechers
  };

  Microseconds rtt() const { return run_.path.link.forward + run_.path.link.backward; }
  Microseconds interval() const { return std::clamp<Microseconds>(rtt() / 3, 37us, 5ms); }

  void add_flow(int index) {
    Flow flow{&world_.add_seeder(), {}};
    for (int i = 0; i < run_.leechers; ++i) {
      flow.leechers.push_back(&world_.add_leecher());
      world_.introduce(*flow.leechers.back(), *flow.seeder,
                       at((run_.tcp_first ? run_.other_begins : 0us) + run_.apart * index + 1ms));
    }
    flows_.push_back(std::move(flow));
  }

  void stall_in(Microseconds time) {
    world_.simulation().schedule(world_.simulation().now() + time, [this] {
      const TimePoint until = world_.simulation().now() + run_.stall;
      for (const Flow& flow : flows_) {
        for (PathHost* leecher : flow.leechers) {
          if (run_.stall_receivers) leecher->stall(until);
        }
        if (!run_.stall_receivers) flow.seeder->stall(until);
      }
      stall_in(run_.stall_every);
    });
  }

  std::uint64_t arrived() const {
    std::uint64_t bytes = 0;
    for (const Flow& flow : flows_) {
      for (const PathHost* leecher : flow.leechers) bytes += leecher->wire_in;
    }
    return bytes;
  }

  void watch_ramp(std::uint64_t before) {
    const Microseconds span = std::max<Microseconds>(rtt() * 2, 5ms);
    const std::uint64_t now = arrived();
    if (static_cast<double>(now - before) >= 0.9 * run_.path.link.rate * seconds(span)) {
      ramp_ = world_.simulation().now().time_since_epoch();
      return;
    }
    world_.simulation().schedule(world_.simulation().now() + span,
                                 [this, now] { watch_ramp(now); });
  }

  void begin() {
    queue_.reset();
    for (const Flow& flow : flows_) {
      flow.seeder->bursts.reset();
      for (PathHost* leecher : flow.leechers) {
        leecher->longest_silence = 0us;
      }
    }
  }

  Counts counts() const {
    Counts counts;
    for (const Flow& flow : flows_) {
      std::uint64_t bytes = 0;
      for (const PathHost* leecher : flow.leechers) {
        bytes += leecher->wire_in;
        counts.said += leecher->datagrams_out;
      }
      counts.bytes.push_back(bytes);
      counts.sent += flow.seeder->datagrams_out;
      counts.trains += flow.seeder->trains_out;
    }
    return counts;
  }

  void finish(PathFigures& figures, const Counts& before, std::uint64_t dropped,
              std::uint64_t tcp_before) const {
    const Counts after = counts();
    const double all = run_.path.link.rate * seconds(run_.measured);
    for (std::size_t i = 0; i < flows_.size(); ++i) {
      figures.shares.push_back(static_cast<double>(after.bytes[i] - before.bytes[i]) / all);
      figures.use += figures.shares.back();
    }
    if (tcp_) figures.tcp_share = static_cast<double>(tcp_->delivered() - tcp_before) / all;
    figures.mean_ms = queue_.mean_ms();
    figures.p95_ms = queue_.percentile_ms(0.95);
    const auto sent = static_cast<double>(after.sent - before.sent);
    figures.loss = static_cast<double>(world_.dropped() - dropped) / sent;
    if (ramp_) figures.ramp_ms = milliseconds(*ramp_);
    const double leechers = static_cast<double>(flows_.size() * flows_[0].leechers.size());
    const double with_queue = milliseconds(rtt()) + figures.mean_ms;
    figures.acks_per_rtt = static_cast<double>(after.said - before.said) / leechers /
                           milliseconds(run_.measured) * with_queue;
    figures.train = sent / static_cast<double>(after.trains - before.trains);
    for (const Flow& flow : flows_) {
      figures.burst_ms = std::max(figures.burst_ms, flow.seeder->bursts.longest_us() / 1e3);
      for (const PathHost* leecher : flow.leechers) {
        figures.silence_rtts =
            std::max(figures.silence_rtts, milliseconds(leecher->longest_silence) / with_queue);
      }
    }
  }

  PathRun run_;
  PathWorld world_;
  test::QueueMeter queue_;
  std::vector<Flow> flows_;
  std::unique_ptr<test::TcpFlow> tcp_;
  std::optional<Microseconds> ramp_;
};

LinkConfig link(double megabits, Microseconds rtt, Microseconds buffer) {
  LinkConfig link;
  link.rate = megabits * 125e3;
  link.forward = rtt / 2;
  link.backward = rtt - rtt / 2;
  link.queue_bytes = static_cast<std::size_t>(link.rate * seconds(buffer));
  return link;
}

PathRun path(std::string name, const LinkConfig& link, Microseconds warm_up,
             Microseconds measured) {
  PathRun run;
  run.name = std::move(name);
  run.path.link = link;
  run.warm_up = warm_up;
  run.measured = measured;
  return run;
}

void add_shared(std::vector<PathRun>& runs) {
  const LinkConfig slow = link(20, 40ms, 300ms);
  for (const bool first : {false, true}) {
    PathRun beside = path(first ? "20M 40ms after CUBIC" : "20M 40ms before CUBIC", slow, 15s, 25s);
    beside.tcp = test::TcpFlow::Kind::cubic;
    beside.tcp_first = first;
    runs.push_back(beside);
  }
  PathRun two = path("20M 40ms two, 30 s apart", slow, 90s, 30s);
  two.seeders = 2;
  two.apart = 30s;
  runs.push_back(two);
  PathRun eight = path("20M 40ms eight, 1 s apart", slow, 67s, 30s);
  eight.seeders = 8;
  eight.apart = 1s;
  runs.push_back(eight);
  PathRun channels = path("20M 40ms eight channels", slow, 30s, 30s);
  channels.leechers = 8;
  runs.push_back(channels);
  channels.name = "20M 40ms eight channels, host stalls";
  channels.stall_every = 200ms;
  runs.push_back(channels);
}

}  // namespace

PathFigures run_path(const PathRun& run) {
  return Measuring(run).run();
}

std::vector<PathRun> all_paths() {
  std::vector<PathRun> runs;
  const LinkConfig slow = link(20, 40ms, 300ms);
  runs.push_back(path("20M 40ms alone", slow, 10s, 40s));
  PathRun late = path("20M 40ms alone, host stalls 25 ms of 200", slow, 10s, 40s);
  late.stall_every = 200ms;
  runs.push_back(late);
  late.name = "20M 40ms alone, receiver stalls 25 ms of 200";
  late.stall_receivers = true;
  runs.push_back(late);
  add_shared(runs);
  runs.push_back(path("100M 100us, 10 ms buffer", link(100, 100us, 10ms), 3s, 20s));
  runs.push_back(path("1G 100us, 1 ms buffer", link(1'000, 100us, 1ms), 1s, 4s));
  runs.push_back(path("1G 100us, 10 ms buffer", link(1'000, 100us, 10ms), 1s, 4s));
  runs.push_back(path("10G 100us, 1 ms buffer", link(10'000, 100us, 1ms), 500ms, 1s));
  runs.push_back(path("10G 100us, 10 ms buffer", link(10'000, 100us, 10ms), 500ms, 1s));
  PathRun stalls = path("1G 100us, host stalls 25 ms of 200", link(1'000, 100us, 10ms), 1s, 4s);
  stalls.stall_every = 200ms;
  runs.push_back(stalls);
  runs.push_back(path("100M 100ms", link(100, 100ms, 200ms), 20s, 40s));
  runs.push_back(path("1G 100ms", link(1'000, 100ms, 200ms), 12s, 20s));
  return runs;
}

int run_paths(const std::string& only) {
  for (const PathRun& run : all_paths()) {
    if (run.name.find(only) == std::string::npos) continue;
    const PathFigures f = run_path(run);
    const auto [least, most] = std::minmax_element(f.shares.begin(), f.shares.end());
    fmt::print(
        "{{\"path\": \"{}\", \"rate_mbit\": {:g}, \"rtt_ms\": {:g}, \"use\": {:.4f}, "
        "\"tcp_share\": {:.4f}, \"least_share\": {:.4f}, \"most_share\": {:.4f}, "
        "\"queue_mean_ms\": {:.3f}, \"queue_p95_ms\": {:.3f}, \"loss\": {:.6f}, "
        "\"ramp_ms\": {:.1f}, \"burst_ms\": {:.3f}, \"first_burst_ms\": {:.3f}, "
        "\"datagrams_per_train\": {:.2f}, \"acks_per_rtt\": {:.1f}, \"silence_rtts\": {:.2f}}}\n",
        run.name, run.path.link.rate / 125e3,
        milliseconds(run.path.link.forward + run.path.link.backward), f.use, f.tcp_share, *least,
        *most, f.mean_ms, f.p95_ms, f.loss, f.ramp_ms, f.burst_ms, f.first_burst_ms, f.train,
        f.acks_per_rtt, f.silence_rtts);
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace ppspp::sim
