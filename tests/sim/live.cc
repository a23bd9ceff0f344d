#include "sim/live.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "base/overloaded.h"
#include "channel/handshake_check.h"
#include "sim/content.h"
#include "sim/cpu_time.h"
#include "sim/enemies.h"
#include "sim/sim_store.h"
#include "sim/tracker.h"
#include "sim/world.h"
#include "wire/datagram.h"

namespace ppspp::sim {
namespace {

constexpr SimTime kFeedStep = 20'000;
constexpr SimTime kAskAgain = 60 * kSecond;  // a tracker, for more peers
constexpr double kKept = 0.999;              // of the chunks, for a viewer to count as served

constexpr std::size_t kHeaders = 28 + 4;  // of IP and UDP, and the channel's ID

// Where the octets of the uplinks go.
class Account {
 public:
  Account(const World& world, const WireFormat& format, bool octets)
      : world_(world), format_(format), octets_(octets) {}

  void on_send(NodeId from, std::span<const std::byte> datagram);
  void on_event(NodeId node, const Event& event);
  void clear();
  void print(double seconds, std::size_t viewers) const;
  // Since the source signed a chunk; the first viewer's; ms.
  double delay(double share) const { return of(delays_, share); }
  double first_delay(double share) const { return of(first_delays_, share); }

 private:
  using Histogram = std::vector<std::uint64_t>;  // by ms
  static double of(const Histogram& histogram, double share);
  static void add(Histogram& histogram, SimTime delay);

  enum Kind : std::uint8_t {
    content,
    data_heads,
    hashes,
    munros,
    have,
    ack,
    request,
    other,
    kKinds
  };
  static constexpr const char* kNames[] = {"content", "data_heads", "hashes",  "munros",
                                           "have",    "ack",        "request", "other"};
  struct Sums {
    std::uint64_t datagrams = 0;
    std::uint64_t with_data = 0;
    std::uint64_t octets[kKinds] = {};
  };
  static void print(const char* who, const Sums& sums, double per);

