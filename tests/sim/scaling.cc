#include "sim/scaling.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <memory>
#include <unordered_map>
#include <vector>

#include "base/assert.h"
#include "channel/handshake_check.h"
#include "sim/content.h"
#include "sim/cpu_time.h"
#include "sim/enemies.h"
#include "sim/sim_store.h"
#include "sim/tracker.h"
#include "sim/uplink_use.h"
#include "sim/world.h"

namespace ppspp::sim {
namespace {

constexpr SimTime kProgressEvery = 5 * kSecond;
constexpr SimTime kAskAgain = 60 * kSecond;  // a tracker, for more peers
constexpr double kQuietFor = 20;             // seconds of CPU time without a line

class Scaling final : public Observer {
 public:
  explicit Scaling(const ScalingOptions& options)
      : options_(options),
        world_(options.seed),
        content_(options.size, options.seed, metadata(options), true),
        use_(wire_format(content_.metadata())) {
    world_.set_observer(this);
  }

  // `without`: seconds that it took without enemies; 0: there are none.
  ScalingFigures run(double without);

  void on_send(NodeId from, const TransportAddress& to,
               std::span<const std::byte> datagram) override {
    if (log_.wanted()) {
      log_.add(world_.time(), world_.address(from), to, datagram, wire_format(content_.metadata()));
    }
    if (!options_.verbose) return;
    if (const auto node = world_.find(to)) use_.add(from, *node, datagram);
  }
  void on_receive(NodeId, const TransportAddress&, std::span<const std::byte>) override {}
  void after_turn(NodeId) override {}
  void on_event(NodeId node, const Event& event) override {
    if (std::holds_alternative<event::Complete>(event.what)) complete(node);
  }

 private:
  struct Peer {
    SwarmHandle swarm;
    SimTime joined = 0;
    SimTime completed = 0;
    bool original = false;  // there from the start
  };
  struct Sums {
    std::uint64_t downloaded = 0;
    std::uint64_t uploaded = 0;
    std::uint64_t resent = 0;
    std::uint64_t duplicate = 0;
    std::uint64_t sent = 0;  // octets of datagrams, through uplinks
    std::uint64_t dropped = 0;
    std::uint64_t channels = 0;
  };

