// What leaves: whose turn it is, and within which limits.
#include <algorithm>

#include "base/assert.h"
#include "endpoint/endpoint_impl.h"

namespace ppspp {
namespace {

// Whoever was just served is not woken sooner than this: a guard against a channel that asks to be
// woken and then has nothing to do.
constexpr Microseconds kSoonest{50};

}  // namespace

void Endpoint::Impl::set_limits(std::optional<std::uint64_t> upload,
                                std::optional<std::uint64_t> download, Now now) {
  up_.set_limit(upload, now.monotonic);
  down_.set_limit(download, now.monotonic);
}

void Endpoint::Impl::set_peer_limits(const RateLimits& limits, Now now) {
  options_.per_peer = limits;
  for (auto& [handle, member] : swarms_) limit_peers(member, now);
}

void Endpoint::Impl::set_swarm_limits(SwarmHandle handle, const SwarmLimits& limits, Now now) {
  Member* member = find_member(handle);
  if (member == nullptr) return;
  member->limits = limits;
  limit_swarm(*member, now);
  limit_peers(*member, now);
  close_surplus(*member, now);
}

void Endpoint::Impl::limit_swarm(Member& member, Now now) {
  const SwarmLimits& limits = member.limits;
  up_.set_limit(member.upload, limits.total.upload, limits.weight, now.monotonic);
  down_.set_limit(member.download, limits.total.download, limits.weight, now.monotonic);
}

void Endpoint::Impl::limit_peers(Member& member, Now now) {
  for (const Channel* channel : member.swarm->channels()) {
    limit_peer(*channels_.find(channel->local()), now);
    touch(channel->local());
  }
}

void Endpoint::Impl::limit_peer(Slot& slot, Now now) {
  const RateLimits& own = slot.member->limits.per_peer;
  const RateLimits& all = options_.per_peer;
  up_.set_limit(slot.upload, own.upload ? own.upload : all.upload, now.monotonic);
  down_.set_limit(slot.download, own.download ? own.download : all.download, now.monotonic);
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
  while (!transmit) {
    const auto [id, turn] = next_channel(now);
    if (turn == Turn::nobody) break;
    transmit = fill_channel(id, turn, buffer, now);
    if (!transmit) transmit = poll_outgoing(buffer);
  }
  if (transmit) {
    counters_.datagrams_out +=
        (transmit->size + transmit->segment_size - 1) / transmit->segment_size;
    counters_.bytes_out += transmit->size;
  }
  return transmit;
}

// Those that wait for a limit go first: there are few of them at a time, as the limits want it.
// Then each channel that is ready gets one train, and it is the next one's turn.
std::pair<ChannelId, Endpoint::Impl::Turn> Endpoint::Impl::next_channel(Now now) {
  if (const auto* waiter = up_.next(now.monotonic)) return {waiter->channel, Turn::upload};
  if (const auto* waiter = down_.next(now.monotonic)) return {waiter->channel, Turn::download};
  if (ready_.empty()) return {ChannelId{}, Turn::nobody};
  const ChannelId id = ready_.front();
  ready_.pop_front();
  return {id, Turn::ready};
}

std::optional<Transmit> Endpoint::Impl::fill_channel(ChannelId id, Turn turn,
                                                     std::span<std::byte> buffer, Now now) {
  Slot* found = channels_.find(id);
  if (found == nullptr) return std::nullopt;
  Member& member = *found->member;
  if (turn == Turn::ready) found->ready = false;
  settle(id, now);
  found = channels_.find(id);
  if (found == nullptr) {
    end_turn(member, turn, now);
    return std::nullopt;
  }
  Slot& slot = *found;
  Swarm& swarm = *member.swarm;
  Channel& channel = *slot.channel;

  swarm.set_request_allowance(
      down_.allowance(member.download, slot.download, turn == Turn::download, now.monotonic));
  const std::uint64_t allowance =
      up_.allowance(member.upload, slot.upload, turn == Turn::upload, now.monotonic);
  const std::uint64_t sent_before = channel.bytes_sent();
  const auto filled = channel.fill(buffer, allowance, swarm, now);
  const TimePoint limited_until =
      charge(slot, filled && channel.bytes_sent() != sent_before ? filled->size : 0, turn, now);
  end_turn(member, turn, now);
  drain_after_fill(member);
  if (filled) {
    if (filled->is_all) {
      schedule(id, slot, limited_until, now);
    } else {
      touch(id);
    }
    return Transmit{channel.peer(), filled->size, filled->segment_size, filled->probe};
  }
  if (channel.closed()) {
    end_channel(id, now, false);
  } else {
    schedule(id, slot, limited_until, now);
  }
  return std::nullopt;
}

// What the channel took of the limits; and if it would take more, but for its own, when.
TimePoint Endpoint::Impl::charge(Slot& slot, std::size_t sent, Turn turn, Now now) {
  Member& member = *slot.member;
  const bool asks_more = member.swarm->held_by_allowance();
  if (const std::uint64_t asked = member.swarm->take_requested_bytes(); asked != 0) {
    down_.take(member.download, slot.download, asked, turn == Turn::download, now.monotonic);
  }
  if (sent != 0) up_.take(member.upload, slot.upload, sent, turn == Turn::upload, now.monotonic);
  TimePoint until = kNever;
  const auto wait = [&](FairShare& share, FairShare::Lane& lane, FairShare::Waiter& waiter) {
    if (const auto at = share.wait(lane, waiter, now.monotonic)) until = std::min(until, *at);
  };
  if (slot.channel->held_by_allowance()) wait(up_, member.upload, slot.upload);
  if (asks_more) wait(down_, member.download, slot.download);
  return until;
}

void Endpoint::Impl::end_turn(Member& member, Turn turn, Now now) {
  if (turn == Turn::upload) up_.settle(member.upload, now.monotonic);
  if (turn == Turn::download) down_.settle(member.download, now.monotonic);
}

void Endpoint::Impl::schedule(ChannelId id, const Slot& slot, TimePoint limited_until, Now now) {
  const TimePoint at = std::min(slot.channel->deadline(*slot.member->swarm), limited_until);
  deadlines_.set(slot.wake, id, std::max(at, now.monotonic + kSoonest));
}

}  // namespace ppspp
