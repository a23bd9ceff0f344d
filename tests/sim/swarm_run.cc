#include "sim/swarm_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "sim/authority.h"

namespace ppspp::sim {
namespace {

constexpr std::uint64_t kCheckEvery = 61;        // turns, of the invariants
constexpr std::uint64_t kCheckFeedsEvery = 997;  // whose trees are slow to check
// A turn that nothing caused should be rare: a node that is woken so often in a second is spinning.
constexpr std::uint64_t kMostTurns = 200'000;
constexpr SimTime kFeedStep = 20'000;
// What is waited for in chunks that nobody has proved yet may be all of a (small) content besides.
constexpr std::int64_t kMemoryFloor = 32 << 10;
constexpr std::int64_t kMemoryPerChannel = 1 << 20;

}  // namespace

SwarmRun::SwarmRun(const RunOptions& options)
    : options_(options),
      world_(options.seed, options.path),
      checker_(world_, contents_,
               [this](NodeId node, std::size_t swarm) { return disk(node, swarm); }),
      fed_(options.swarms.size()) {
  std::uint64_t number = options.seed;
  for (const SwarmSpec& spec : options.swarms) {
    SwarmMetadata metadata = spec.metadata;
    if (spec.certified != 0) metadata.authority = authority_key();
    contents_.push_back(
        std::make_unique<Content>(spec.length, number++, std::move(metadata), spec.tell_length));
  }
  checker_.set_lenient(options.path.corruption != 0 || options.enemies != 0);
  checker_.set_pex(options.pex, options.pex_on_internet);
  world_.set_observer(this);
}

void SwarmRun::fail(int code, const std::string& text) {
  if (failure_.code != 0) return;
  failure_ = {code,
              fmt::format("at {:.6f} s: {}", static_cast<double>(world_.time()) / kSecond, text)};
  world_.stop();
}

const SimDisk* SwarmRun::disk(NodeId node, std::size_t swarm) const {
  for (const Membership& membership : nodes_[node].memberships) {
    if (membership.swarm == swarm) return membership.disk.get();
  }
  return nullptr;
}

NodeOptions SwarmRun::draw_node(bool is_public) {
  Rng& random = world_.random();
  NodeOptions node;
  node.endpoint.max_datagram_size = options_.max_datagram_size;
  node.endpoint.pex = options_.pex;
  node.endpoint.pex_on_internet = options_.pex_on_internet;
  const auto rate = [&]() -> std::uint64_t {
    if (options_.rate_min == 0) return 0;
    return options_.rate_min + random.below(options_.rate_max - options_.rate_min + 1);
  };
  node.up = {.rate = rate(), .queue = options_.queue};
  node.down = {.rate = rate(), .queue = options_.queue};
  const auto drift = static_cast<std::uint64_t>(options_.drift_ppm);
  node.clock = SimClock(
      static_cast<std::int64_t>(random.below(1'000'000'000'000)),
      kSomeDay + static_cast<std::int64_t>(random.below(2'000'000)),
      static_cast<std::int32_t>(random.below(2 * drift + 1)) - static_cast<std::int32_t>(drift));
  constexpr NatKind kKinds[] = {NatKind::full_cone, NatKind::address_restricted,
                                NatKind::port_restricted, NatKind::symmetric};
  if (!is_public && random.below(100) < options_.nat_percent) {
    node.nat = {.kind = kKinds[random.below(4)], .timeout = (30 + random.below(120)) * kSecond};
  }
  if (options_.lan_percent != 0 && random.below(100) < options_.lan_percent) {
    node.lan = static_cast<std::uint8_t>(1 + random.below(2));
  }
  return node;
}

// Node 0 has everything; the others some of it.
void SwarmRun::build() {
  Rng& random = world_.random();
  for (std::size_t i = 0; i < options_.nodes; ++i) {
    const NodeId id = world_.add_node(draw_node(i == 0));
    Node& node = nodes_.emplace_back();
    for (std::size_t swarm = 0; swarm < contents_.size(); ++swarm) {
      const bool first = swarm == i % contents_.size();
      if (i != 0 && !first && random.below(100) < 40) continue;
      const SwarmSpec& spec = options_.swarms[swarm];
      Membership membership;
      membership.swarm = swarm;
      membership.source = i == 0 || (!spec.metadata.live && i < spec.seeders);
      membership.policy = random.below(2) == 0 ? PickPolicy::rarest_first : PickPolicy::in_order;
      membership.disk =
          std::make_shared<SimDisk>(*contents_[swarm], membership.source && !spec.metadata.live);
      node.memberships.push_back(std::move(membership));
    }
    tracker_.join(id);
  }
  if (options_.enemies != 0) add_enemies();
  for (NodeId id = 0; id < nodes_.size(); ++id) {
    for (Membership& membership : nodes_[id].memberships) join(id, membership);
  }
  for (std::size_t swarm = 0; swarm < contents_.size(); ++swarm) {
    if (options_.swarms[swarm].rate != 0) run_feed(swarm);
  }
  for (NodeId id = 0; id < nodes_.size(); ++id) {
    world_.at(world_.time() + random.below(2 * kSecond), [this, id] { keep_asking(id); });
  }
}

void SwarmRun::add_enemies() {
  enemies_ = std::make_unique<Enemies>(world_, *contents_[0]);
  enemies_->add(*Enemies::kinds_of(options_.enemy_kinds), options_.enemies, draw_node(true));
  std::vector<NodeId> honest;
  for (NodeId id = 0; id < nodes_.size(); ++id) {
    if (disk(id, 0) != nullptr && world_.is_public(id)) honest.push_back(id);
  }
  enemies_->set_honest(honest);
  enemies_->start();
}

// From what is on its disk.
void SwarmRun::join(NodeId id, Membership& membership) {
  const Content& content = *contents_[membership.swarm];
  auto store = std::make_unique<SimStore>(membership.disk, verdicts_);
  store->set_slow(options_.slow_reads);
  membership.store = store.get();
  Endpoint& endpoint = world_.endpoint(id);
  Result<SwarmHandle> joined;
  if (content.metadata().live && membership.source) {
    LiveSourceSettings settings;
    settings.first_chunk = fed_[membership.swarm] / content.metadata().chunk_size;
    settings.chunks_per_signature = membership.signed_at_once;
    joined = endpoint.publish(content.metadata(), std::move(store), content.signer(), settings,
                              world_.now(id));
  } else {
    JoinSettings settings;
    settings.policy = membership.policy;
    settings.allow_unprotected = content.metadata().integrity == IntegrityMethod::none;
    SwarmContent known;
    if (!content.metadata().live) {
      known.verified = membership.disk->check();
      known.length = known.verified.empty() ? 0 : content.length();
      known.state = known.verified.empty()        ? SwarmContent::State::unknown
                    : membership.disk->complete() ? SwarmContent::State::complete
                                                  : SwarmContent::State::partial;
    }
    joined = endpoint.join(content.metadata(), std::move(store), known, settings, world_.now(id));
  }
  if (!joined) return fail(kWrongResult, "a swarm could not be joined: " + joined.error().context);
  membership.handle = *joined;
  membership.certified_until = 0;
  certify_member(id, membership);
  world_.kick(id);
}

// The tracker has asked it whether it is there (12.2.2): who is behind a NAT does not answer. It
// certifies again when half of the time is over.
void SwarmRun::certify_member(NodeId id, Membership& membership) {
  const std::uint64_t valid = options_.swarms[membership.swarm].certified;
  const std::uint64_t now = authority_seconds(world_.time());
  if (valid == 0 || !world_.is_public(id) || now + valid / 2 < membership.certified_until) return;
  membership.certified_until = now + valid;
  const auto der =
      certify(contents_[membership.swarm]->metadata().id, world_.address(id), world_.time(), valid);
  const auto taken = world_.endpoint(id).set_certificate(membership.handle, der, world_.now(id));
  if (!taken) fail(kWrongResult, "a certificate is not taken: " + taken.error().context);
}

void SwarmRun::append(std::size_t swarm, std::uint64_t octets) {
  const Content& content = *contents_[swarm];
  const std::uint64_t end = std::min(content.length(), fed_[swarm] + octets);
  const auto piece = content.octets().subspan(static_cast<std::size_t>(fed_[swarm]),
                                              static_cast<std::size_t>(end - fed_[swarm]));
  if (!nodes_[0].up) return;
  fed_[swarm] = end;
  for (const Membership& membership : nodes_[0].memberships) {
    if (membership.swarm != swarm) continue;
    const auto appended = world_.endpoint(0).append(membership.handle, piece, world_.now(0));
    if (!appended) return fail(kWrongResult, "append: " + appended.error().context);
  }
  world_.kick(0);
}

void SwarmRun::run_feed(std::size_t swarm) {
  if (!feeding_) return;
  append(swarm, options_.swarms[swarm].rate * kFeedStep / kSecond);
  world_.at(world_.time() + kFeedStep, [this, swarm] { run_feed(swarm); });
}

void SwarmRun::keep_asking(NodeId id) {
  if (leaving_) return;
  ask_tracker(id);
  world_.at(world_.time() + (faults_ ? 20 : 10) * kSecond, [this, id] { keep_asking(id); });
}

// When the faults are over, the one that has everything is named as well: a core that is connected.
void SwarmRun::ask_tracker(NodeId id) {
  if (!nodes_[id].up) return;
  auto others = tracker_.sample(id, options_.neighbours, world_.random());
  if (!faults_ && id != 0) others.push_back(0);
  for (const NodeId other : others) {
    for (const Membership& membership : nodes_[id].memberships) {
      if (disk(other, membership.swarm) == nullptr) continue;
      const bool near = world_.lan(id) != 0 && world_.lan(id) == world_.lan(other);
      world_.endpoint(id).add_peer(membership.handle,
                                   near ? world_.lan_address(other) : world_.address(other),
                                   world_.now(id), near ? PeerSource::local : PeerSource::tracker);
    }
  }
  for (Membership& membership : nodes_[id].memberships) certify_member(id, membership);
  for (const Membership& membership : nodes_[id].memberships) {
    if (!faults_ || enemies_ == nullptr || membership.swarm != 0) continue;
    const auto enemies = enemies_->addresses();
    world_.endpoint(id).add_peer(membership.handle, enemies[world_.random().below(enemies.size())],
                                 world_.now(id), PeerSource::tracker);
  }
  world_.kick(id);
}

// --- What is looked at all the time

void SwarmRun::on_send(NodeId from, const TransportAddress& to,
                       std::span<const std::byte> datagram) {
  digest_.add(world_.time(), from, to, datagram);
  if (pcap_ != nullptr) pcap_->add(world_.time(), world_.address(from), to, datagram);
  if (text_) {
    fmt::print("{:.6f} {}\n", static_cast<double>(world_.time()) / kSecond,
               checker_.describe(from, to, datagram));
  }
  if (auto wrong = checker_.check_sent(from, to, datagram)) {
    fail(kWrongResult, fmt::format("node {} sends {}", from, *wrong));
  }
}

void SwarmRun::on_receive(NodeId to, const TransportAddress& from,
                          std::span<const std::byte> datagram) {
  checker_.note_received(to, from, datagram);
}

void SwarmRun::on_event(NodeId node, const Event& event) {
  if (std::holds_alternative<event::StoreFailed>(event.what)) {
    fail(kWrongResult, fmt::format("node {}: its store failed", node));
  }
}

void SwarmRun::after_turn(NodeId id) {
  Node& node = nodes_[id];
  if (!verdicts_.all_well()) {
    fail(kWrongResult, fmt::format("node {}: {} wrong writes, {} wrong lengths, {} reads of what "
                                   "was not written",
                                   id, verdicts_.wrong_writes, verdicts_.wrong_lengths,
                                   verdicts_.unwritten_reads));
  }
  for (Membership& membership : node.memberships) {
    if (membership.store == nullptr || !membership.store->take_put_off()) continue;
    if (std::exchange(membership.loading, true)) continue;
    world_.at(world_.time() + 3'000, [this, id, &membership] {
      membership.loading = false;
      if (membership.store == nullptr) return;
      world_.endpoint(id).store_ready(membership.handle, world_.now(id));
      world_.kick(id);
    });
  }
  if (world_.time() >= node.spins_since + kSecond) {
    node.spins_since = world_.time();
    node.spins = 0;
  }
  if (++node.spins > kMostTurns) fail(kNoProgress, fmt::format("node {} spins", id));
  const std::uint64_t every = options_.live() ? kCheckFeedsEvery : kCheckEvery;
  if (++turns_ % every == 0) world_.endpoint(id).check_invariants();
  check_memory(id);
}

