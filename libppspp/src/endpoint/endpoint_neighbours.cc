// Whether a swarm has the right neighbours: enough of them, some unknown ones tried now and then in
// place of those that are good for nothing, and none where places are short and neither end has
// anything for the other (RFC 7574, 3.10, 12.2.3, 12.6.1).
#include <algorithm>
#include <map>

#include "endpoint/endpoint_impl.h"
#include "endpoint/peer_choice.h"

namespace ppspp {
namespace {

constexpr Microseconds kFirstLook = std::chrono::milliseconds(500);
constexpr Microseconds kLookAgain = std::chrono::seconds(2);
constexpr Microseconds kLookAgainMost = std::chrono::seconds(10);  // while there are candidates
constexpr Microseconds kExploreEvery = std::chrono::minutes(1);
// How long a new neighbour has to show what it is good for.
constexpr Microseconds kGrace = std::chrono::seconds(30);
constexpr unsigned kAddressBits = 64;  // of IPv6: a host may have as many addresses as it likes

Neighbour neighbour_of(const Channel& channel, Now now) {
  return {.rate = channel.receive_rate(now) + channel.send_rate(now),
          .rtt = channel.rtt().smoothed()};
}

}  // namespace

void Endpoint::Impl::look_soon(Member& member, Now now) {
  member.look_at = std::min(member.look_at, now.monotonic + kFirstLook);
  if (member.explore_at == kNever) member.explore_at = now.monotonic + kExploreEvery;
}

void Endpoint::Impl::look_around(Member& member, Now now) {
  Swarm& swarm = *member.swarm;
  member.look_at = kNever;
  if (swarm.channels().empty() || swarm.complete()) return;
  if (swarm.wants_more_peers(now)) {
    member.look_at = std::max(swarm.ask_for_peers(now), now.monotonic + kLookAgain);
  }
  if (now.monotonic >= member.explore_at) explore(member, now);
  if (!swarm.address_book().has_candidate(now.monotonic)) return;
  member.look_at = std::min({member.look_at, member.explore_at, now.monotonic + kLookAgainMost});
}

// In place of a neighbour that is good for little, one that nothing is known about; once a minute
// at most, and only where there is no place left for it.
bool Endpoint::Impl::explore(Member& member, Now now) {
  member.explore_at = now.monotonic + kExploreEvery + Microseconds(random_.below(10'000'000));
  Swarm& swarm = *member.swarm;
  const AddressBook& book = swarm.address_book();
  if (book.ours() < book.goal() || !book.has_candidate(now.monotonic)) return false;
  std::vector<Neighbour> neighbours;
  std::vector<Channel*> channels;
  for (Channel* channel : swarm.channels()) {
    if (!channel->established()) continue;
    neighbours.push_back(neighbour_of(*channel, now));
    const auto source = book.source_of(channel->peer());
    neighbours.back().may_go = channel->initiated() && source && *source != PeerSource::user &&
                               channel->requests().empty() &&
                               now.monotonic - channel->established_at() >= kGrace;
    channels.push_back(channel);
  }
  const auto worst = least_useful(neighbours);
  if (!worst) return false;
  member.exploring = true;
  replace(*channels[*worst], "another peer is tried", now);
  return true;
}

// Two that have everything have nothing to say to each other. Such channels are kept, as the peer
// may come back to ask for something else, until somebody needs the place.
bool Endpoint::Impl::make_room(Member& member, Now now) {
  Swarm& swarm = *member.swarm;
  if (swarm.metadata().live || !swarm.complete()) return false;
  for (Channel* channel : swarm.channels()) {
    const bool idle = channel->established() && channel->has_nothing_to_send() &&
                      now.monotonic - channel->established_at() >= kGrace;
    if (!idle || !channel->peer_complete(swarm.chunk_count())) continue;
    replace(*channel, "both have everything, and the place is needed", now);
    return true;
  }
  return false;
}

// Who came to us and is good for nothing must not keep out who comes later (12.6.1): where all
// places are taken, that is one of the address with most of them, if the newcomer's has clearly
// fewer, and else one with whom nothing was exchanged for long. Null: all are better than a
// stranger.
Channel* Endpoint::Impl::stranger_to_go(const Member& member, const TransportAddress& newcomer,
                                        Now now) const {
  const auto host_of = [](const TransportAddress& address) {
    return Network::of(address, kAddressBits);
  };
  std::map<Network, std::size_t> hosts;
  std::size_t most = 0;
  for (const Channel* channel : member.swarm->channels()) {
    if (channel->initiated()) continue;
    most = std::max(most, ++hosts[host_of(channel->peer())]);
  }
  const bool one_has_many = most > hosts[host_of(newcomer)] + 1;
  const auto exchanged = [](const Channel* channel) {
    return channel->bytes_received() + channel->bytes_sent();
  };
  Channel* worst = nullptr;
  for (Channel* channel : member.swarm->channels()) {
    if (channel->initiated() || !channel->established()) continue;
    const bool of_many = one_has_many && hosts[host_of(channel->peer())] == most;
    const bool idle =
        exchanged(channel) == 0 && now.monotonic - channel->established_at() >= kGrace;
    if (!of_many && (one_has_many || !idle)) continue;
    if (worst == nullptr || exchanged(channel) < exchanged(worst)) worst = channel;
  }
  return worst;
}

// Of a swarm that is allowed fewer channels than it has: those go that carry least, of equals those
// that have carried least, then the newest.
void Endpoint::Impl::close_surplus(Member& member, Now now) {
  const std::size_t most = channel_limit(member);
  const auto all = member.swarm->channels();
  if (most == 0 || all.size() <= most) return;
  std::vector<Channel*> channels(all.begin(), all.end());
  const auto worth = [now](const Channel* channel) {
    const Neighbour neighbour = neighbour_of(*channel, now);
    return std::tuple(channel->established(), neighbour.rate,
                      channel->bytes_received() + channel->bytes_sent(),
                      now.monotonic - channel->established_at(), channel->local().value);
  };
  std::sort(channels.begin(), channels.end(),
            [&](const Channel* one, const Channel* other) { return worth(one) > worth(other); });
  for (std::size_t i = most; i < channels.size(); ++i) {
    replace(*channels[i], "fewer peers are allowed", now);
  }
}

void Endpoint::Impl::replace(Channel& channel, std::string_view reason, Now now) {
  ++counters_.peers_replaced;
  channel.close(reason, true, CloseCause::replaced);
  settle(channel.local(), now);
}

}  // namespace ppspp
