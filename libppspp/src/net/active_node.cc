#include "net/active_node.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "files/hash_file.h"
#include "net/clock.h"

namespace ppspp {
namespace {

EndpointOptions endpoint_options(const NodeOptions& options) {
  EndpointOptions result;
  result.max_channels = options.max_channels;
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

ActiveNode::ActiveNode(asio::io_context& io, std::unique_ptr<UdpPort> port,
                       const NodeOptions& options)
    : io_(io),
      driver_(io, std::move(port), endpoint_options(options),
              [this](const Event& event) { on_event(event); }),
      background_(io) {}

ActiveNode::~ActiveNode() {
  const auto swarms = swarms_;  // each takes itself off the list
  for (const auto& swarm : swarms) swarm->leave();
  for (const auto& seeding : seedings_) seeding->done(fail(Errc::left, "the node is gone"));
  driver_.stop();
}

Result<Swarm> ActiveNode::join(const SwarmUrl& url, const JoinOptions& options) {
  if (const auto valid = url.metadata.validate(); !valid) return tl::unexpected(valid.error());
  if (has(url.metadata.id)) {
    return fail(Errc::exists, "this swarm is already joined: use the one that there is");
  }
  const auto swarm = std::make_shared<ActiveSwarm>(
      *this, url, JoinSettings{options.policy, options.allow_unprotected, options.live});
  swarms_.push_back(swarm);
  swarm->open(options);
  return Swarm(swarm);
}

void ActiveNode::seed(std::filesystem::path file, SeedOptions options, SeedDone done) {
  const auto seeding = std::make_shared<Seeding>();
  seeding->file = std::move(file);
  seeding->options = std::move(options);
  seeding->done = std::move(done);
  seedings_.push_back(seeding);
  HashOptions how;
  how.cancel = &background_.cancelled();
  how.progress = progress_poster(seeding->options.progress);
  background_.run(
      [seeding, how = std::move(how)] {
        const SwarmMetadata& metadata = seeding->options.metadata;
        seeding->hashed = hash_file(seeding->file, metadata.chunk_size, metadata.hash, how);
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
  if (const auto valid = url.metadata.validate(); !valid) return tl::unexpected(valid.error());
  if (has(url.metadata.id)) return fail(Errc::exists, "this feed is already being published");
  const auto swarm = std::make_shared<ActiveSwarm>(*this, url, JoinSettings{});
  swarms_.push_back(swarm);
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
  url.display_name = seeding.options.display_name.empty() ? seeding.file.filename().string()
                                                          : seeding.options.display_name;
  if (const auto valid = url.metadata.validate(); !valid) return tl::unexpected(valid.error());
  if (has(url.metadata.id)) {
    return fail(Errc::exists, fmt::format("{} is already being seeded", seeding.file.string()));
  }
  const auto swarm = std::make_shared<ActiveSwarm>(
      *this, url, JoinSettings{PickPolicy::rarest_first, seeding.options.allow_unprotected, {}});
  swarms_.push_back(swarm);
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

bool ActiveNode::has(const SwarmId& id) const {
  return std::any_of(swarms_.begin(), swarms_.end(),
                     [&](const auto& swarm) { return swarm->url().metadata.id == id; });
}

void ActiveNode::forget(ActiveSwarm& swarm, SwarmHandle handle) {
  std::erase_if(swarms_, [&](const auto& other) { return other.get() == &swarm; });
  if (swarms_.empty()) {
    driver_.stop();
  } else if (handle.value != 0) {
    driver_.kick();
  }
}

void ActiveNode::on_event(const Event& event) {
  for (std::size_t i = 0; i < swarms_.size(); ++i) {
    if (swarms_[i]->handle() != event.swarm) continue;
    const auto swarm = swarms_[i];
    return swarm->on_event(event);
  }
}

Progress ActiveNode::progress_poster(const Progress& progress) {
  if (!progress) return {};
  return [this, progress](std::uint64_t done, std::uint64_t total) {
    background_.post([progress, done, total] { progress(done, total); });
  };
}

}  // namespace ppspp
