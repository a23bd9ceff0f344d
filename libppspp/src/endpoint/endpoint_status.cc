// What an Endpoint tells of itself.
#include <algorithm>

#include "endpoint/endpoint_impl.h"

namespace ppspp {
namespace {

ChannelState state_of(const Channel& channel) {
  if (channel.closed()) return ChannelState::closing;
  return channel.established() ? ChannelState::established : ChannelState::connecting;
}

Microseconds time_connected(const Channel& channel, Now now) {
  if (!channel.established()) return Microseconds(0);
  return std::max(Microseconds(0), now.monotonic - channel.established_at());
}

ChannelStatus status_of(const Channel& channel, const Swarm& swarm, Now now) {
  const LedbatController& ledbat = channel.ledbat();
  return {.peer = channel.peer(),
          .state = state_of(channel),
          .inbound = !channel.initiated(),
          .established = channel.established(),
          .peer_complete = channel.peer_complete(swarm.chunk_count()),
          .choked_by_peer = channel.choked(),
          .choked_by_us = channel.choking(),
          .bytes_received = channel.bytes_received(),
          .bytes_sent = channel.bytes_sent(),
          .window = ledbat.window(),
          .flight_size = ledbat.flight_size(),
          .datagram_size = channel.datagram_size(),
          .rtt = channel.rtt().smoothed(),
          .queueing_delay = ledbat.queueing_delay().value_or(Microseconds(0)),
          .base_delay = Microseconds(ledbat.base_delay().value_or(0)),
          .connected_for = time_connected(channel, now),
          .upload_rate = channel.send_rate(now),
          .download_rate = channel.receive_rate(now),
          .requested_chunks = channel.requests().chunks(),
          .queued_chunks = channel.waiting_chunks(),
          .chunks_rejected = channel.chunks_rejected(),
          .peer_chunks = channel.peer_has().count()};
}

EndpointStatistics::Totals counts_of(const Swarm& swarm) {
  const SwarmStatus& counts = swarm.counts();
  const Swarm::ChokeCounts choking = swarm.choke_counts();
  return {.bytes_in = counts.downloaded_bytes,
          .bytes_out = counts.uploaded_bytes,
          .chunks_verified = swarm.chunks_stored(),
          .chunks_rejected = counts.chunks_rejected,
          .chunks_unverifiable = counts.chunks_unverifiable,
          .chunks_duplicate = counts.chunks_duplicate,
          .chunks_retransmitted = counts.chunks_retransmitted,
          .chunks_skipped = swarm.chunks_skipped(),
          .chokes = choking.chokes,
          .optimistic_unchokes = choking.optimistic_unchokes};
}

}  // namespace

// Adds what was counted since the last time.
void Endpoint::Impl::report_counts(Member& member) {
  using Totals = EndpointStatistics::Totals;
  constexpr std::uint64_t Totals::*kAll[] = {&Totals::bytes_in,
                                             &Totals::bytes_out,
                                             &Totals::chunks_verified,
                                             &Totals::chunks_rejected,
                                             &Totals::chunks_unverifiable,
                                             &Totals::chunks_duplicate,
                                             &Totals::chunks_retransmitted,
                                             &Totals::chunks_skipped,
                                             &Totals::chokes,
                                             &Totals::optimistic_unchokes};
  Totals& totals = member.swarm->metadata().live ? totals_.live_swarms : totals_.static_swarms;
  const Totals counts = counts_of(*member.swarm);
  for (const auto count : kAll) totals.*count += counts.*count - member.reported.*count;
  member.reported = counts;
  for (std::size_t i = 0; i < kPeerSources; ++i) {
    const std::size_t known = member.swarm->address_book().count(static_cast<PeerSource>(i));
    totals_.addresses[i] += known - member.addresses[i];
    member.addresses[i] = known;
  }
}

std::vector<ChannelStatus> Endpoint::Impl::channels(SwarmHandle handle, Now now) const {
  std::vector<ChannelStatus> all;
  const Swarm* swarm = find(handle);
  if (swarm == nullptr) return all;
  for (const Channel* channel : swarm->channels()) all.push_back(status_of(*channel, *swarm, now));
  return all;
}

void Endpoint::Impl::report_all_counts() {
  for (Member* member : to_report_) {
    member->to_report = false;
    report_counts(*member);
  }
  to_report_.clear();
}

EndpointStatistics Endpoint::Impl::statistics(Now now) {
  report_all_counts();
  EndpointStatistics all = totals_;
  all.swarms = swarms_.size();
  all.swarms_active = active_swarms_;
  all.swarms_awaited = sleeping_.size() - awake_;
  all.channels_connecting = channels_.size() - established_;
  all.channels_established = established_;
  all.half_open = half_open_.size();
  all.banned = access_.bans(now.monotonic).size();
  channels_.for_each([&all](ChannelId, const Slot& slot) {
    all.requests_queued += slot.channel->waiting_chunks();
    all.requests_outstanding += slot.channel->requests().chunks();
  });
  return all;
}

}  // namespace ppspp
