// One test for each threat of RFC 7574, sections 12.1, 12.2 and 12.6, with a tenth, a third and a
// half of all peers meaning ill; the same over sockets, one enemy at a time:
// tests/system/enemies.py.
#include "sim/enemies.h"

#include <algorithm>
#include <vector>

#include "sim/scenarios/scenario.h"

namespace ppspp::sim {
namespace {

constexpr std::size_t kHonest = 8;
constexpr std::uint64_t kLength = 200'000;
constexpr std::uint64_t kRate = 125'000;
constexpr unsigned kPatience = 240;  // seconds

// One seeder and some leechers on slow links, and enemies on the same.
class Siege {
 public:
  Siege(std::uint64_t seed, std::size_t honest, std::uint64_t length,
        const EndpointOptions& endpoint)
      : scenario_(seed, length) {
    options_.up = {.rate = kRate};
    options_.down = {.rate = kRate * 4};
    options_.endpoint = endpoint;
    nodes_.push_back(scenario_.seed(options_));
    for (std::size_t i = 0; i < honest; ++i) nodes_.push_back(scenario_.fetch(options_));
  }

  void besiege(std::span<const EnemyKind> kinds, std::size_t count) {
    enemies_ = std::make_unique<Enemies>(scenario_.world(), scenario_.content());
    enemies_->set_honest(nodes_);
    enemies_->add(kinds, count, {.up = options_.up, .down = options_.down});
    enemies_->start();
  }