// What peers make a node allocate is bounded for each channel that it lets them have.
void SwarmRun::check_memory(NodeId id) {
  const std::int64_t allocated = world_.allocated(id);
  if (allocated < kMemoryFloor || turns_ % kCheckEvery != 0) return;
  const auto statistics = world_.endpoint(id).statistics(world_.now(id));
  const auto now = static_cast<std::int64_t>(
      1 + statistics.channels_connecting + statistics.channels_established + statistics.half_open);
  // Those that have just closed are destroyed a little later.
  const std::int64_t channels = std::max(now, std::exchange(nodes_[id].channels, now));
  most_allocated_ = std::max(most_allocated_, (allocated - kMemoryFloor) / channels);
  std::int64_t bound = kMemoryFloor + kMemoryPerChannel * channels;
  for (const auto& content : contents_) bound += static_cast<std::int64_t>(content->length());
  if (allocated > bound) {
    fail(kWrongResult,
         fmt::format("node {} has allocated {} octets for {} channels", id, allocated, channels));
  }
}

// --- The phases

RunResult SwarmRun::run() {
  build();
  chaos();
  if (failure_.code == 0) world_.run_until(world_.time() + options_.fault_seconds * kSecond);
  if (failure_.code == 0) stop_faults();
  if (failure_.code == 0) follow_feeds();
  if (failure_.code == 0) wait_for_all();
  if (failure_.code == 0) leave_all();
  return {failure_.code,
          failure_.text,
          digest_.value(),
          world_.datagrams(),
          static_cast<double>(world_.time()) / kSecond - 1,
          checker_.certificates_told(),
          most_allocated_};
}

