#include "endpoint/endpoint_impl.h"

#include <algorithm>
#include <array>

#include "base/assert.h"
#include "base/log.h"
#include "swarm/static_swarm.h"

namespace ppspp {
namespace {

constexpr std::size_t kLimitBurst = 64 << 10;  // octets that a rate limit lets through at once
// Whoever was just served is not woken sooner than this: a guard against a channel that asks to be
// woken and then has nothing to do.
constexpr Microseconds kSoonest{50};

ChannelOptions channel_options(const EndpointOptions& options, bool live) {
  // 65,487 octets are what an unfragmented IPv6 packet of 65,535 can carry.
  constexpr std::size_t kLargestPayload = 65'487;
  return {.base_datagram_size = options.base_datagram_size,
          .max_datagram_size = std::min(options.max_datagram_size, kLargestPayload),
          .max_train_size = options.max_train_size,
          .max_train_segments = options.max_train_segments,
          .ledbat = live ? options.live_ledbat : options.ledbat,
          .live = live};
}

}  // namespace

Endpoint::Impl::Impl(const EndpointOptions& options, RandomSource& random, Now now)
    : options_(options),
      random_(random),
      channel_options_(channel_options(options, false)),
      live_channel_options_(channel_options(options, true)),
      half_open_(options.max_half_open, options.max_half_open_per_address) {
  set_limits(options.upload_limit, options.download_limit, now);
}

void Endpoint::Impl::set_limits(std::optional<std::uint64_t> upload,
                                std::optional<std::uint64_t> download, Now now) {
  const auto bucket = [&](std::optional<std::uint64_t> rate) -> std::optional<TokenBucket> {
    if (!rate || *rate == 0) return std::nullopt;
    const auto burst = std::clamp<std::uint64_t>(*rate / 20, 4'096, kLimitBurst * 16);
    return TokenBucket(*rate, static_cast<std::size_t>(burst), now.monotonic);
  };
  upload_ = bucket(upload);
  download_ = bucket(download);
}

Swarm* Endpoint::Impl::find(SwarmHandle handle) const {
  const auto found = swarms_.find(handle);
  return found == swarms_.end() ? nullptr : found->second.get();
}

Result<SwarmHandle> Endpoint::Impl::join(const SwarmMetadata& metadata,
                                         std::unique_ptr<ChunkStore> store,
                                         const SwarmContent& content, const JoinSettings& settings,
                                         Now now) {
  if (by_id_.contains(metadata.id)) {
    return fail(Errc::exists, "this swarm has been joined already");
  }
  const SwarmHandle handle{next_handle_};
  if (metadata.live) {
    return add_swarm(
        LiveSwarm::follow(handle, metadata, std::move(store), settings, random_, scratch_), now);
  }
  return add_swarm(
      StaticSwarm::create(handle, metadata, std::move(store), content, settings, random_, scratch_),
      now);
}

Result<SwarmHandle> Endpoint::Impl::publish(const SwarmMetadata& metadata,
                                            std::unique_ptr<ChunkStore> store,
                                            std::unique_ptr<Signer> signer,
                                            const LiveSourceSettings& settings, Now now) {
  if (by_id_.contains(metadata.id)) {
    return fail(Errc::exists, "this swarm has been joined already");
  }
  return add_swarm(LiveSwarm::publish(SwarmHandle{next_handle_}, metadata, std::move(store),
                                      std::move(signer), settings, random_, scratch_),
                   now);
}

Result<SwarmHandle> Endpoint::Impl::add_swarm(Result<std::unique_ptr<Swarm>> swarm, Now now) {
  if (!swarm) return Unexpected{swarm.error()};
  Swarm& joined = **swarm;
  const SwarmHandle handle = joined.handle();
  next_handle_ = handle.value + 1;
  joined.set_receive_buffer(options_.receive_buffer);
  by_id_.emplace(joined.metadata().id, handle);
  swarms_.emplace(handle, *std::move(swarm));
  drain(joined, now);
  return handle;
}

LiveSwarm* Endpoint::Impl::find_live(SwarmHandle handle) const {
  Swarm* swarm = find(handle);
  return swarm == nullptr ? nullptr : swarm->as_live();
}

Result<void> Endpoint::Impl::append(SwarmHandle feed, std::span<const std::byte> content, Now now) {
  LiveSwarm* swarm = find_live(feed);
  if (swarm == nullptr) return fail(Errc::left, "there is no such feed");
  auto appended = swarm->append(content, now);
  drain(*swarm, now);
  return appended;
}

Result<void> Endpoint::Impl::end_feed(SwarmHandle feed, Now now) {
  LiveSwarm* swarm = find_live(feed);
  if (swarm == nullptr) return fail(Errc::left, "there is no such feed");
  auto ended = swarm->end_feed(now);
  drain(*swarm, now);
  return ended;
}

const ChannelOptions& Endpoint::Impl::options_for(const Swarm& swarm) const {
  return swarm.metadata().live ? live_channel_options_ : channel_options_;
}

std::unique_ptr<ChunkStore> Endpoint::Impl::leave(SwarmHandle handle, Now now) {
  Swarm* swarm = find(handle);
  if (swarm == nullptr) return nullptr;
  flush(now);
  swarm->known_peers() = {};  // the end of a channel must not be the beginning of another
  const std::vector<Channel*> channels(swarm->channels().begin(), swarm->channels().end());
  for (Channel* channel : channels) {
    channel->close("we leave the swarm", true);
    end_channel(channel->local(), now, false);
  }
  half_open_.remove_swarm(handle);
  drain(*swarm, now);
  by_id_.erase(swarm->metadata().id);
  auto store = swarm->take_store();
  swarms_.erase(handle);
  return store;
}

ChannelId Endpoint::Impl::new_channel_id() {
  for (;;) {  // 8.3: random, never 0, unique among ours
    const ChannelId id{static_cast<std::uint32_t>(random_.next_u64() >> 32)};
    if (id.value != 0 && !channels_.contains(id.value) && half_open_.find(id) == nullptr) return id;
    // A source that is stuck (a fuzz input at its end) must not hang us.
    for (std::uint32_t next = id.value + 1; next != id.value; ++next) {
      const ChannelId other{next};
      if (next != 0 && !channels_.contains(next) && half_open_.find(other) == nullptr) return other;
    }
  }
}

Endpoint::Impl::Slot& Endpoint::Impl::add_channel(std::unique_ptr<Channel> channel, Swarm& swarm,
                                                  Now now) {
  Channel& added = *channel;
  Slot& slot = channels_[added.local().value];
  slot.channel = std::move(channel);
  slot.swarm = &swarm;
  slot.was_established = added.established();
  if (slot.was_established) ++established_;
  swarm.add_channel(added, now);
  return slot;
}

void Endpoint::Impl::touch(ChannelId id) {
  const auto found = channels_.find(id.value);
  if (found == channels_.end() || found->second.ready) return;
  found->second.ready = true;
  ready_.push_back(id);
}

void Endpoint::Impl::touch_all(Swarm& swarm) {
  for (const Channel* channel : swarm.channels()) touch(channel->local());
}

void Endpoint::Impl::handle_datagram(std::span<const std::byte> datagram,
                                     const TransportAddress& from, Now now) {
  ++counters_.datagrams_in;
  counters_.bytes_in += datagram.size();
  const auto id = destination(datagram);
  if (!id) {
    ++counters_.decode_errors;
    return;
  }
  if (id->value == 0) return handle_first_datagram(datagram, from, now);
  if (const auto found = channels_.find(id->value); found != channels_.end()) {
    Slot& slot = found->second;
    if (slot.channel->peer() != from) {
      ++counters_.wrong_address;  // decision 11: channels do not migrate
      return;
    }
    const std::uint64_t errors = slot.channel->decode_errors();
    slot.channel->handle_datagram(datagram, *slot.swarm, now);
    counters_.decode_errors += slot.channel->decode_errors() - errors;
    touch(*id);
    return;
  }
  const HalfOpen* half_open = half_open_.find(*id);
  if (half_open == nullptr) {
    ++counters_.unknown_channel;
  } else if (half_open->peer != from) {
    ++counters_.wrong_address;
  } else {
    confirm(*half_open, datagram, now);
  }
}

// The end of a receive batch: the chunks in it are verified and stored, then channels that closed
// meanwhile may go.
void Endpoint::Impl::flush(Now now) {
  for (auto& [handle, swarm] : swarms_) swarm->flush(now);
  scratch_.hashes.clear();
  for (auto& [handle, swarm] : swarms_) drain(*swarm, now);
}

// Hands on what a swarm has for the outside: channels to be served, events.
void Endpoint::Impl::drain(Swarm& swarm, Now) {
  for (const ChannelId id : swarm.touched()) touch(id);
  swarm.touched().clear();
  events_.insert(events_.end(), swarm.events().begin(), swarm.events().end());
  swarm.events().clear();
}

void Endpoint::Impl::settle(ChannelId id, Now now) {
  const auto found = channels_.find(id.value);
  if (found == channels_.end()) return;
  Slot& slot = found->second;
  Channel& channel = *slot.channel;
  if (channel.established() && !slot.was_established) {
    slot.was_established = true;
    ++established_;
    slot.swarm->on_established(channel, now);
    settle_twins(id, now);
    return;
  }
  if (channel.looks_forgotten(now)) {
    channel.close("silent although asked", true);
    return end_channel(id, now, true);
  }
  if (channel.closed()) end_channel(id, now, false);
}

void Endpoint::Impl::send_closing(Channel& channel) {
  std::array<std::byte, 64> octets;
  const std::size_t size = channel.write_closing(octets);
  if (size == 0) return;
  outgoing_.push_back(
      {channel.peer(), {octets.begin(), octets.begin() + static_cast<std::ptrdiff_t>(size)}});
}

void Endpoint::Impl::end_channel(ChannelId id, Now now, bool retry_now) {
  const auto found = channels_.find(id.value);
  if (found == channels_.end()) return;
  Slot& slot = found->second;
  Channel& channel = *slot.channel;
  send_closing(channel);
  if (const auto* closed = std::get_if<Closed>(&channel.state())) {
    if (closed->cause == CloseCause::faults) {
      ++counters_.peers_dropped;
      banned_.add(channel.peer(), now.monotonic);
    }
    if (closed->cause == CloseCause::silence) ++counters_.peers_dead;
  }
  Swarm& swarm = *slot.swarm;
  swarm.remove_channel(channel, retry_now, now);
  if (slot.was_established) {
    --established_;
    events_.push_back({swarm.handle(), event::PeerLeft{channel.peer()}});
  } else {
    events_.push_back({swarm.handle(), event::PeerUnreachable{channel.peer()}});
  }
  deadlines_.forget(id);
  channels_.erase(found);
  drain(swarm, now);
  start_peers(swarm, now);
}

void Endpoint::Impl::handle_deadline(Now now) {
  half_open_.expire(now.monotonic);
  scratch_ids_.clear();
  deadlines_.take_due(now.monotonic, scratch_ids_);
  const std::vector<ChannelId> due = scratch_ids_;
  for (const ChannelId id : due) {
    const auto found = channels_.find(id.value);
    if (found == channels_.end()) continue;
    found->second.channel->handle_deadline(*found->second.swarm, now);
    touch(id);
  }
  if (now.monotonic >= upload_ready_at_) {
    upload_ready_at_ = kNever;
    for (const ChannelId id : std::exchange(held_, {})) touch(id);
  }
  const bool more_requests = now.monotonic >= download_ready_at_;
  if (more_requests) download_ready_at_ = kNever;
  for (auto& [handle, swarm] : swarms_) {
    if (more_requests) touch_all(*swarm);
    if (swarm->deadline() <= now.monotonic) swarm->handle_deadline(now);
    if (swarm->known_peers().deadline() <= now.monotonic) start_peers(*swarm, now);
    drain(*swarm, now);
  }
}

TimePoint Endpoint::Impl::deadline() const {
  if (!ready_.empty() || !outgoing_.empty()) return TimePoint{};
  TimePoint first =
      std::min({deadlines_.first(), half_open_.deadline(), upload_ready_at_, download_ready_at_});
  for (const auto& [handle, swarm] : swarms_) {
    first = std::min({first, swarm->known_peers().deadline(), swarm->deadline()});
  }
  return first;
}

std::optional<Transmit> Endpoint::Impl::poll_outgoing(std::span<std::byte> buffer) {
  if (outgoing_.empty()) return std::nullopt;
  const Outgoing datagram = std::move(outgoing_.front());
  outgoing_.pop_front();
  PPSPP_ASSERT(datagram.octets.size() <= buffer.size());
  std::copy(datagram.octets.begin(), datagram.octets.end(), buffer.begin());
  return Transmit{datagram.to, datagram.octets.size(), datagram.octets.size(), false};
}

std::optional<Transmit> Endpoint::Impl::poll_transmit(std::span<std::byte> buffer, Now now) {
  auto transmit = poll_outgoing(buffer);
  // Each channel that is ready gets one train, then it is the next one's turn.
  while (!transmit && !ready_.empty()) {
    const ChannelId id = ready_.front();
    ready_.pop_front();
    transmit = fill_channel(id, buffer, now);
    if (!transmit) transmit = poll_outgoing(buffer);
  }
  if (transmit) {
    counters_.datagrams_out +=
        (transmit->size + transmit->segment_size - 1) / transmit->segment_size;
    counters_.bytes_out += transmit->size;
  }
  return transmit;
}

std::optional<Transmit> Endpoint::Impl::fill_channel(ChannelId id, std::span<std::byte> buffer,
                                                     Now now) {
  auto found = channels_.find(id.value);
  if (found == channels_.end()) return std::nullopt;
  found->second.ready = false;
  settle(id, now);
  found = channels_.find(id.value);
  if (found == channels_.end()) return std::nullopt;
  Slot& slot = found->second;
  Swarm& swarm = *slot.swarm;
  Channel& channel = *slot.channel;

  swarm.set_request_allowance(download_ ? download_->available(now.monotonic) : ~std::uint64_t{0});
  const std::size_t allowance = upload_ ? upload_->available(now.monotonic) : ~std::size_t{0};
  const std::uint64_t sent_before = channel.bytes_sent();
  const auto filled = channel.fill(buffer, allowance, swarm, now);
  if (swarm.held_by_allowance() && download_) {
    download_ready_at_ = std::min(download_ready_at_,
                                  download_->ready_at(swarm.metadata().chunk_size, now.monotonic));
  }
  if (const std::uint64_t asked = swarm.take_requested_bytes(); asked != 0 && download_) {
    download_->take(asked, now.monotonic);
  }
  drain(swarm, now);
  if (filled && upload_ && channel.bytes_sent() != sent_before) {
    upload_->take(filled->size, now.monotonic);
  }
  if (filled) {
    touch(id);
    return Transmit{channel.peer(), filled->size, filled->segment_size, filled->probe};
  }
  if (channel.closed()) {
    end_channel(id, now, false);
    return std::nullopt;
  }
  if (channel.held_by_allowance() && upload_) {
    held_.push_back(id);
    upload_ready_at_ =
        std::min(upload_ready_at_, upload_->ready_at(options_.base_datagram_size, now.monotonic));
  }
  schedule(id, slot, now);
  return std::nullopt;
}

void Endpoint::Impl::schedule(ChannelId id, const Slot& slot, Now now) {
  const TimePoint at = slot.channel->deadline(*slot.swarm);
  if (at != kNever) deadlines_.set(id, std::max(at, now.monotonic + kSoonest));
}

std::optional<Event> Endpoint::Impl::poll_event() {
  if (events_.empty()) return std::nullopt;
  const Event event = events_.front();
  events_.pop_front();
  return event;
}

void Endpoint::Impl::handle_too_big(const TransportAddress& to, std::size_t size, Now now) {
  for (auto& [id, slot] : channels_) {
    if (slot.channel->peer() == to) slot.channel->handle_too_big(size, now);
  }
}

void Endpoint::Impl::check_invariants() const {
  std::size_t established = 0;
  for (const auto& [id, slot] : channels_) {
    if (slot.was_established) ++established;
    PPSPP_ASSERT(slot.channel->local().value == id);
    const auto own = slot.swarm->channels();
    PPSPP_ASSERT(std::find(own.begin(), own.end(), slot.channel.get()) != own.end());
  }
  PPSPP_ASSERT(established == established_);
  std::size_t channels = 0;
  for (const auto& [handle, swarm] : swarms_) {
    swarm->check_invariants();
    channels += swarm->channels().size();
  }
  PPSPP_ASSERT(channels == channels_.size());
}

bool Endpoint::Impl::idle() const {
  return swarms_.empty() && channels_.empty() && half_open_.size() == 0 && outgoing_.empty() &&
         deadlines_.empty();
}

}  // namespace ppspp