  // Seconds until all honest ones have everything; -1: they have not. Everybody knows everybody.
  double run() {
    std::vector<TransportAddress> all;
    for (const NodeId node : nodes_) all.push_back(world().address(node));
    if (enemies_) {
      for (const TransportAddress& enemy : enemies_->addresses()) all.push_back(enemy);
    }
    for (const NodeId node : nodes_) {
      for (const TransportAddress& other : all)
        scenario_.introduce_at(node, other, PeerSource::tracker);
    }
    const SimTime begin = world().time();
    const auto all_have = [&] {
      return std::ranges::all_of(nodes_, [&](NodeId node) { return scenario_.complete(node); });
    };
    while (!all_have() && world().time() < begin + kPatience * SimTime{1'000'000}) {
      world().run_until(world().time() + 100'000);
    }
    CHECK(scenario_.all_well());
    for (const NodeId node : nodes_) world().endpoint(node).check_invariants();
    return all_have() ? static_cast<double>(world().time() - begin) / 1e6 : -1;
  }

  World& world() { return scenario_.world(); }
  Scenario& scenario() { return scenario_; }
  Enemies& enemies() { return *enemies_; }
  const std::vector<NodeId>& nodes() const { return nodes_; }
  EndpointCounters counters() {
    EndpointCounters sum;
    for (const NodeId node : nodes_) {
      const EndpointCounters& own = world().endpoint(node).counters();
      sum.peers_dropped += own.peers_dropped;
      sum.handshakes_forbidden += own.handshakes_forbidden;
      sum.unknown_channel += own.unknown_channel;
      sum.wrong_address += own.wrong_address;
      sum.requests_over_limit += own.requests_over_limit;
    }
    return sum;
  }
  std::size_t banned() {
    std::size_t count = 0;
    for (const NodeId node : nodes_) {
      count += world().endpoint(node).statistics(world().now(node)).banned;
    }
    return count;
  }

 private:
  Scenario scenario_;
  NodeOptions options_;
  std::unique_ptr<Enemies> enemies_;
  std::vector<NodeId> nodes_;  // honest ones, the seeder first
};

constexpr EndpointOptions kWithoutPex = {.pex = false};

double without_enemies(std::size_t honest = kHonest, std::uint64_t length = kLength,
                       const EndpointOptions& endpoint = kWithoutPex) {
  const double seconds = Siege(1, honest, length, endpoint).run();
  REQUIRE(seconds > 0);
  return seconds;
}

// Beside a tenth, a third and a half of this kind all complete, in bounded time. `look` at what
// else must hold.
template <typename Look>
void besiege(EnemyKind kind, const Look& look, const EndpointOptions& endpoint = kWithoutPex,
             double slack = 10) {
  CAPTURE(to_string(kind));
  const double alone = without_enemies(kHonest, kLength, endpoint);
  for (const unsigned share : {10U, 30U, 50U}) {
    CAPTURE(share);
    Siege siege(1, kHonest, kLength, endpoint);
    siege.besiege(std::array{kind}, Enemies::count_for(share, kHonest));
    const double seconds = siege.run();
    MESSAGE(to_string(kind), " ", share, " %: ", seconds, " s; without: ", alone, " s");
    CHECK(seconds > 0);
    // Three times, and some seconds for a swarm that is so short.
    CHECK(seconds <= 3 * alone + slack);
    CHECK(siege.enemies().tally().opened > 0);
    look(siege);
  }
}

void besiege(EnemyKind kind) {
  besiege(kind, [](Siege&) {});
}

}  // namespace

TEST_SUITE("sim/enemies") {
  TEST_CASE("half of all peers mean ill, of all kinds: others take three times as long (12.6)") {
    constexpr std::size_t kMany = 20;
    constexpr std::uint64_t kFile = 1 << 20;
    const double alone = without_enemies(kMany, kFile);
    for (const std::uint64_t seed : {1U, 2U, 3U, 4U}) {
      Siege siege(seed, kMany, kFile, kWithoutPex);
      siege.besiege(*Enemies::kinds_of("mixed"), kMany);
      const double seconds = siege.run();
      MESSAGE("mixed 50 %: ", seconds, " s; without: ", alone, " s\n", siege.enemies().report());
      CHECK(seconds > 0);
      CHECK(seconds <= 3 * alone);
    }
  }

  TEST_CASE("HS.1: channels that say nothing do not take all places (12.6.1 #255)") {
    besiege(EnemyKind::crowd, [](Siege&) {}, {.max_channels = 60, .pex = false});
  }

  TEST_CASE("HAVE.1: who announces and does not serve is hardly asked (12.6.2 #256)") {
    besiege(EnemyKind::announcer, [](Siege& siege) {
      // No more than a few attempts for each of its channels.
      CHECK(siege.enemies().tally().asked < 400 * siege.enemies().tally().opened);
    });
  }
  TEST_CASE("HAVE.1: nor is one that serves a chunk each five seconds (12.6.2 #256)") {
    besiege(EnemyKind::dripper);
  }
  TEST_CASE("HAVE.2: who takes and gives nothing does not get what others lack (12.6.2)") {
    besiege(EnemyKind::freerider);
  }

  TEST_CASE("DATA.1: wrong chunks cost their sender its place, for a while (12.6.3 #257)") {
    besiege(EnemyKind::corrupter, [](Siege& siege) { CHECK(siege.enemies().tally().lies > 0); });
  }
  TEST_CASE("DATA.1: who serves well for a while and then lies is found out (12.6.3 #257)") {
    besiege(EnemyKind::turncoat, [](Siege& siege) { CHECK(siege.enemies().tally().lies > 0); });
  }
  TEST_CASE("DATA.2: chunks that nobody asked for (12.6.3 #257)") {
    besiege(EnemyKind::pusher);
  }

  TEST_CASE("ACK.1: what was not sent is not acknowledged (12.6.4 #85)") {
    besiege(EnemyKind::ack_liar, [](Siege& siege) {
      // It says that it has what it asks for: it gets a few chunks, and not the content.
      CHECK(siege.counters().requests_over_limit > 0);
    });
  }
  TEST_CASE("ACK.2: delays that are made up (12.6.4 #86)") {
    // Whoever serves it yields its uplink to it until it has the content: that is bounded, not
    // cured.
    besiege(
        EnemyKind::delay_liar, [](Siege&) {}, kWithoutPex, 60);
  }

  TEST_CASE("INTEGRITY.1: false hashes, and floods of them (12.6.5 #112)") {
    besiege(EnemyKind::hash_liar);
  }

  TEST_CASE("REQUEST.1, CHOKE.1: everything is asked for all the time (12.6.6 #170, 12.6.8 #164)") {
    besiege(EnemyKind::glutton);
  }
  TEST_CASE("CANCEL.1: what was never asked for is cancelled (12.6.7 #157)") {
    besiege(EnemyKind::canceller);
  }
  TEST_CASE("UNCHOKE.1: without a CHOKE before (12.6.9 #165)") {
    besiege(EnemyKind::unchoker);
  }
  TEST_CASE("UNCHOKE.2: and then nothing (12.6.9 #166)") {
    besiege(EnemyKind::flapper);
  }

  TEST_CASE("PEX: addresses of a victim, of nobody and of enemies (12.2, decision 51)") {
    besiege(EnemyKind::gossip,
            [](Siege& siege) {
              // A few attempts of four datagrams by each who was told.
              CHECK(siege.enemies().victim().datagrams() <= 200 * siege.nodes().size());
            },
            {.pex_on_internet = true});
  }

  TEST_CASE("12.1: a flood of garbage and of handshakes that do not end") {
    besiege(EnemyKind::flooder, [](Siege& siege) { CHECK(siege.counters().unknown_channel > 0); });
  }
  TEST_CASE(
      "12.1, unsolicited: a victim gets at most three times what is sent in its name (#251)") {
    besiege(
        EnemyKind::spoofer,
        [](Siege& siege) {
          CHECK(siege.enemies().tally().spoofed > 0);
          CHECK(siege.enemies().victim().octets() <= 3 * siege.enemies().tally().spoofed);
        },
        kWithoutPex, 25);
  }
  TEST_CASE("12.1: who speaks in others' names ends no channels of theirs (#258)") {
    besiege(EnemyKind::intruder, [](Siege& siege) {
      CHECK(siege.counters().unknown_channel > 0);
      CHECK(siege.counters().peers_dropped == 0);
    });
  }
}

}  // namespace ppspp::sim
