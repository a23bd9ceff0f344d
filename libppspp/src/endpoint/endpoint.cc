// The public face of the Endpoint: one line each.
#include "ppspp/endpoint.h"

#include "endpoint/endpoint_impl.h"

namespace ppspp {

Endpoint::Endpoint(const EndpointOptions& options, RandomSource& random, Now now)
    : impl_(std::make_unique<Impl>(options, random, now)) {}
Endpoint::~Endpoint() = default;

Result<SwarmHandle> Endpoint::join(const SwarmMetadata& metadata, std::unique_ptr<ChunkStore> store,
                                   const SwarmContent& content, const JoinSettings& settings,
                                   Now now) {
  return impl_->join(metadata, std::move(store), content, settings, now);
}

Result<SwarmHandle> Endpoint::publish(const SwarmMetadata& metadata,
                                      std::unique_ptr<ChunkStore> store,
                                      std::unique_ptr<Signer> signer,
                                      const LiveSourceSettings& settings, Now now) {
  return impl_->publish(metadata, std::move(store), std::move(signer), settings, now);
}

Result<void> Endpoint::append(SwarmHandle feed, std::span<const std::byte> content, Now now) {
  return impl_->append(feed, content, now);
}

Result<void> Endpoint::end_feed(SwarmHandle feed, Now now) {
  return impl_->end_feed(feed, now);
}

bool Endpoint::everybody_has_all(SwarmHandle handle, Now now) const {
  const LiveSwarm* swarm = impl_->find_live(handle);
  return swarm != nullptr && swarm->everybody_has_all(now);
}

ChunkIndex Endpoint::next_readable(SwarmHandle handle, ChunkIndex chunk) const {
  const LiveSwarm* swarm = impl_->find_live(handle);
  return swarm == nullptr ? chunk : swarm->next_readable(chunk);
}

std::optional<std::uint64_t> Endpoint::feed_length(SwarmHandle handle) const {
  const LiveSwarm* swarm = impl_->find_live(handle);
  if (swarm == nullptr) return std::nullopt;
  return swarm->length();
}

std::unique_ptr<ChunkStore> Endpoint::leave(SwarmHandle swarm, Now now) {
  return impl_->leave(swarm, now);
}

void Endpoint::add_peer(SwarmHandle handle, const TransportAddress& peer, Now now) {
  Swarm* swarm = impl_->find(handle);
  if (swarm == nullptr) return;
  swarm->known_peers().add(peer, now.monotonic);
  impl_->start_peers(*swarm, now);
}

void Endpoint::set_read_position(SwarmHandle handle, ChunkIndex chunk, Now) {
  Swarm* swarm = impl_->find(handle);
  if (swarm == nullptr) return;
  swarm->set_read_position(chunk);
}

void Endpoint::set_limits(std::optional<std::uint64_t> upload,
                          std::optional<std::uint64_t> download, Now now) {
  impl_->set_limits(upload, download, now);
}

void Endpoint::store_ready(SwarmHandle handle, Now) {
  Swarm* swarm = impl_->find(handle);
  if (swarm == nullptr) return;
  swarm->store_ready();
  impl_->touch_all(*swarm);
}

void Endpoint::handle_datagram(std::span<const std::byte> datagram, const TransportAddress& from,
                               Now now) {
  impl_->handle_datagram(datagram, from, now);
}

void Endpoint::flush(Now now) {
  impl_->flush(now);
}
void Endpoint::handle_deadline(Now now) {
  impl_->handle_deadline(now);
}

std::optional<Transmit> Endpoint::poll_transmit(std::span<std::byte> buffer, Now now) {
  return impl_->poll_transmit(buffer, now);
}

std::optional<Event> Endpoint::poll_event() {
  return impl_->poll_event();
}
TimePoint Endpoint::deadline() const {
  return impl_->deadline();
}

void Endpoint::handle_too_big(const TransportAddress& to, std::size_t size, Now now) {
  impl_->handle_too_big(to, size, now);
}

ChunkStore* Endpoint::store(SwarmHandle handle) {
  Swarm* swarm = impl_->find(handle);
  return swarm == nullptr ? nullptr : swarm->store();
}

std::optional<SwarmStatus> Endpoint::status(SwarmHandle handle) const {
  const Swarm* swarm = impl_->find(handle);
  if (swarm == nullptr) return std::nullopt;
  return swarm->status();
}

std::vector<ChannelStatus> Endpoint::channels(SwarmHandle handle) const {
  std::vector<ChannelStatus> all;
  const Swarm* swarm = impl_->find(handle);
  if (swarm == nullptr) return all;
  for (const Channel* channel : swarm->channels()) {
    all.push_back({.peer = channel->peer(),
                   .established = channel->established(),
                   .peer_complete = channel->peer_complete(swarm->chunk_count()),
                   .choked_by_peer = channel->choked(),
                   .bytes_received = channel->bytes_received(),
                   .bytes_sent = channel->bytes_sent(),
                   .window = channel->ledbat().window(),
                   .flight_size = channel->ledbat().flight_size(),
                   .datagram_size = channel->datagram_size(),
                   .rtt = channel->rtt().smoothed(),
                   .queueing_delay = channel->ledbat().queueing_delay().value_or(Microseconds(0)),
                   .requested_chunks = channel->requests().chunks()});
  }
  return all;
}

bool Endpoint::has_chunk(SwarmHandle handle, ChunkIndex chunk) const {
  const Swarm* swarm = impl_->find(handle);
  return swarm != nullptr && swarm->verified().contains(chunk);
}

ChunkRange Endpoint::verified_run(SwarmHandle handle, ChunkIndex chunk) const {
  const Swarm* swarm = impl_->find(handle);
  return swarm == nullptr ? ChunkRange{} : swarm->verified_run(chunk);
}

std::uint64_t Endpoint::chunk_count(SwarmHandle handle) const {
  const Swarm* swarm = impl_->find(handle);
  return swarm == nullptr ? 0 : swarm->chunk_count();
}

const EndpointCounters& Endpoint::counters() const {
  return impl_->counters();
}
bool Endpoint::idle() const {
  return impl_->idle();
}
void Endpoint::check_invariants() const {
  impl_->check_invariants();
}

}  // namespace ppspp