void SwarmRun::stop_faults() {
  faults_ = false;
  if (enemies_ != nullptr) enemies_->stop();
  PathOptions& path = world_.path();
  path.loss = path.duplication = path.reordering = path.corruption = path.replay = 0;
  for (NodeId id = 0; id < nodes_.size(); ++id) {
    world_.set_side(id, 0);
    come_back(id);
    ask_tracker(id);
  }
}

// Of a feed: its end is known, and there is nothing left to wait for.
bool SwarmRun::has_all(NodeId id, const Membership& membership) const {
  if (!membership.disk->content().metadata().live) return membership.disk->complete();
  return membership.source || world_.endpoint(id).status(membership.handle)->live->ended;
}

bool SwarmRun::everybody_has_all() const {
  return who_lacks().empty();
}

std::string SwarmRun::who_lacks() const {
  std::string text;
  for (NodeId id = 0; id < nodes_.size(); ++id) {
    for (const Membership& membership : nodes_[id].memberships) {
      if (has_all(id, membership)) continue;
      const SimDisk& disk = *membership.disk;
      const auto status = world_.endpoint(id).status(membership.handle);
      text +=
          fmt::format(" node {} has {} of {} chunks of swarm {} ({} channels)", id, disk.chunks(),
                      disk.content().chunks(), membership.swarm, status->channels);
      if (!status->live) continue;
      const LiveStatus& live = *status->live;
      text += fmt::format(
          ", window {}-{}, position {}, tuned in {}, late {}, skipped {}, signatures rejected {} "
          "refused {}; fed {}",
          live.window.begin, live.window.end, live.position, live.tuned_in, live.chunks_late,
          live.chunks_skipped, live.signatures_rejected, live.signatures_refused,
          fed_[membership.swarm] / disk.content().metadata().chunk_size);
    }
  }
  return text;
}