  const World& world_;
  WireFormat format_;
  bool octets_;
  struct Fresh {
    SimTime at = 0;
    bool seen = false;  // a viewer has it
  };
  std::vector<Fresh> chunks_;
  ChunkIndex measured_from_ = 0;
  Histogram delays_;
  Histogram first_delays_;
  Sums source_;
  Sums viewers_;
};

double Account::of(const Histogram& histogram, double share) {
  std::uint64_t all = 0;
  for (const std::uint64_t count : histogram) all += count;
  std::uint64_t below = 0;
  for (std::size_t ms = 0; ms < histogram.size(); ++ms) {
    below += histogram[ms];
    if (static_cast<double>(below) > share * static_cast<double>(all)) {
      return static_cast<double>(ms);
    }
  }
  return 0;
}

void Account::add(Histogram& histogram, SimTime delay) {
  const auto ms = static_cast<std::size_t>(std::min<SimTime>(delay / 1'000, 60'000));
  if (histogram.size() <= ms) histogram.resize(ms + 1);
  ++histogram[ms];
}

void Account::clear() {
  source_ = viewers_ = {};
  delays_.clear();
  first_delays_.clear();
  measured_from_ = chunks_.size();
}

void Account::on_event(NodeId node, const Event& event) {
  const auto* verified = std::get_if<event::ChunksVerified>(&event.what);
  if (verified == nullptr) return;
  for (ChunkIndex chunk = verified->chunks.begin; chunk < verified->chunks.end; ++chunk) {
    if (node == 0) {
      if (chunks_.size() <= chunk) chunks_.resize(chunk + 1);
      chunks_[chunk].at = world_.time();
    } else if (chunk >= measured_from_ && chunk < chunks_.size()) {
      const SimTime delay = world_.time() - chunks_[chunk].at;
      add(delays_, delay);
      if (!std::exchange(chunks_[chunk].seen, true)) add(first_delays_, delay);
    }
  }
}

void Account::on_send(NodeId from, std::span<const std::byte> datagram) {
  if (!octets_) return;
  Sums& sums = from == 0 ? source_ : viewers_;
  ++sums.datagrams;
  DatagramReader reader(datagram, format_);
  bool data = false;
  for (;;) {
    const std::size_t before = reader.remaining();
    const auto message = reader.next();
    if (!message) break;
    std::size_t size = before - reader.remaining();
    const Kind kind = std::visit(
        overloaded{[&](const Data& m) {
                     data = true;
                     sums.octets[content] += m.payload.size();
                     size -= m.payload.size();
                     return data_heads;
                   },
                   [](const Integrity& m) { return m.chunks.size() > 2 ? munros : hashes; },
                   [](const SignedIntegrity&) { return munros; }, [](const Have&) { return have; },
                   [](const Ack&) { return ack; }, [](const Request&) { return request; },
                   [](const auto&) { return other; }},
        *message);
    sums.octets[kind] += size;
  }
  if (data) ++sums.with_data;
}

void Account::print(const char* who, const Sums& sums, double per) {
  fmt::print("{}: datagrams={:.0f}/s with_data={:.0f}/s headers={:.0f}", who,
             static_cast<double>(sums.datagrams) / per, static_cast<double>(sums.with_data) / per,
             static_cast<double>(sums.datagrams * kHeaders) / per);
  for (std::size_t kind = 0; kind < kKinds; ++kind) {
    fmt::print(" {}={:.0f}", kNames[kind], static_cast<double>(sums.octets[kind]) / per);
  }
  fmt::print(" octets/s\n");
}

void Account::print(double seconds, std::size_t viewers) const {
  print("source", source_, seconds);
  print("viewer", viewers_, seconds * static_cast<double>(viewers));
}

class LiveRun final : public Observer {
 public:
  explicit LiveRun(const LiveOptions& options)
      : options_(options),
        world_(options.seed),
        content_(options.rate * (options.warm_up + options.seconds + 10), options.seed, metadata(),
                 false),
        account_(world_, wire_format(content_.metadata()), options.account) {
    world_.set_observer(this);
  }

  void on_send(NodeId from, const TransportAddress& to,
               std::span<const std::byte> datagram) override {
    if (log_.wanted()) {
      log_.add(world_.time(), world_.address(from), to, datagram, wire_format(content_.metadata()));
    }
    account_.on_send(from, datagram);
  }
  void on_receive(NodeId, const TransportAddress&, std::span<const std::byte>) override {}
  void on_event(NodeId node, const Event& event) override { account_.on_event(node, event); }
  void after_turn(NodeId) override {}

  int run();
  const LiveResult& result() const { return result_; }

