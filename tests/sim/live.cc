#include "sim/live.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <vector>

#include "base/assert.h"
#include "channel/handshake_check.h"
#include "sim/content.h"
#include "sim/cpu_time.h"
#include "sim/enemies.h"
#include "sim/sim_store.h"
#include "sim/tracker.h"
#include "sim/world.h"

namespace ppspp::sim {
namespace {

constexpr SimTime kFeedStep = 20'000;
constexpr SimTime kAskAgain = 60 * kSecond;  // a tracker, for more peers
constexpr double kKept = 0.999;              // of the chunks, for a viewer to count as served

class LiveRun final : public Observer {
 public:
  explicit LiveRun(const LiveOptions& options)
      : options_(options),
        world_(options.seed),
        content_(options.rate * (options.warm_up + options.seconds + 10), options.seed, metadata(),
                 false) {}

  int run();

  void on_send(NodeId from, const TransportAddress& to,
               std::span<const std::byte> datagram) override {
    log_.add(world_.time(), world_.address(from), to, datagram, wire_format(content_.metadata()));
  }
  void on_receive(NodeId, const TransportAddress&, std::span<const std::byte>) override {}
  void on_event(NodeId, const Event&) override {}
  void after_turn(NodeId) override {}

 private:
  struct Viewer {
    SwarmHandle swarm;
    LiveStatus before;  // when measuring began
  };

  static SwarmMetadata metadata() {
    SwarmMetadata metadata;
    metadata.live = true;
    metadata.integrity = IntegrityMethod::unified_merkle;
    return metadata;
  }
  NodeId add_node();
  void publish();
  void feed();
  void join();
  void ask_tracker(NodeId node);
  LiveStatus status(NodeId node) {
    return *world_.endpoint(node).status(viewers_[node].swarm)->live;
  }
  void add_enemies();
  void print(double cpu);