void SwarmRun::follow_feeds() {
  if (!options_.live()) return;
  world_.run_until(world_.time() + 20 * kSecond);
  if (failure_.code == 0) check_followers();
  feeding_ = false;
  if (failure_.code == 0) end_feeds();
}

void SwarmRun::end_feeds() {
  for (const Membership& membership : nodes_[0].memberships) {
    if (!membership.disk->content().metadata().live) continue;
    const auto ended = world_.endpoint(0).end_feed(membership.handle, world_.now(0));
    if (!ended) fail(kWrongResult, "a feed cannot be ended: " + ended.error().context);
  }
  world_.kick(0);
}

// Peers that were banned by mistake, on a path that damages datagrams, are greeted again after
// minutes; and each copy may have to leave through the slowest link.
void SwarmRun::wait_for_all() {
  SimTime limit = world_.time() + 400 * kSecond;
  if (options_.path.corruption != 0) limit += 1'200 * kSecond;
  for (const auto& content : contents_) {
    if (options_.rate_min != 0 && !content->metadata().live) {
      limit += 20 * nodes_.size() * content->length() * kSecond / options_.rate_min;
    }
  }
  while (failure_.code == 0 && !everybody_has_all()) {
    if (world_.time() >= limit) {
      return fail(kNoProgress, "not everybody has everything:" + who_lacks());
    }
    world_.run_until(world_.time() + kSecond / 4);
  }
  for (NodeId id = 0; id < nodes_.size() && failure_.code == 0; ++id) {
    for (const Membership& membership : nodes_[id].memberships) {
      const auto status = world_.endpoint(id).status(membership.handle);
      if (membership.disk->content().metadata().live || status->complete) continue;
      fail(kWrongResult,
           fmt::format("node {} has all of swarm {} and does not know", id, membership.swarm));
    }
  }
}