 private:
  struct Viewer {
    SwarmHandle swarm;
    LiveStatus before;  // when measuring began
    SwarmStatus swarm_before;
    std::uint64_t sent_before = 0;
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
  Account account_;
  std::unique_ptr<Enemies> enemies_;
  std::vector<Viewer> viewers_;  // by node; the first is the source
  std::uint64_t fed_ = 0;
  SimTime began_ = 0;
  LiveResult result_;
};

// Clocks agree, so that delays can be told from one end.
NodeId LiveRun::add_node() {
  NodeOptions node;
  node.up = {.rate = options_.upload};
  node.down = {.rate = options_.upload * 4};
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
  const double begin = cpu_seconds();
  publish();
  world_.run_until(world_.time() + 3 * kSecond);
  join();
  world_.run_until(world_.time() + options_.warm_up * kSecond);
  for (NodeId id = 0; id < viewers_.size(); ++id) {
    viewers_[id].before = status(id);
    viewers_[id].swarm_before = *world_.endpoint(id).status(viewers_[id].swarm);
    viewers_[id].sent_before = world_.traffic(id).sent;
  }
  account_.clear();
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
  std::uint64_t uploaded = 0;
  std::uint64_t downloaded = 0;
  std::uint64_t sent = 0;
  std::uint64_t resent = 0;
  std::uint64_t duplicate = 0;
  std::uint64_t unproved = 0;
  std::uint64_t late = 0;
  std::uint64_t dropped = 0;
  std::uint64_t channels = 0;
  for (NodeId id = 0; id < viewers_.size(); ++id) {
    const auto swarm = world_.endpoint(id).status(viewers_[id].swarm);
    const SwarmStatus& first = viewers_[id].swarm_before;
    uploaded += swarm->uploaded_bytes - first.uploaded_bytes;
    downloaded += swarm->downloaded_bytes - first.downloaded_bytes;
    resent += swarm->chunks_retransmitted - first.chunks_retransmitted;
    duplicate += swarm->chunks_duplicate - first.chunks_duplicate;
    unproved += swarm->chunks_unverifiable - first.chunks_unverifiable;
    late += swarm->live->chunks_late - viewers_[id].before.chunks_late;
    channels += swarm->channels;
    dropped += world_.traffic(id).dropped_up + world_.traffic(id).dropped_down;
    sent += world_.traffic(id).sent - viewers_[id].sent_before;
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
  }
  const auto peers = static_cast<double>(options_.peers);
  result_ = {static_cast<double>(served) / peers, of(kept, 0.5)};
  const double seconds = options_.seconds;
  const double links = seconds * static_cast<double>(options_.upload) * (peers + 1);
  const auto source = world_.endpoint(0).status(viewers_[0].swarm)->uploaded_bytes -
                      viewers_[0].swarm_before.uploaded_bytes;
  const double chunks = static_cast<double>(downloaded / kDefaultChunkSize + 1);
  fmt::print(
      "peers={} seed={} rate={} upload={} rate_share={:.3f} neighbours={} served={:.4f} "
      "kept_median={:.5f} kept_worst={:.5f} "
      "delay_ms={:.0f}/{:.0f}/{:.0f}/{:.0f} first_ms={:.0f}/{:.0f} "
      "source_share={:.4f} upload_use={:.3f} link_use={:.3f} resent={:.4f} duplicate={:.4f} "
      "unproved={:.4f} late={:.4f} dropped={} channels={:.1f} events={} cpu_s={:.1f} "
      "events_per_s={:.0f}\n",
      options_.peers, options_.seed, options_.rate, options_.upload,
      static_cast<double>(options_.rate) / static_cast<double>(options_.upload),
      options_.neighbours, static_cast<double>(served) / peers, of(kept, 0.5), of(kept, 0),
      account_.delay(0), account_.delay(0.5), account_.delay(0.9), account_.delay(0.99),
      account_.first_delay(0.5), account_.first_delay(0.99),
      static_cast<double>(source) / static_cast<double>(std::max<std::uint64_t>(1, downloaded)),
      static_cast<double>(uploaded) / links, static_cast<double>(sent) / links,
      static_cast<double>(resent) / chunks, static_cast<double>(duplicate) / chunks,
      static_cast<double>(unproved) / chunks, static_cast<double>(late) / chunks, dropped,
      static_cast<double>(channels) / (peers + 1), world_.events(), cpu,
      static_cast<double>(world_.events()) / cpu);
  if (!options_.account) return;
  account_.print(seconds, options_.peers);
  const auto own = world_.endpoint(0).status(viewers_[0].swarm);
  fmt::print(
      "source: resent={:.1f}/s pushed={:.1f}/s\n",
      static_cast<double>(own->chunks_retransmitted -
                          viewers_[0].swarm_before.chunks_retransmitted) /
          seconds,
      static_cast<double>(own->live->chunks_pushed - viewers_[0].before.chunks_pushed) / seconds);
}

}  // namespace

int run_live(const LiveOptions& options, LiveResult* result) {
  if (const auto kinds = Enemies::kinds_of(options.kind); !kinds) {
    fmt::print(stderr, "{}\n", kinds.error().context);
    return 2;
  }
  LiveRun run(options);
  const int code = run.run();
  if (result != nullptr) *result = run.result();
  return code;
}

}  // namespace ppspp::sim