  LiveOptions options_;
  DatagramLog log_;
  World world_;
  Content content_;
  StoreVerdicts verdicts_;
  Tracker tracker_;
  std::unique_ptr<Enemies> enemies_;
  std::vector<Viewer> viewers_;  // by node; the first is the source
  std::uint64_t fed_ = 0;
  SimTime began_ = 0;
};

// Clocks agree, so that delays can be told from one end.
NodeId LiveRun::add_node() {
  NodeOptions node;
  node.up = {.rate = options_.upload};
  node.down = {.rate = options_.upload * 4};
  constexpr std::int64_t kSomeDay = 1'790'000'000'000'000;
  node.clock =
      SimClock(static_cast<std::int64_t>(world_.random().below(1'000'000'000'000)), kSomeDay, 0);
  viewers_.emplace_back();
  return world_.add_node(node);
}

void LiveRun::publish() {
  const NodeId id = add_node();
  auto store = std::make_unique<SimStore>(std::make_shared<SimDisk>(content_, false), verdicts_);
  const auto published = world_.endpoint(id).publish(content_.metadata(), std::move(store),
                                                     content_.signer(), {}, world_.now(id));
  PPSPP_ASSERT(published);
  viewers_[id].swarm = *published;
  tracker_.join(id);
  began_ = world_.time();
  feed();
}

// By the time that has passed, so that nothing is lost by rounding.
void LiveRun::feed() {
  const std::uint64_t due =
      std::min(content_.length(), (world_.time() - began_ + kFeedStep) * options_.rate / kSecond);
  const auto piece = content_.octets().subspan(static_cast<std::size_t>(fed_),
                                               static_cast<std::size_t>(due - fed_));
  fed_ = due;
  PPSPP_ASSERT(world_.endpoint(0).append(viewers_[0].swarm, piece, world_.now(0)));
  world_.kick(0);
  world_.at(world_.time() + kFeedStep, [this] { feed(); });
}

void LiveRun::join() {
  for (std::size_t i = 0; i < options_.peers; ++i) {
    const NodeId id = add_node();
    auto store = std::make_unique<SimStore>(std::make_shared<SimDisk>(content_, false), verdicts_);
    JoinSettings settings;
    settings.live.buffer = std::chrono::milliseconds(options_.buffer_ms);
    const auto joined = world_.endpoint(id).join(content_.metadata(), std::move(store), {},
                                                 settings, world_.now(id));
    PPSPP_ASSERT(joined);
    viewers_[id].swarm = *joined;
    tracker_.join(id);
  }
  if (options_.malicious != 0) add_enemies();
  for (NodeId id = 1; id < viewers_.size(); ++id) ask_tracker(id);
}

void LiveRun::add_enemies() {
  const auto kinds = Enemies::kinds_of(options_.kind);
  PPSPP_ASSERT(kinds);
  enemies_ = std::make_unique<Enemies>(world_, content_);
  enemies_->set_honest(tracker_.members());
  const NodeOptions links{.up = {.rate = options_.upload}, .down = {.rate = options_.upload * 4}};
  enemies_->add(*kinds, Enemies::count_for(options_.malicious, options_.peers), links);
  for (const auto& enemy : enemies_->all()) tracker_.join(enemy->node());
  enemies_->start();
}

void LiveRun::ask_tracker(NodeId id) {
  Endpoint& endpoint = world_.endpoint(id);
  if (endpoint.status(viewers_[id].swarm)->channels < options_.neighbours / 2) {
    for (const NodeId other : tracker_.sample(id, options_.neighbours, world_.random())) {
      endpoint.add_peer(viewers_[id].swarm, world_.address(other), world_.now(id),
                        PeerSource::tracker);
    }
    world_.kick(id);
  }
  world_.at(world_.time() + kAskAgain, [this, id] { ask_tracker(id); });
}

int LiveRun::run() {
  if (!log_.open(options_.trace)) return 2;
  if (log_.wanted()) world_.set_observer(this);
  const double begin = cpu_seconds();
  publish();
  world_.run_until(world_.time() + 3 * kSecond);
  join();
  world_.run_until(world_.time() + options_.warm_up * kSecond);
  for (NodeId id = 1; id < viewers_.size(); ++id) viewers_[id].before = status(id);
  world_.run_until(world_.time() + options_.seconds * kSecond);
  print(cpu_seconds() - begin);
  if (verdicts_.all_well()) return 0;
  fmt::print(stderr, "WRONG CONTENT was stored\n");
  return 1;
}

double of(std::vector<double>& values, double share) {
  if (values.empty()) return 0;
  std::ranges::sort(values);
  return values[static_cast<std::size_t>(share * static_cast<double>(values.size() - 1))];
}

void LiveRun::print(double cpu) {
  std::size_t served = 0;
  std::vector<double> kept;
  std::vector<double> medians;
  std::vector<double> p99s;
  std::uint64_t uploaded = 0;
  std::uint64_t downloaded = 0;
  std::uint64_t sent = 0;
  for (NodeId id = 0; id < viewers_.size(); ++id) {
    const auto swarm = world_.endpoint(id).status(viewers_[id].swarm);
    uploaded += swarm->uploaded_bytes;
    downloaded += swarm->downloaded_bytes;
    sent += world_.traffic(id).sent;
    if (id == 0) continue;
    const LiveStatus& now = *swarm->live;
    const LiveStatus& before = viewers_[id].before;
    const auto played = static_cast<double>(now.position - before.position);
    const double share =
        !before.tuned_in || played <= 0
            ? 0
            : 1 - static_cast<double>(now.chunks_skipped - before.chunks_skipped) / played;
    kept.push_back(share);
    if (share >= kKept) ++served;
    medians.push_back(static_cast<double>(now.latency.median.count()) / 1e3);
    p99s.push_back(static_cast<double>(now.latency.p99.count()) / 1e3);
  }
  const auto peers = static_cast<double>(options_.peers);
  const double seconds = static_cast<double>(world_.time()) / kSecond - 1;
  const double links = seconds * static_cast<double>(options_.upload) * (peers + 1);
  const auto source = world_.endpoint(0).status(viewers_[0].swarm)->uploaded_bytes;
  fmt::print(
      "peers={} seed={} rate={} upload={} rate_share={:.3f} neighbours={} served={:.4f} "
      "kept_median={:.5f} kept_worst={:.5f} delay_median_ms={:.0f} delay_p99_ms={:.0f} "
      "source_share={:.4f} upload_use={:.3f} link_use={:.3f} events={} cpu_s={:.1f} "
      "events_per_s={:.0f}\n",
      options_.peers, options_.seed, options_.rate, options_.upload,
      static_cast<double>(options_.rate) / static_cast<double>(options_.upload),
      options_.neighbours, static_cast<double>(served) / peers, of(kept, 0.5), of(kept, 0),
      of(medians, 0.5), of(p99s, 0.99),
      static_cast<double>(source) / static_cast<double>(std::max<std::uint64_t>(1, downloaded)),
      static_cast<double>(uploaded) / links, static_cast<double>(sent) / links, world_.events(),
      cpu, static_cast<double>(world_.events()) / cpu);
}

}  // namespace

int run_live(const LiveOptions& options) {
  if (const auto kinds = Enemies::kinds_of(options.kind); !kinds) {
    fmt::print(stderr, "{}\n", kinds.error().context);
    return 2;
  }
  return LiveRun(options).run();
}

}  // namespace ppspp::sim
