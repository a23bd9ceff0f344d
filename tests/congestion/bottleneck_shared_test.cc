// Several flows on one bottleneck: beside TCP, and among ourselves.
#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "congestion/bottleneck.h"

namespace ppspp {
namespace {

using namespace std::chrono_literals;
using test::at;
using test::LedbatFlow;
using test::LedbatFlowConfig;
using test::LinkConfig;
using test::TcpFlow;

class Swarm {
 public:
  // `own_clocks`: of hosts of their own, instead of one that all flows share.
  Swarm(int count, Microseconds apart, bool own_clocks = false)
      : simulation_(LinkConfig{}), meter_(simulation_) {
    for (int i = 0; i < count; ++i) {
      LedbatFlowConfig config;
      if (own_clocks) config.clock = Microseconds(i * 3'700'000);
      flows_.push_back(std::make_unique<LedbatFlow>(simulation_, config));
      const auto jitter = Microseconds{static_cast<std::int64_t>(simulation_.rng().below(1'000))};
      flows_.back()->start(at(apart * i + jitter));
    }
  }

  // Shares of the link in percent.
  std::vector<double> shares(Microseconds from, Microseconds to) {
    simulation_.run_until(at(from));
    meter_.reset();
    std::vector<double> shares;
    for (const auto& flow : flows_) shares.push_back(-static_cast<double>(flow->delivered()));
    simulation_.run_until(at(to));
    const double all = simulation_.link().rate * static_cast<double>((to - from).count()) / 1e6;
    std::string line;
    for (std::size_t i = 0; i < flows_.size(); ++i) {
      shares[i] = (shares[i] + static_cast<double>(flows_[i]->delivered())) / all * 100.0;
      line += " " + std::to_string(shares[i]);
    }
    MESSAGE("mean ", mean_ms(), " ms, shares of the link in percent:", line);
    return shares;
  }
  double mean_ms() const { return meter_.mean_ms(); }

 private:
  test::Simulation simulation_;
  test::QueueMeter meter_;
  std::vector<std::unique_ptr<LedbatFlow>> flows_;
};

double sum(const std::vector<double>& values) {
  double total = 0.0;
  for (const double value : values) total += value;
  return total;
}

struct Contest {
  double tcp_share;    // of the link, while both want it
  double after_share;  // ours, from 5 s after TCP has ended
};

Contest against(TcpFlow::Kind kind, bool tcp_first) {
  const LinkConfig link;
  test::Simulation simulation(link);
  LedbatFlow ours(simulation, {});
  TcpFlow tcp(simulation, kind);
  ours.start(at(tcp_first ? 8s : 0s));
  tcp.start(at(tcp_first ? 0s : 8s));
  simulation.run_until(at(15s));
  const std::uint64_t tcp_before = tcp.delivered();
  simulation.run_until(at(40s));
  const double tcp_bytes = static_cast<double>(tcp.delivered() - tcp_before);
  tcp.stop();
  simulation.run_until(at(45s));
  const std::uint64_t before = ours.delivered();
  simulation.run_until(at(49s));
  const Contest contest{tcp_bytes / 25.0 / link.rate,
                        static_cast<double>(ours.delivered() - before) / 4.0 / link.rate};
  MESSAGE("TCP's share ", 100 * contest.tcp_share, " %, ours 5 s after its end ",
          100 * contest.after_share, " %");
  return contest;
}

}  // namespace

TEST_SUITE("congestion/bottleneck/shared") {
  TEST_CASE("a loss-based flow gets nearly all, and five seconds after its end we do") {
    for (const auto kind : {TcpFlow::Kind::cubic, TcpFlow::Kind::reno}) {
      for (const bool tcp_first : {false, true}) {
        CAPTURE(static_cast<int>(kind));
        CAPTURE(tcp_first);
        const auto contest = against(kind, tcp_first);
        CHECK(contest.tcp_share >= 0.88);
        CHECK(contest.after_share >= 0.95);
      }
    }
  }

  TEST_CASE("two flows, the second 30 s later, share evenly after a minute and keep one target") {
    Swarm swarm(2, 30s);
    const auto shares = swarm.shares(90s, 100s);
    CHECK(shares[0] >= 40.0);
    CHECK(shares[1] >= 40.0);
    CHECK(sum(shares) >= 95.0);
    CHECK(swarm.mean_ms() <= 66.0);
  }

  TEST_CASE("two flows of different hosts, whose clocks have nothing in common, do as well") {
    Swarm swarm(2, 30s, true);
    const auto shares = swarm.shares(90s, 100s);
    CHECK(shares[0] >= 35.0);
    CHECK(shares[1] >= 35.0);
    CHECK(sum(shares) >= 95.0);
    CHECK(swarm.mean_ms() <= 75.0);
  }

  TEST_CASE("eight flows that come one after another keep about one target, not eight") {
    Swarm swarm(8, 1s);
    const auto shares = swarm.shares(67s, 87s);
    CHECK(sum(shares) >= 95.0);
    CHECK(swarm.mean_ms() <= 70.0);
    for (const double share : shares) {
      CHECK(share >= 7.0);
      CHECK(share <= 19.0);
    }
  }
}

}  // namespace ppspp