// Whoever follows a feed is where its buffer says.
void SwarmRun::check_followers() {
  for (NodeId id = 0; id < nodes_.size(); ++id) {
    for (const Membership& membership : nodes_[id].memberships) {
      const Content& content = *contents_[membership.swarm];
      if (!content.metadata().live || membership.source) continue;
      const auto live = world_.endpoint(id).status(membership.handle)->live;
      const std::uint64_t rate = options_.swarms[membership.swarm].rate;
      const std::uint64_t behind =
          fed_[membership.swarm] -
          std::min(fed_[membership.swarm], live->position * content.metadata().chunk_size);
      if (!live->tuned_in || behind > rate * 8 + 64 * content.metadata().chunk_size) {
        fail(kNoProgress,
             fmt::format("node {} is {:.1f} s behind the feed, tuned in: {}", id,
                         static_cast<double>(behind) / static_cast<double>(rate), live->tuned_in));
      }
    }
  }
}

void SwarmRun::leave_all() {
  leaving_ = true;
  for (NodeId id = 0; id < nodes_.size(); ++id) {
    for (Membership& membership : nodes_[id].memberships) {
      membership.store = nullptr;
      world_.endpoint(id).leave(membership.handle, world_.now(id));
    }
    world_.kick(id);
  }
  world_.run_until(world_.time() + 120 * kSecond);
  for (NodeId id = 0; id < nodes_.size() && failure_.code == 0; ++id) {
    if (!world_.endpoint(id).idle()) {
      fail(kWrongResult, fmt::format("node {} has left everything and is not idle", id));
    }
  }
}

}  // namespace ppspp::sim
