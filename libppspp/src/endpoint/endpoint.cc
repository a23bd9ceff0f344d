// The public face of the Endpoint: one line each.
#include "ppspp/endpoint.h"

#include "endpoint/availability.h"
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

void Endpoint::add_peer(SwarmHandle handle, const TransportAddress& peer, Now now,
                        PeerSource source) {
  impl_->add_peer(handle, peer, source, now);
}

Result<void> Endpoint::set_certificate(SwarmHandle swarm, std::span<const std::byte> der, Now now) {
  return impl_->set_certificate(swarm, der, now);
}

void Endpoint::set_read_position(SwarmHandle handle, ChunkIndex chunk, Now) {
  impl_->set_read_position(handle, chunk);
}

void Endpoint::set_read_windows(SwarmHandle handle, std::span<const ReadWindow> windows, Now now) {
  impl_->set_read_windows(handle, windows, now);
}

void Endpoint::set_limits(std::optional<std::uint64_t> upload,
                          std::optional<std::uint64_t> download, Now now) {
  impl_->set_limits(upload, download, now);
}

void Endpoint::set_peer_limits(const RateLimits& limits, Now now) {
  impl_->set_peer_limits(limits, now);
}

void Endpoint::set_swarm_limits(SwarmHandle swarm, const SwarmLimits& limits, Now now) {
  impl_->set_swarm_limits(swarm, limits, now);
}

void Endpoint::set_address_rules(const AddressRules& rules, Now now) {
  impl_->set_address_rules(rules, now);
}

void Endpoint::ban(const Network& network, std::optional<Microseconds> duration, Now now) {
  impl_->ban(network, duration, now);
}

bool Endpoint::unban(const Network& network) {
  return impl_->unban(network);
}

std::vector<Ban> Endpoint::bans(Now now) const {
  return impl_->bans(now);
}

void Endpoint::await(const SwarmId& id) {
  impl_->await(id);
}

void Endpoint::stop_awaiting(const SwarmId& id) {
  impl_->stop_awaiting(id);
}

void Endpoint::store_ready(SwarmHandle swarm, Now now) {
  impl_->store_ready(swarm, now);
}

void Endpoint::handle_datagram(std::span<const std::byte> datagram, const TransportAddress& from,
                               Now now) {
  impl_->handle_datagram(datagram, from, now);
}

void Endpoint::flush(Now now) {
  impl_->flush(now);
}
std::size_t Endpoint::prepare_flush(std::size_t lanes, Now now) {
  return impl_->prepare_flush(lanes, now);
}
void Endpoint::compute_part(std::size_t part, std::size_t lane) {
  impl_->compute_part(part, lane);
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

bool Endpoint::still_genuine(SwarmHandle handle, ChunkIndex chunk,
                             std::span<const std::byte> payload) {
  Swarm* swarm = impl_->find(handle);
  return swarm != nullptr && swarm->still_genuine(chunk, payload);
}

std::optional<SwarmStatus> Endpoint::status(SwarmHandle handle) const {
  const Swarm* swarm = impl_->find(handle);
  if (swarm == nullptr) return std::nullopt;
  return swarm->status();
}

std::vector<ChannelStatus> Endpoint::channels(SwarmHandle swarm, Now now) const {
  return impl_->channels(swarm, now);
}

std::vector<std::uint8_t> Endpoint::availability(SwarmHandle handle, std::size_t buckets) const {
  const Swarm* swarm = impl_->find(handle);
  return swarm == nullptr ? std::vector<std::uint8_t>{} : availability_of(*swarm, buckets);
}

void Endpoint::anticipate(std::span<const std::byte> datagram) const {
  impl_->anticipate(datagram);
}

EndpointStatistics Endpoint::statistics(Now now) const {
  return impl_->statistics(now);
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
