// The responder's side of the three-way handshake, before there is a channel (RFC
// 7574, 3.1.1, 12.1).
#include <algorithm>
#include <array>

#include "base/log.h"
#include "endpoint/endpoint_impl.h"

namespace ppspp {
namespace {

constexpr std::size_t kMaxOutgoing = 1'024;
constexpr std::size_t kAmplification = 3;  // decision 16
// Who initiates may also be asked by others: they never get all places (12.6.1).
constexpr std::size_t kInboundShare = 8;  // of 10
constexpr Microseconds kAlive = std::chrono::seconds(2);
// How long a handshake is tried with whom a tracker or the network named, and with others: six and
// four datagrams.
constexpr Microseconds kPatience = std::chrono::seconds(20);
constexpr Microseconds kLittlePatience = std::chrono::seconds(7);
constexpr Microseconds kUserPatience = std::chrono::minutes(3);  // 3.1.1(5): the rules of 3.12
constexpr Microseconds kRoomAgain = std::chrono::seconds(1);     // full: when to look again

}  // namespace

std::size_t Endpoint::Impl::channel_limit(const Member& member) const {
  const std::size_t own = member.limits.max_channels;
  return own != 0 ? own : options_.max_channels_per_swarm;
}

// Whether the swarm may have one more channel, by its own limit.
bool Endpoint::Impl::has_room(const Member& member) const {
  const std::size_t most = channel_limit(member);
  return most == 0 || member.swarm->channels().size() < most;
}

bool Endpoint::Impl::admits_inbound(const Member& member) const {
  const std::size_t most = std::max<std::size_t>(1, options_.max_channels * kInboundShare / 10);
  if (established_ >= most || !has_room(member)) return false;
  const std::size_t own = channel_limit(member);
  const std::size_t ours = member.swarm->address_book().ours();
  return own == 0 || member.swarm->channels().size() - ours < own - own * (10 - kInboundShare) / 10;
}

// Our own first datagram, come back because we were told of our own address as a peer's.
bool Endpoint::Impl::is_own_handshake(ChannelId source) const {
  const Slot* const slot = channels_.find(source);
  return slot != nullptr && !slot->was_established;
}

const Endpoint::Impl::Slot* Endpoint::Impl::find_initiated_by(const TransportAddress& peer,
                                                              ChannelId initiator) const {
  const auto found = by_initiator_.find({peer, initiator});
  if (found == by_initiator_.end()) return nullptr;
  return channels_.find(found->second);
}

// Anything that is not as it should be is met with silence: the datagram may be forged (#19).
void Endpoint::Impl::handle_first_datagram(std::span<const std::byte> datagram,
                                           const TransportAddress& from, Now now) {
  if (!access_.allows(from, now.monotonic)) {
    ++counters_.handshakes_forbidden;
    return;
  }
  const auto first = read_handshake(datagram);
  if (!first) {
    ++counters_.decode_errors;
    return;
  }
  const Handshake& handshake = first->handshake;
  const auto& id = handshake.options.swarm_id;
  const bool named = id && !id->empty() && id->size() <= SwarmId::kMaxSize;
  const SwarmId swarm_id = named ? SwarmId(*id) : SwarmId();
  const auto known = by_id_.find(swarm_id);
  if (known == by_id_.end() && handshake.source.value != 0 && sleeping_.contains(swarm_id)) {
    return wake(swarm_id, datagram, from, now);
  }
  Member* const member = known == by_id_.end() ? nullptr : find_member(known->second);
  Swarm* const swarm = member == nullptr ? nullptr : member->swarm.get();
  const auto capabilities = swarm != nullptr && handshake.source.value != 0
                                ? check_handshake(handshake.options, swarm->metadata(), true)
                                : std::nullopt;
  if (!capabilities || !swarm->may_talk_to(from) || is_own_handshake(handshake.source)) {
    ++counters_.handshakes_refused;
    return;
  }
  // A duplicate gets the same answer and makes no second state (8.2 #237).
  if (const HalfOpen* entry = half_open_.find(from, handshake.source)) {
    return answer(*entry, *swarm, datagram.size());
  }
  if (const Slot* slot = find_initiated_by(from, handshake.source)) {
    HalfOpen entry;
    entry.local = slot->channel->local();
    entry.remote = handshake.source;
    entry.peer = from;
    entry.capabilities = slot->channel->capabilities();
    return answer(entry, *swarm, datagram.size());
  }
  HalfOpen entry{.local = new_channel_id(),
                 .remote = handshake.source,
                 .peer = from,
                 .swarm = swarm->handle(),
                 .answered_at = now.monotonic,
                 .capabilities = *capabilities};
  // Minor payload is accepted (#17): what the peer has, as far as it is worth remembering.
  std::size_t haves = 0;
  DatagramReader reader = read_rest(first->rest, swarm->format());
  while (const auto message = reader.next()) {
    const auto* have = std::get_if<Have>(&*message);
    if (have != nullptr && haves < HalfOpen::kMaxHaves) entry.haves[haves++] = have->chunks;
  }
  const bool admitted = admits_inbound(*member) || make_room(*member, now) ||
                        stranger_to_go(*member, from, now) != nullptr;
  if (!admitted || !half_open_.add(entry, random_)) {
    ++counters_.handshakes_over_limit;
    return;
  }
  answer(entry, *swarm, datagram.size());
}

// A handshake for a swarm that sleeps.
void Endpoint::Impl::wake(const SwarmId& id, std::span<const std::byte> datagram,
                          const TransportAddress& from, Now now) {
  switch (sleeping_.keep(id, from, datagram, now.monotonic)) {
    case SleepingSwarms::Kept::first:
      events_.push_back({SwarmHandle{}, event::Wanted{id}});
      return;
    case SleepingSwarms::Kept::again:
      return;
    case SleepingSwarms::Kept::no_room:
      ++counters_.handshakes_over_limit;
  }
}

// The second datagram: HANDSHAKE and, as minor payload, what we have; never much more than asked.
void Endpoint::Impl::answer(const HalfOpen& entry, Swarm& swarm, std::size_t asked) {
  if (outgoing_.size() >= kMaxOutgoing) return;
  const std::size_t most = std::min(asked * kAmplification, options_.base_datagram_size);
  std::vector<std::byte> octets(most);
  ByteWriter out(octets);
  write_channel(out, entry.remote);
  write_handshake(
      out, Handshake{entry.local, handshake_options(swarm.metadata(), swarm.discard_window(), false,
                                                    entry.capabilities.draft_era)});
  if (!out.ok()) return;
  const WireFormat& format = swarm.format();
  ChunkIndex from = 0;
  const bool listens =
      entry.capabilities.messages.test(static_cast<std::size_t>(MessageType::have));
  for (int count = 0; listens && count < 8 && out.fits(format.have_size()); ++count) {
    const ChunkRange run = swarm.announced().next_run(from);
    const ChunkRange named = run.empty() ? run : nameable_front(run, format);
    if (named.empty()) break;
    write_have(out, named, format);
    from = named.end;
  }
  octets.resize(out.size());
  outgoing_.push_back({entry.peer, std::move(octets)});
}

// The third datagram carries our channel ID: the peer is where it says it is (3.1.1(7)).
void Endpoint::Impl::confirm(const HalfOpen& half_open, std::span<const std::byte> datagram,
                             Now now) {
  const HalfOpen entry = half_open;
  half_open_.remove(entry.local);
  Member* const member = find_member(entry.swarm);
  if (member == nullptr) return;
  if (!admits_inbound(*member)) {
    Channel* const stranger = stranger_to_go(*member, entry.peer, now);
    if (stranger == nullptr) return;
    replace(*stranger, "another peer needs the place more", now);
    if (!admits_inbound(*member)) return;
  }
  Swarm& swarm = *member->swarm;
  auto channel = std::make_unique<Channel>(entry.local, entry.remote, entry.peer,
                                           entry.capabilities, options_for(swarm), now);
  Channel& fresh = *channel;
  // Later it may have been asked for a second time, and which of our answers this one is for does
  // not show (Karn). A feed sends little at once, and may begin when the queues on the way are full
  // that were empty then: by so short a time it would take its chunks for lost.
  const Microseconds since = now.monotonic - entry.answered_at;
  if (since < kFirstHandshakeResend && swarm.as_live() == nullptr) {
    fresh.learn_round_trip(since, now);
  }
  const Initiator initiator{entry.peer, entry.remote};
  Slot& slot = add_channel(std::move(channel), *member, now);
  slot.initiator = entry.remote;
  by_initiator_[initiator] = entry.local;
  for (const ChunkRange have : entry.haves) fresh.learn_have(have, swarm, now);
  hear(slot, datagram, now);
  touch(entry.local);
  settle(entry.local, now);
  settle_twins(entry.local, now);
}

// Two channels to one peer in one swarm: it lost its memory and came back, or both opened at once.
void Endpoint::Impl::settle_twins(ChannelId fresh_id, Now now) {
  Slot* const slot = channels_.find(fresh_id);
  if (slot == nullptr || !slot->channel->established()) return;
  Swarm& swarm = *slot->member->swarm;
  Channel& fresh = *slot->channel;
  Channel* twin = nullptr;
  for (Channel* other : swarm.channels()) {
    if (other != &fresh && other->established() && other->peer() == fresh.peer()) twin = other;
  }
  if (twin == nullptr) return;
  const bool silent = now.monotonic - twin->last_received_at() > kAlive;
  const bool both_opened = twin->initiated() != fresh.initiated();
  // Both ends know both numbers of both channels, so both keep the same one.
  const bool keep_twin = both_opened && !silent && twin->tag() > fresh.tag();
  Channel& ended = keep_twin ? fresh : *twin;
  ended.close("a second channel to the same peer", true);
  settle(ended.local(), now);
}

// The first datagram to a peer. Whom nobody vouches for gets a few of them: it may be somebody who
// knows nothing of us (12.2).
void Endpoint::Impl::connect(Member& member, const AddressBook::Candidate& peer, Now now) {
  const Microseconds patience = peer.source == PeerSource::user        ? kUserPatience
                                : AddressBook::is_trusted(peer.source) ? kPatience
                                                                       : kLittlePatience;
  auto channel = std::make_unique<Channel>(new_channel_id(), peer.address,
                                           options_for(*member.swarm), patience, now);
  const ChannelId id = channel->local();
  add_channel(std::move(channel), member, now);
  touch(id);
}

void Endpoint::Impl::start_peers(Member& member, Now now) {
  if (member.leaving) return;
  AddressBook& book = member.swarm->address_book();
  while (const auto peer = book.next(now.monotonic, member.exploring)) {
    if (channels_.size() >= options_.max_channels || !has_room(member)) {
      if (make_room(member, now)) continue;  // and somebody may have been called meanwhile
      book.hold(now.monotonic + kRoomAgain);
      break;
    }
    if (!member.swarm->may_talk_to(peer->address) ||
        !access_.allows(peer->address, now.monotonic)) {
      book.postpone(peer->address, now.monotonic);
      continue;
    }
    connect(member, *peer, now);
  }
  member.exploring = false;
  drain(member);
}

}  // namespace ppspp
