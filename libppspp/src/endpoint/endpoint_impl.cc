#include "endpoint/endpoint_impl.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/assert.h"
#include "base/log.h"
#include "swarm/static_swarm.h"

namespace ppspp {
namespace {

constexpr std::size_t kLeastAsked = 1'024;  // octets, where a limit makes asking wait

ChannelOptions channel_options(const EndpointOptions& options, bool live) {
  // 65,487 octets are what an unfragmented IPv6 packet of 65,535 can carry.
  constexpr std::size_t kLargestPayload = 65'487;
  return {.base_datagram_size = options.base_datagram_size,
          .max_datagram_size = std::min(options.max_datagram_size, kLargestPayload),
          .max_train_size = options.max_train_size,
          .max_train_segments = options.max_train_segments,
          .ledbat = live ? options.live_ledbat : options.ledbat,
          .live = live,
          .max_queued_chunks = options.max_queued_chunks_per_peer};
}

}  // namespace

Endpoint::Impl::Impl(const EndpointOptions& options, RandomSource& random, Now now)
    : options_(options),
      random_(random),
      channel_options_(channel_options(options, false)),
      live_channel_options_(channel_options(options, true)),
      half_open_(options.max_half_open, options.max_half_open_per_address),
      access_(options.rules),
      up_(options.base_datagram_size, Microseconds(1'000)),
      down_(kLeastAsked, Microseconds(10'000)) {
  set_limits(options.upload_limit, options.download_limit, now);
}

Swarm* Endpoint::Impl::find(SwarmHandle handle) const {
  const auto found = swarms_.find(handle);
  return found == swarms_.end() ? nullptr : found->second.swarm.get();
}

Endpoint::Impl::Member* Endpoint::Impl::find_member(SwarmHandle handle) {
  const auto found = swarms_.find(handle);
  return found == swarms_.end() ? nullptr : &found->second;
}

Result<SwarmHandle> Endpoint::Impl::join(const SwarmMetadata& metadata,
                                         std::unique_ptr<ChunkStore> store,
                                         const SwarmContent& content, const JoinSettings& settings,
                                         Now now) {
  if (by_id_.contains(metadata.id)) {
    return fail(Errc::exists, "this swarm has been joined already");
  }
  const SwarmHandle handle{next_handle_};
  Result<std::unique_ptr<Swarm>> swarm;
  if (metadata.live) {
    swarm = LiveSwarm::follow(handle, metadata, std::move(store), settings, random_, scratch_);
  } else {
    swarm = StaticSwarm::create(handle, metadata, std::move(store), content, settings, random_,
                                scratch_);
  }
  return add_swarm(std::move(swarm), settings.limits, now);
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
                   settings.limits, now);
}

Result<SwarmHandle> Endpoint::Impl::add_swarm(Result<std::unique_ptr<Swarm>> swarm,
                                              const SwarmLimits& limits, Now now) {
  if (!swarm) return Unexpected{swarm.error()};
  const SwarmHandle handle = (*swarm)->handle();
  next_handle_ = handle.value + 1;
  (*swarm)->set_receive_buffer(options_.receive_buffer);
  (*swarm)->set_neighbours(options_.neighbours);
  (*swarm)->set_pex({options_.pex, options_.pex_on_internet});
  const SwarmId& id = (*swarm)->metadata().id;
  by_id_.emplace(id, handle);
  if (sleeping_.contains(id)) ++awake_;
  const auto waiting = sleeping_.take(id);
  Member& member = swarms_[handle];
  member.swarm = *std::move(swarm);
  member.wake = swarm_deadlines_.enter();
  member.limits = limits;
  limit_swarm(member, now);
  drain(member);
  if (waiting) handle_first_datagram(waiting->datagram, waiting->from, now);
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
  drain(*find_member(feed));
  return appended;
}

Result<void> Endpoint::Impl::end_feed(SwarmHandle feed, Now now) {
  LiveSwarm* swarm = find_live(feed);
  if (swarm == nullptr) return fail(Errc::left, "there is no such feed");
  auto ended = swarm->end_feed(now);
  drain(*find_member(feed));
  return ended;
}

const ChannelOptions& Endpoint::Impl::options_for(const Swarm& swarm) const {
  return swarm.metadata().live ? live_channel_options_ : channel_options_;
}

void Endpoint::Impl::add_peer(SwarmHandle handle, const TransportAddress& peer, PeerSource source,
                              Now now) {
  Member* member = find_member(handle);
  if (member == nullptr) return;
  member->swarm->add_peer(peer, source, now);
  start_peers(*member, now);
}

Result<void> Endpoint::Impl::set_certificate(SwarmHandle handle, std::span<const std::byte> der,
                                             Now now) {
  Member* member = find_member(handle);
  if (member == nullptr) return fail(Errc::left, "there is no such swarm");
  auto set = member->swarm->set_certificate(der, now);
  drain(*member);
  return set;
}

void Endpoint::Impl::set_read_position(SwarmHandle handle, ChunkIndex chunk) {
  Member* member = find_member(handle);
  if (member == nullptr) return;
  member->swarm->set_read_position(chunk);
  drain(*member);
}

void Endpoint::Impl::set_read_windows(SwarmHandle handle, std::span<const ReadWindow> windows,
                                      Now) {
  Member* member = find_member(handle);
  if (member == nullptr) return;
  member->swarm->set_read_windows(windows);
  drain(*member);
}

void Endpoint::Impl::store_ready(SwarmHandle handle, Now) {
  Swarm* swarm = find(handle);
  if (swarm == nullptr) return;
  swarm->store_ready();
  touch_all(*swarm);
}

std::unique_ptr<ChunkStore> Endpoint::Impl::leave(SwarmHandle handle, Now now) {
  Member* member = find_member(handle);
  if (member == nullptr) return nullptr;
  flush(now);
  Swarm& swarm = *member->swarm;
  member->leaving = true;
  const std::vector<Channel*> channels(swarm.channels().begin(), swarm.channels().end());
  for (Channel* channel : channels) {
    channel->close("we leave the swarm", true);
    end_channel(channel->local(), now, false);
  }
  PPSPP_ASSERT(swarm.channels().empty());
  half_open_.remove_swarm(handle);
  drain(*member);
  const SwarmId& id = swarm.metadata().id;
  by_id_.erase(id);
  if (sleeping_.contains(id)) --awake_;
  auto store = swarm.take_store();
  std::erase(dirty_, member);
  report_all_counts();
  for (std::size_t i = 0; i < kPeerSources; ++i) totals_.addresses[i] -= member->addresses[i];
  up_.remove(member->upload);
  down_.remove(member->download);
  swarm_deadlines_.leave(member->wake);
  swarms_.erase(handle);
  return store;
}

ChannelId Endpoint::Impl::new_channel_id() {
  for (;;) {  // 8.3: random, never 0, unique among ours
    const ChannelId id{static_cast<std::uint32_t>(random_.next_u64() >> 32)};
    if (id.value != 0 && !channels_.contains(id) && half_open_.find(id) == nullptr) return id;
    // A source that is stuck (a fuzz input at its end) must not hang us.
    for (std::uint32_t next = id.value + 1; next != id.value; ++next) {
      const ChannelId other{next};
      if (next != 0 && !channels_.contains(other) && half_open_.find(other) == nullptr)
        return other;
    }
  }
}

Endpoint::Impl::Slot& Endpoint::Impl::add_channel(std::unique_ptr<Channel> channel, Member& member,
                                                  Now now) {
  Channel& added = *channel;
  Slot& slot = channels_.add(added.local());
  slot.channel = std::move(channel);
  slot.wake = deadlines_.enter();
  slot.member = &member;
  slot.upload.channel = slot.download.channel = added.local();
  limit_peer(slot, now);
  slot.was_established = added.established();
  if (slot.was_established) ++established_;
  if (member.swarm->channels().empty()) ++active_swarms_;
  member.swarm->add_channel(added, now);
  if (slot.was_established) look_soon(member, now);
  mark_dirty(member);
  return slot;
}

void Endpoint::Impl::touch(ChannelId id) {
  Slot* const slot = channels_.find(id);
  if (slot == nullptr || slot->ready) return;
  slot->ready = true;
  ready_.push_back(id);
}

void Endpoint::Impl::touch_all(const Swarm& swarm) {
  for (const Channel* channel : swarm.channels()) touch(channel->local());
}

// To be looked at with the end of the batch, or of the next one: that is soon enough for all that
// is not a chunk.
void Endpoint::Impl::mark_dirty(Member& member) {
  if (member.dirty) return;
  member.dirty = true;
  dirty_.push_back(&member);
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
  if (Slot* const slot = channels_.find(*id); slot != nullptr) {
    if (slot->channel->peer() != from) {
      ++counters_.wrong_address;  // decision 11: channels do not migrate
      return;
    }
    hear(*slot, datagram, now);
    if (std::exchange(slot->ready, true)) return;
    ready_.push_back(*id);
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

void Endpoint::Impl::anticipate(std::span<const std::byte> datagram) const {
  if (datagram.empty()) {
    for (const void* place :
         {static_cast<const void*>(&counters_), static_cast<const void*>(&channels_),
          static_cast<const void*>(&deadlines_), static_cast<const void*>(&ready_),
          static_cast<const void*>(&swarms_), static_cast<const void*>(&dirty_),
          static_cast<const void*>(&outgoing_), static_cast<const void*>(&up_),
          static_cast<const void*>(&down_), static_cast<const void*>(&half_open_)}) {
      __builtin_prefetch(place);
    }
    return;
  }
  const auto id = destination(datagram);
  const Slot* const slot = id ? channels_.find(*id) : nullptr;
  if (slot == nullptr) return;
  __builtin_prefetch(slot->member);
  const auto* const channel = reinterpret_cast<const std::byte*>(slot->channel.get());
  for (std::size_t at = 0; at < sizeof(Channel); at += 64) __builtin_prefetch(channel + at);
}

// A datagram for a channel, with what it adds to our counters.
void Endpoint::Impl::hear(Slot& slot, std::span<const std::byte> datagram, Now now) {
  Channel& channel = *slot.channel;
  const std::uint64_t errors = channel.decode_errors();
  const std::uint64_t refused = channel.requests_refused();
  channel.handle_datagram(datagram, *slot.member->swarm, now);
  counters_.decode_errors += channel.decode_errors() - errors;
  counters_.requests_over_limit += channel.requests_refused() - refused;
  if (const auto delay = channel.take_delay_sample()) totals_.queueing_delay.add(*delay);
  mark_dirty(*slot.member);
}

std::size_t Endpoint::Impl::prepare_flush(std::size_t lanes, Now now) {
  scratch_.work.set_lanes(lanes);
  for (Member* member : dirty_) member->swarm->prepare_flush(now);
  const std::size_t parts = scratch_.work.parts();
  return parts > 1 ? parts : 0;
}

// The end of a receive batch: the chunks in it are verified and stored, then channels that closed
// meanwhile may go. Swarms for which nothing came are not looked at.
void Endpoint::Impl::flush(Now now) {
  for (Member* member : dirty_) member->swarm->flush(now);
  scratch_.hashes.clear();
  scratch_.work.clear();
  for (Member* member : dirty_) {
    member->dirty = false;
    drain(*member);
  }
  dirty_.clear();
}

// Hands on what a swarm has for the outside: channels to be served, events, when to wake it,
// counts.
void Endpoint::Impl::drain(Member& member) {
  drain_after_fill(member);
  const Swarm& swarm = *member.swarm;
  swarm_deadlines_.set(
      member.wake, swarm.handle(),
      std::min({swarm.deadline(), swarm.address_book().deadline(), member.look_at}));
}

// The same, where nothing can have happened to the addresses.
void Endpoint::Impl::drain_after_fill(Member& member) {
  ++totals_.swarm_turns;
  Swarm& swarm = *member.swarm;
  for (const ChannelId id : swarm.touched()) touch(id);
  swarm.touched().clear();
  if (!swarm.events().empty()) {
    events_.insert(events_.end(), swarm.events().begin(), swarm.events().end());
    swarm.events().clear();
  }
  swarm_deadlines_.bring_forward(member.wake, swarm.handle(), swarm.deadline());
  counters_.pex = scratch_.pex;
  if (!std::exchange(member.to_report, true)) to_report_.push_back(&member);
}

void Endpoint::Impl::settle(ChannelId id, Now now) {
  Slot* const found = channels_.find(id);
  if (found == nullptr) return;
  Slot& slot = *found;
  Channel& channel = *slot.channel;
  if (channel.established() && !slot.was_established) {
    slot.was_established = true;
    ++established_;
    slot.member->swarm->on_established(channel, now);
    look_soon(*slot.member, now);
    mark_dirty(*slot.member);
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
  Slot* const found = channels_.find(id);
  if (found == nullptr) return;
  Slot& slot = *found;
  Channel& channel = *slot.channel;
  send_closing(channel);
  if (const auto* closed = std::get_if<Closed>(&channel.state())) {
    if (closed->cause == CloseCause::faults) {
      ++counters_.peers_dropped;
      access_.ban_for_faults(channel.peer(), now.monotonic);
    }
    if (closed->cause == CloseCause::silence) ++counters_.peers_dead;
  }
  Member& member = *slot.member;
  Swarm& swarm = *member.swarm;
  swarm.remove_channel(channel, retry_now, now);
  if (swarm.channels().empty()) --active_swarms_;
  if (slot.initiator) by_initiator_.erase({channel.peer(), *slot.initiator});
  if (slot.was_established) {
    --established_;
    events_.push_back({swarm.handle(), event::PeerLeft{channel.peer()}});
  } else {
    events_.push_back({swarm.handle(), event::PeerUnreachable{channel.peer()}});
  }
  up_.remove(member.upload, slot.upload);
  down_.remove(member.download, slot.download);
  deadlines_.leave(slot.wake);
  channels_.remove(id);
  swarm.address_book().hold({});  // there is room again
  start_peers(member, now);
}

void Endpoint::Impl::handle_deadline(Now now) {
  half_open_.expire(now.monotonic);
  sleeping_.expire(now.monotonic);
  std::vector<ChannelId> due;
  due.swap(scratch_ids_);
  due.clear();
  deadlines_.take_due(now.monotonic, due);
  for (const ChannelId id : due) {
    Slot* const slot = channels_.find(id);
    if (slot == nullptr) continue;
    Member& member = *slot->member;
    slot->channel->handle_deadline(*member.swarm, now);
    touch(id);
    drain_after_fill(member);
  }
  due.swap(scratch_ids_);
  due_swarms_.clear();
  swarm_deadlines_.take_due(now.monotonic, due_swarms_);
  for (const SwarmHandle handle : due_swarms_) wake_swarm(*find_member(handle), now);
}

void Endpoint::Impl::wake_swarm(Member& member, Now now) {
  Swarm& swarm = *member.swarm;
  if (swarm.deadline() <= now.monotonic) swarm.handle_deadline(now);
  if (member.look_at <= now.monotonic) look_around(member, now);
  start_peers(member, now);
}

TimePoint Endpoint::Impl::deadline() const {
  if (!ready_.empty() || !outgoing_.empty()) return TimePoint{};
  return std::min({deadlines_.first(), swarm_deadlines_.first(), half_open_.deadline(),
                   sleeping_.deadline(), up_.deadline(), down_.deadline()});
}

std::optional<Event> Endpoint::Impl::poll_event() {
  if (events_.empty()) return std::nullopt;
  const Event event = events_.front();
  events_.pop_front();
  return event;
}

void Endpoint::Impl::handle_too_big(const TransportAddress& to, std::size_t size, Now now) {
  channels_.for_each([&](ChannelId, const Slot& slot) {
    if (slot.channel->peer() == to) slot.channel->handle_too_big(size, now);
  });
}

void Endpoint::Impl::check_invariants() const {
  std::size_t established = 0;
  channels_.for_each([&](ChannelId id, const Slot& slot) {
    if (slot.was_established) ++established;
    PPSPP_ASSERT(slot.channel->local() == id && channels_.find(id) == &slot);
    const auto own = slot.member->swarm->channels();
    PPSPP_ASSERT(std::find(own.begin(), own.end(), slot.channel.get()) != own.end());
  });
  deadlines_.check_invariants();
  swarm_deadlines_.check_invariants();
  PPSPP_ASSERT(established == established_);
  std::size_t channels = 0;
  std::size_t active = 0;
  for (const auto& [handle, member] : swarms_) {
    member.swarm->check_invariants();
    channels += member.swarm->channels().size();
    if (!member.swarm->channels().empty()) ++active;
  }
  PPSPP_ASSERT(channels == channels_.size());
  PPSPP_ASSERT(active == active_swarms_);
  up_.check_invariants();
  down_.check_invariants();
}

bool Endpoint::Impl::idle() const {
  return swarms_.empty() && channels_.empty() && half_open_.size() == 0 && outgoing_.empty() &&
         deadlines_.empty();
}

}  // namespace ppspp
