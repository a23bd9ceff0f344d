#include "net/active_node.h"

#include <fmt/format.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "files/hash_file.h"
#include "files/kept_tree.h"
#include "net/clock.h"

namespace ppspp {
namespace {

EndpointOptions endpoint_options(const NodeOptions& options) {
  EndpointOptions result;
  result.max_channels = options.max_channels;
  result.max_channels_per_swarm = options.max_channels_per_swarm;
  result.max_half_open = options.max_half_open;
  result.max_queued_chunks_per_peer = options.max_queued_chunks_per_peer;
  result.per_peer = options.per_peer;
  result.rules = options.rules;
  result.pex = options.discovery.pex;
  result.pex_on_internet = options.discovery.pex_on_internet;
  result.upload_limit = options.upload_limit;
  result.download_limit = options.download_limit;
  return result;
}

}  // namespace

struct ActiveNode::Seeding {
  std::filesystem::path file;
  SeedOptions options;
  SeedDone done;
  Result<HashedFile> hashed = fail(Errc::left, "the node is gone");
};

// On a thread.
Result<void> ActiveNode::keep_tree_of(Seeding& seeding) {
  if (seeding.options.keep_tree.empty() || !seeding.hashed) return {};
  const HashedFile& file = *seeding.hashed;
  SwarmMetadata metadata = seeding.options.metadata;
  metadata.id = SwarmId(file.root.octets());
  const auto kept = keep_tree(seeding.options.keep_tree, metadata, file.length,
                              file.identity.stamp(), file.tree.memory());
  file.tree.release_pages();
  return kept;
}

// Where both ends of a transfer, or a few nodes, share two processors, others that help only take
// turns with them.
unsigned ActiveNode::threads_to_use(unsigned option) {
  if (option != 0) return option;
  const unsigned processors = std::thread::hardware_concurrency();
  return processors < 4 ? 1 : std::min(processors / 2, 4U);
}

ActiveNode::ActiveNode(asio::io_context& io, std::unique_ptr<UdpPort> port,
                       const NodeOptions& options)
    : io_(io),
      driver_(io, std::move(port), endpoint_options(options), threads_to_use(options.threads),
              [this](const Event& event) { on_event(event); }),
      awake_timer_(io),
      trackers_(io, tracker_sink()),
      tracker_timer_(io),
      sleep_after_(options.sleep_after),
      threads_(options.threads),
      background_(io) {
  if (!options.discovery.local) return;
  const auto on_found = [this](const SwarmId& id, const TransportAddress& peer) {
    const auto found = swarms_.find(id);
    if (found != swarms_.end()) found->second->add_peer(peer, PeerSource::local);
  };
  local_ = std::make_unique<LocalFinder>(io, driver_.port().local_addresses(),
                                         options.discovery.local_means, on_found);
}

ActiveNode::~ActiveNode() {
  const auto swarms = swarms_;  // each takes itself off the list
  for (const auto& [id, swarm] : swarms) swarm->leave();
  for (const auto& seeding : seedings_) {
    if (seeding->options.cancel) *seeding->options.cancel = true;
    seeding->done(fail(Errc::left, "the node is gone"));
  }
  driver_.stop();
  *alive_ = false;
}

Result<Swarm> ActiveNode::join(const SwarmUrl& url, const JoinOptions& options) {
  if (const auto valid = url.metadata.validate(); !valid) return tl::unexpected(valid.error());
  if (has(url.metadata.id)) {
    return fail(Errc::exists, "this swarm is already joined: use the one that there is");
  }
  const auto swarm = add(url, {.policy = options.policy,
                               .allow_unprotected = options.allow_unprotected,
                               .live = options.live,
                               .limits = options.limits});
  swarm->open(options);
  return Swarm(swarm);
}

std::shared_ptr<ActiveSwarm> ActiveNode::add(const SwarmUrl& url, const JoinSettings& settings) {
  const auto swarm = std::make_shared<ActiveSwarm>(*this, url, settings);
  swarms_.emplace(url.metadata.id, swarm);
  return swarm;
}

Result<Swarm> ActiveNode::host(const HostedFile& file) {
  const SwarmMetadata& metadata = file.url.metadata;
  if (const auto valid = metadata.validate(); !valid) return tl::unexpected(valid.error());
  if (metadata.live || metadata.content_length.value_or(0) == 0 ||
      metadata.integrity != IntegrityMethod::merkle) {
    return fail(Errc::invalid_argument,
                "what is hosted is a static content with hashes, whose length is known");
  }
  if (has(metadata.id)) {
    return fail(Errc::exists, fmt::format("{} is already being seeded", file.file.string()));
  }
  const auto swarm =
      add(file.url, {.allow_unprotected = file.allow_unprotected, .limits = file.limits});
  swarm->host(file);
  announce(*swarm);
  return Swarm(swarm);
}

void ActiveNode::seed(std::filesystem::path file, SeedOptions options, SeedDone done) {
  const auto seeding = std::make_shared<Seeding>();
  seeding->file = std::move(file);
  seeding->options = std::move(options);
  seeding->done = std::move(done);
  seedings_.push_back(seeding);
  auto& cancel = seeding->options.cancel;
  if (!cancel) cancel = std::make_shared<std::atomic<bool>>(false);
  HashOptions how;
  how.threads = threads_;
  how.cancel = cancel.get();
  how.progress = progress_poster(seeding->options.progress);
  background_.run(
      [seeding, how = std::move(how)] {
        const SwarmMetadata& metadata = seeding->options.metadata;
        seeding->hashed = hash_file(seeding->file, metadata.chunk_size, metadata.hash, how);
        if (const auto kept = keep_tree_of(*seeding); !kept) {
          seeding->hashed = tl::unexpected(kept.error());
        }
      },
      [this, seeding] { hashed(*seeding); });
}

Result<LiveFeed> ActiveNode::feed(SigningKey key, const FeedOptions& options) {
  SwarmUrl url;
  url.metadata = options.metadata;
  url.metadata.id = SwarmId(key.dnskey());
  url.metadata.live = true;
  if (url.metadata.integrity != IntegrityMethod::sign_all) {
    url.metadata.integrity = IntegrityMethod::unified_merkle;
  }
  url.display_name = options.display_name;
  url.trackers = options.trackers;
  if (const auto valid = url.metadata.validate(); !valid) return tl::unexpected(valid.error());
  if (has(url.metadata.id)) return fail(Errc::exists, "this feed is already being published");
  const auto swarm = add(url, {});
  if (const auto begun = swarm->publish(std::move(key), options); !begun) {
    swarm->leave();
    return tl::unexpected(begun.error());
  }
  return LiveFeed(swarm);
}

void ActiveNode::seed_recording(ActiveSwarm& feed, SeedDone done) {
  const auto seeding = std::make_shared<Seeding>();
  seeding->options.metadata = feed.url().metadata;
  SwarmMetadata& metadata = seeding->options.metadata;
  metadata.live = false;
  metadata.integrity = IntegrityMethod::merkle;
  metadata.chunks_per_signature.reset();
  seeding->options.display_name = feed.url().display_name;
  seeding->options.trackers = feed.url().trackers;
  seeding->done = std::move(done);
  seedings_.push_back(seeding);
  feed.finish_recording([this, seeding](Result<HashedFile> file) {
    seeding->hashed = std::move(file);
    if (seeding->hashed) seeding->file = seeding->hashed->path;
    hashed(*seeding);
  });
}

void ActiveNode::hashed(Seeding& seeding) {
  seeding.done(start_seeding(seeding));
  std::erase_if(seedings_, [&](const auto& other) { return other.get() == &seeding; });
}

Result<Swarm> ActiveNode::start_seeding(Seeding& seeding) {
  if (!seeding.hashed) return tl::unexpected(seeding.hashed.error());
  HashedFile& file = *seeding.hashed;
  SwarmUrl url;
  url.metadata = seeding.options.metadata;
  url.metadata.id = SwarmId(file.root.octets());
  url.metadata.content_length = file.length;
  url.trackers = seeding.options.trackers;
  url.display_name = seeding.options.display_name.empty() ? seeding.file.filename().string()
                                                          : seeding.options.display_name;
  if (const auto valid = url.metadata.validate(); !valid) return tl::unexpected(valid.error());
  if (has(url.metadata.id)) {
    return fail(Errc::exists, fmt::format("{} is already being seeded", seeding.file.string()));
  }
  const auto swarm = add(url, {.allow_unprotected = seeding.options.allow_unprotected,
                               .limits = seeding.options.limits});
  if (const auto begun = swarm->seed(std::move(file)); !begun) {
    swarm->leave();
    return tl::unexpected(begun.error());
  }
  return Swarm(swarm);
}

void ActiveNode::set_limits(std::optional<std::uint64_t> upload,
                            std::optional<std::uint64_t> download) {
  driver_.endpoint().set_limits(upload, download, read_clocks());
  driver_.kick();
}

NodeStatistics ActiveNode::statistics() const {
  const EndpointDriver& driver = driver_;
  NodeStatistics statistics;
  statistics.counters = driver.endpoint().counters();
  statistics.endpoint = driver.endpoint().statistics(read_clocks());
  statistics.swarms = swarms_.size();
  for (const auto& [id, swarm] : swarms_) {
    statistics.sleeping += swarm->sleeping() ? 1U : 0U;
    statistics.readers += swarm->reader_count();
  }
  statistics.turns = driver.counters().turns;
  statistics.stalls = driver.counters().stalls;
  statistics.longest_stall = driver.counters().longest_stall;
  statistics.udp = driver.port().counters();
  if (local_) statistics.local_discovery = local_->counters();
  statistics.trackers = trackers_.counters();
  statistics.store_reads = store_counters_->reads.get();
  statistics.store_writes = store_counters_->writes.get();
  return statistics;
}

std::optional<Swarm> ActiveNode::find(const SwarmId& id) const {
  const auto found = swarms_.find(id);
  if (found == swarms_.end()) return std::nullopt;
  return Swarm(found->second);
}

void ActiveNode::note_hosted(const ActiveSwarm& swarm) {
  if (local_) local_->set_part(swarm.url().metadata.id, LocalFinder::Part::sleeps);
}

void ActiveNode::note_joined(ActiveSwarm& swarm, LocalFinder::Part part) {
  by_handle_.emplace(swarm.handle().value, &swarm);
  if (local_) local_->set_part(swarm.url().metadata.id, part);
  if (local_ && part == LocalFinder::Part::sleeps) local_->note_used(swarm.url().metadata.id);
  announce(swarm);
}

void ActiveNode::note_complete(const ActiveSwarm& swarm) {
  if (local_) local_->set_part(swarm.url().metadata.id, LocalFinder::Part::complete);
  trackers_.set_mode(swarm.url().metadata.id, tracker::PeerMode::seeder);
}

void ActiveNode::note_sleeps(ActiveSwarm& swarm, SwarmHandle handle) {
  by_handle_.erase(handle.value);
  trackers_.set_wants_peers(swarm.url().metadata.id, false);
}

void ActiveNode::forget(ActiveSwarm& swarm, SwarmHandle handle) {
  by_handle_.erase(handle.value);
  if (local_) local_->remove(swarm.url().metadata.id);
  trackers_.leave(swarm.url().metadata.id);
  swarms_.erase(swarm.url().metadata.id);
  if (swarms_.empty()) {
    driver_.stop();
    trackers_.close();
    tracker_timer_.cancel();
    tracker_timer_runs_ = false;
    awake_.clear();
    awake_timer_.cancel();
    awake_timer_runs_ = false;
  } else if (handle.value != 0) {
    driver_.kick();
  }
}

void ActiveNode::on_event(const Event& event) {
  if (const auto* wanted = std::get_if<event::Wanted>(&event.what)) {
    const auto found = swarms_.find(wanted->id);
    if (found != swarms_.end()) found->second->wake();
    return;
  }
  const auto found = by_handle_.find(event.swarm.value);
  if (found == by_handle_.end()) return;
  const auto swarm = found->second->shared_from_this();
  swarm->on_event(event);
  if (local_) look_for_others(event, *swarm);
}

// Who is alone now asks at once whether there is somebody else.
void ActiveNode::look_for_others(const Event& event, const ActiveSwarm& swarm) {
  const bool lost = std::holds_alternative<event::PeerLeft>(event.what) ||
                    std::holds_alternative<event::PeerUnreachable>(event.what);
  if (!lost || !swarm.joined()) return;
  const auto status = driver_.endpoint().status(swarm.handle());
  if (status && !status->complete && status->channels == 0) {
    local_->ask_again(swarm.url().metadata.id);
  }
}

std::vector<Swarm> ActiveNode::awake() const {
  std::vector<Swarm> swarms;
  swarms.reserve(by_handle_.size());
  for (const auto& [handle, swarm] : by_handle_) swarms.emplace_back(swarm->shared_from_this());
  return swarms;
}

// --- Hosted files that are awake

void ActiveNode::note_awake(ActiveSwarm& swarm) {
  awake_.push_back(swarm.weak_from_this());
  look_after_awake();
}

void ActiveNode::look_after_awake() {
  if (awake_.empty() || std::exchange(awake_timer_runs_, true)) return;
  awake_timer_.expires_after(std::max(sleep_after_ / 4, std::chrono::milliseconds(1)));
  awake_timer_.async_wait([this, alive = alive_](const error_code& error) {
    if (!*alive || error) return;
    awake_timer_runs_ = false;
    const auto now = std::chrono::steady_clock::now();
    std::erase_if(awake_, [&](const auto& weak) {
      const auto swarm = weak.lock();
      return swarm == nullptr || !swarm->joined() || swarm->sleep_if_idle(now, sleep_after_);
    });
    look_after_awake();
  });
}

Progress ActiveNode::progress_poster(const Progress& progress) {
  if (!progress) return {};
  return [this, progress](std::uint64_t done, std::uint64_t total) {
    background_.post([progress, done, total] { progress(done, total); });
  };
}

}  // namespace ppspp
