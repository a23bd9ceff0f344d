#include "endpoint/live_world.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "storage/ring_chunk_store.h"

namespace ppspp::test {
namespace {

constexpr const char* kKey =
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEIJQm7Su/D7KopuyPZH6aANW0/JYqT5V2703w45owg3cG\n"
    "-----END PRIVATE KEY-----\n";

}  // namespace

std::unique_ptr<Signer> test_signer() {
  auto key = SigningKey::from_pem(kKey);
  REQUIRE(key);
  return std::make_unique<SigningKey>(*std::move(key));
}

SwarmMetadata live_metadata(SwarmMetadata metadata) {
  metadata.live = true;
  if (metadata.integrity != IntegrityMethod::sign_all) {
    metadata.integrity = IntegrityMethod::unified_merkle;
  }
  metadata.id = SwarmId(test_signer()->dnskey());
  return metadata;
}

std::byte feed_octet(std::uint64_t offset) {
  std::uint64_t x = (offset / 8 + 1) * 0x9e3779b97f4a7c15;
  x ^= x >> 29;
  return static_cast<std::byte>(x >> (offset % 8 * 8));
}

Viewer::Viewer(Node& node, const SwarmMetadata& metadata, const LiveSettings& settings)
    : node_(node), chunk_size_(metadata.chunk_size) {
  JoinSettings join;
  join.live = settings;
  swarm_ = node_.join(metadata, std::make_unique<RingChunkStore>(), {}, join);
}

void Viewer::follow_events() {
  for (; next_event_ < node_.events().size(); ++next_event_) {
    const auto* tuned = std::get_if<event::TunedIn>(&node_.events()[next_event_].what);
    if (tuned == nullptr) continue;
    const std::uint64_t place = tuned->chunk * chunk_size_;
    if (tuned_in_) gaps_ += place - position_;
    if (!tuned_in_) started_at_ = place;
    position_ = place;
    tuned_in_ = true;
  }
}

bool Viewer::at_end() {
  const auto length = node_.endpoint().feed_length(swarm_);
  return length && position_ >= *length;
}

void Viewer::read() {
  follow_events();
  if (!tuned_in_) return;
  Endpoint& endpoint = node_.endpoint();
  for (;;) {
    const ChunkIndex chunk = position_ / chunk_size_;
    const ChunkIndex next = endpoint.next_readable(swarm_, chunk);
    REQUIRE(next >= chunk);
    if (next != chunk) {
      gaps_ += next * chunk_size_ - position_;
      position_ = next * chunk_size_;
    }
    const ChunkRange run = endpoint.verified_run(swarm_, next);
    if (run.empty()) return;
    std::uint64_t end = run.end * chunk_size_;
    if (const auto length = endpoint.feed_length(swarm_)) end = std::min(end, *length);
    if (end <= position_) return;
    std::vector<std::byte> octets(static_cast<std::size_t>(end - position_));
    const std::span<std::byte> piece(octets);
    REQUIRE(endpoint.store(swarm_)->read(position_, std::span(&piece, 1)) == StoreStatus::done);
    for (const std::byte octet : octets) {
      if (octet != feed_octet(position_)) wrong_ = true;
      ++position_;
    }
    octets_ += octets.size();
  }
}

LiveWorld::LiveWorld(std::uint64_t seed, const LinkOptions& link) : world_(seed, link) {
  world_.clocks_agree = true;
  world_.steps_per_check = 256;  // it is slow
}

void LiveWorld::publish(std::uint64_t rate, SwarmMetadata metadata,
                        const LiveSourceSettings& settings, const EndpointOptions& options) {
  rate_ = rate;
  metadata_ = live_metadata(metadata);
  source_ = &world_.add_node(options);
  const auto published = source_->endpoint().publish(metadata_, std::make_unique<RingChunkStore>(),
                                                     test_signer(), settings, world_.now(*source_));
  REQUIRE_MESSAGE(published, (published ? "" : published.error().context));
  feed_ = *published;
}

// The content goes on where its chunks are numbered anew.
void LiveWorld::restart_source(const LiveSourceSettings& settings) {
  source_->crash();
  fed_ = settings.first_chunk * metadata_.chunk_size;
  const auto published = source_->endpoint().publish(metadata_, std::make_unique<RingChunkStore>(),
                                                     test_signer(), settings, world_.now(*source_));
  REQUIRE(published);
  feed_ = *published;
}

Viewer& LiveWorld::add_viewer(const LiveSettings& settings, const EndpointOptions& options) {
  viewers_.push_back(std::make_unique<Viewer>(world_.add_node(options), metadata_, settings));
  return *viewers_.back();
}

void LiveWorld::step() {
  if (!paused_) {
    owed_ += rate_ * 10'000;
    std::vector<std::byte> content(static_cast<std::size_t>(owed_ / 1'000'000));
    owed_ %= 1'000'000;
    for (std::byte& octet : content) octet = feed_octet(fed_++);
    const auto appended = source_->endpoint().append(feed_, content, world_.now(*source_));
    REQUIRE_MESSAGE(appended, (appended ? "" : appended.error().context));
  }
  world_.run_for(10ms);
  for (const auto& viewer : viewers_) {
    if (!viewer->gone) viewer->read();
  }
}

void LiveWorld::run_for(Microseconds time) {
  for (Microseconds passed{0}; passed < time; passed += 10ms) step();
}

bool LiveWorld::run_until(const std::function<bool()>& condition, Microseconds most) {
  for (Microseconds passed{0}; passed < most; passed += 10ms) {
    if (condition()) return true;
    step();
  }
  return condition();
}

void LiveWorld::end_feed() {
  REQUIRE(source_->endpoint().end_feed(feed_, world_.now(*source_)));
  paused_ = true;
}

}  // namespace ppspp::test