  static SwarmMetadata metadata(const ScalingOptions& options) {
    SwarmMetadata metadata;
    metadata.chunk_size = options.chunk_size;
    return metadata;
  }
  NodeOptions node_options() {
    NodeOptions node;
    node.up = {.rate = options_.upload};
    node.down = {.rate = options_.upload * 4};
    node.endpoint.pex = node.endpoint.pex_on_internet = options_.malicious != 0;
    const auto some_day = static_cast<std::int64_t>(1'790'000'000'000'000);
    node.clock = SimClock(static_cast<std::int64_t>(world_.random().below(1'000'000'000'000)),
                          some_day + static_cast<std::int64_t>(world_.random().below(2'000'000)),
                          static_cast<std::int32_t>(world_.random().below(101)) - 50);
    return node;
  }
  NodeId add_peer(bool seeder);
  void ask_tracker(NodeId node);
  void complete(NodeId node);
  void churn();
  void leave(NodeId node);
  void count(NodeId node);
  void watch();
  void tell();
  double bound_seconds() const {  // of the seeder's uplink
    return static_cast<double>(options_.size) / static_cast<double>(options_.upload);
  }
  ScalingFigures work_out() const;
  void add_enemies();
  bool is_peer(NodeId node) const { return !world_.is_speaker(node); }
  void print(const ScalingFigures& figures, double cpu, double without) const;

  ScalingOptions options_;
  DatagramLog log_;
  World world_;
  Content content_;
  StoreVerdicts verdicts_;
  Tracker tracker_;
  std::unique_ptr<Enemies> enemies_;
  std::vector<Peer> peers_;  // by node
  std::size_t waiting_ = 0;  // original leechers that are here and not complete
  Sums gone_;                // of those that left
  UplinkUse use_;
  std::uint64_t seeder_sent_ = 0;
  std::vector<double> times_;  // seconds, of the original ones
  std::vector<double> later_;  // of those that replaced others
  SimTime told_at_ = kSecond;  // a line of progress
  double told_cpu_ = 0;        // the same, in CPU time
};

NodeId Scaling::add_peer(bool seeder) {
  const NodeId id = world_.add_node(node_options());
  auto store = std::make_unique<SimStore>(std::make_shared<SimDisk>(content_, seeder), verdicts_);
  SwarmContent content;
  if (seeder) content = {.state = SwarmContent::State::complete, .length = content_.length()};
  const auto joined =
      world_.endpoint(id).join(content_.metadata(), std::move(store), content, {}, world_.now(id));
  PPSPP_ASSERT(joined);
  peers_.resize(world_.node_count());
  peers_[id] = {.swarm = *joined, .joined = world_.time()};
  tracker_.join(id);
  return id;
}

// They join with the others, and the tracker names them as it names all.
void Scaling::add_enemies() {
  const auto kinds = Enemies::kinds_of(options_.kind);
  PPSPP_ASSERT(kinds);
  enemies_ = std::make_unique<Enemies>(world_, content_);
  enemies_->set_honest(tracker_.members());
  enemies_->add(*kinds, Enemies::count_for(options_.malicious, options_.peers), node_options());
  for (const auto& enemy : enemies_->all()) tracker_.join(enemy->node());
  enemies_->start();
}

// Once at the start, and each minute as long as few peers are known.
void Scaling::ask_tracker(NodeId id) {
  if (!world_.exists(id)) return;
  Endpoint& endpoint = world_.endpoint(id);
  const auto status = endpoint.status(peers_[id].swarm);
  if (status->complete) return;
  if (status->channels < options_.neighbours / 2) {
    for (const NodeId other : tracker_.sample(id, options_.neighbours, world_.random())) {
      endpoint.add_peer(peers_[id].swarm, world_.address(other), world_.now(id),
                        PeerSource::tracker);
    }
    world_.kick(id);
  }
  world_.at(world_.time() + kAskAgain, [this, id] { ask_tracker(id); });
}

void Scaling::complete(NodeId id) {
  Peer& peer = peers_[id];
  peer.completed = world_.time();
  const double seconds = static_cast<double>(peer.completed - peer.joined) / kSecond;
  (peer.original ? times_ : later_).push_back(seconds);
  if (peer.original && --waiting_ == 0) world_.stop();
}

// Leechers go without a word, at random times, and others come in their place.
void Scaling::churn() {
  const std::uint64_t per_minute =
      std::max<std::uint64_t>(1, options_.peers * options_.churn / 100);
  const SimTime pause = 60 * kSecond / per_minute;
  world_.at(world_.time() + pause / 2 + world_.random().below(pause + 1), [this] {
    const auto& members = tracker_.members();
    const NodeId node =
        members[1 + static_cast<std::size_t>(world_.random().below(members.size() - 1))];
    if (is_peer(node)) {
      leave(node);
      ask_tracker(add_peer(false));
    }
    churn();
  });
}

void Scaling::leave(NodeId id) {
  count(id);
  const Peer& peer = peers_[id];
  if (peer.original && peer.completed == 0 && --waiting_ == 0) world_.stop();
  tracker_.leave(id);
  world_.remove_node(id);
}

void Scaling::count(NodeId id) {
  const auto status = world_.endpoint(id).status(peers_[id].swarm);
  gone_.downloaded += status->downloaded_bytes;
  gone_.uploaded += status->uploaded_bytes;
  gone_.resent += status->chunks_retransmitted;
  gone_.duplicate += status->chunks_duplicate;
  gone_.channels += status->channels;
  gone_.sent += world_.traffic(id).sent;
  gone_.dropped += world_.traffic(id).dropped_up + world_.traffic(id).dropped_down;
}

// Where it takes long, a line now and then says how far it is.
void Scaling::watch() {
  world_.at(world_.time() + kSecond / 10, [this] { watch(); });
  const bool asked = options_.verbose && world_.time() >= told_at_ + kProgressEvery;
  const double cpu = cpu_seconds();
  if (!asked && cpu < told_cpu_ + kQuietFor) return;
  told_cpu_ = cpu;
  tell();
}

void Scaling::tell() {
  std::uint64_t verified = 0;
  std::uint64_t channels = 0;
  for (const NodeId id : tracker_.members()) {
    if (!is_peer(id)) continue;
    const auto status = world_.endpoint(id).status(peers_[id].swarm);
    verified += id == 0 ? 0 : status->verified_bytes;
    channels += status->channels;
  }
  const auto members = static_cast<double>(tracker_.members().size());
  fmt::print(
      stderr,
      "{:6} s: {:5.1f} % there, {} of {} complete, {:.1f} channels each, {} events in {:.0f} s\n",
      world_.time() / kSecond - 1,
      100.0 * static_cast<double>(verified) /
          static_cast<double>(content_.length() * options_.peers),
      times_.size(), options_.peers, static_cast<double>(channels) / members, world_.events(),
      cpu_seconds());
  const double seconds = static_cast<double>(world_.time() - told_at_) / kSecond;
  told_at_ = world_.time();
  if (options_.verbose && seconds > 0) {
    fmt::print(stderr, "          {:.1f} % have left the seeder\n          {}\n",
               100.0 * static_cast<double>(use_.chunks_out()) /
                   static_cast<double>(options_.size / options_.chunk_size),
               use_.line(options_.peers, options_.upload, seconds));
  }
}

ScalingFigures Scaling::run(double without) {
  if (!log_.open(options_.trace)) return {.exit_code = 2};
  const double begin = cpu_seconds();
  add_peer(true);
  for (std::size_t i = 0; i < options_.peers; ++i) peers_[add_peer(false)].original = true;
  waiting_ = options_.peers;
  if (without != 0) add_enemies();
  for (NodeId id = 1; id <= options_.peers; ++id) ask_tracker(id);
  if (options_.churn != 0) churn();
  watch();
  world_.run_until(options_.limit * kSecond);
  seeder_sent_ = world_.endpoint(0).status(peers_[0].swarm)->uploaded_bytes;
  for (const NodeId id : tracker_.members()) {
    if (is_peer(id)) count(id);
  }
  ScalingFigures figures = work_out();
  print(figures, cpu_seconds() - begin, without);
  if (!verdicts_.all_well()) fmt::print(stderr, "WRONG CONTENT was stored\n");
  return figures;
}

double quantile(std::vector<double> values, double share) {
  if (values.empty()) return 0;
  std::ranges::sort(values);
  return values[static_cast<std::size_t>(share * static_cast<double>(values.size() - 1))];
}

ScalingFigures Scaling::work_out() const {
  ScalingFigures figures;
  if (waiting_ != 0) figures.exit_code = 3;
  if (!verdicts_.all_well()) figures.exit_code = 1;
  if (waiting_ == 0) figures.all_seconds = quantile(times_, 1);
  if (waiting_ == 0) figures.ratio = quantile(times_, 1) / bound_seconds();
  figures.median_ratio = quantile(times_, 0.5) / bound_seconds();
  figures.seeder_share = static_cast<double>(seeder_sent_) /
                         static_cast<double>(std::max<std::uint64_t>(1, gone_.downloaded));
  return figures;
}

void Scaling::print(const ScalingFigures& figures, double cpu, double without) const {
  const double elapsed = static_cast<double>(world_.time()) / kSecond - 1;
  const auto chunks = static_cast<double>(gone_.downloaded / options_.chunk_size + 1);
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  fmt::print(
      "peers={} seed={} size={} upload={} neighbours={} churn={} complete={} all_s={:.2f} "
      "median_s={:.2f} p99_s={:.2f} bound_s={:.2f} ratio={:.3f} median_ratio={:.3f} "
      "seeder_share={:.4f} "
      "upload_use={:.3f} link_use={:.3f} resent={:.4f} duplicate={:.4f} dropped={} channels={:.1f}",
      options_.peers, options_.seed, options_.size, options_.upload, options_.neighbours,
      options_.churn, times_.size(), figures.ratio * bound_seconds(), quantile(times_, 0.5),
      quantile(times_, 0.99), bound_seconds(), figures.ratio, figures.median_ratio,
      figures.seeder_share,
      static_cast<double>(gone_.uploaded) /
          (elapsed * static_cast<double>(options_.upload * (options_.peers + 1))),
      static_cast<double>(gone_.sent) /
          (elapsed * static_cast<double>(options_.upload * (options_.peers + 1))),
      static_cast<double>(gone_.resent) / chunks, static_cast<double>(gone_.duplicate) / chunks,
      gone_.dropped, static_cast<double>(gone_.channels) / static_cast<double>(options_.peers + 1));
  if (!later_.empty()) {
    fmt::print(" later={} later_median_s={:.2f}", later_.size(), quantile(later_, 0.5));
  }
  if (enemies_ != nullptr) {
    const EnemyTally tally = enemies_->tally();
    fmt::print(
        " malicious={} kind={} without_s={:.2f} slowdown={:.3f} taken_by_enemies={:.3f} "
        "victim_octets={}",
        enemies_->all().size(), options_.kind, without, figures.all_seconds / without,
        static_cast<double>(tally.taken) / static_cast<double>(gone_.downloaded + 1),
        enemies_->victim().octets());
    if (options_.verbose) fmt::print(stderr, "{}", enemies_->report());
  }
  fmt::print(" events={} datagrams={} cpu_s={:.1f} events_per_s={:.0f} memory_per_node_kib={}\n",
             world_.events(), world_.datagrams(), cpu, static_cast<double>(world_.events()) / cpu,
             static_cast<std::size_t>(usage.ru_maxrss) / (options_.peers + 1));
}

}  // namespace

ScalingFigures run_scaling(const ScalingOptions& options) {
  if (options.malicious == 0) return Scaling(options).run(0);
  if (const auto kinds = Enemies::kinds_of(options.kind); !kinds) {
    fmt::print(stderr, "{}\n", kinds.error().context);
    return {.exit_code = 2};
  }
  ScalingOptions without = options;
  without.trace = {};
  const ScalingFigures alone = Scaling(without).run(0);
  return alone.exit_code != 0 ? alone : Scaling(options).run(alone.all_seconds);
}

}  // namespace ppspp::sim
