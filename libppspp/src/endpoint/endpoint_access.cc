// Who is talked to, and swarms that sleep.
#include <algorithm>
#include <vector>

#include "endpoint/endpoint_impl.h"

namespace ppspp {

void Endpoint::Impl::set_address_rules(const AddressRules& rules, Now now) {
  access_.set_rules(rules);
  enforce_access(now);
}

void Endpoint::Impl::ban(const Network& network, std::optional<Microseconds> duration, Now now) {
  access_.ban(network, duration, now.monotonic);
  enforce_access(now);
}

// Forgets whoever is forbidden now, without a word to them.
void Endpoint::Impl::enforce_access(Now now) {
  const auto forbidden = [&](const TransportAddress& address) {
    return !access_.allows(address, now.monotonic);
  };
  half_open_.remove_if([&](const HalfOpen& entry) { return forbidden(entry.peer); });
  sleeping_.drop(forbidden);
  std::vector<ChannelId> ended;
  for (const auto& [handle, member] : swarms_) {
    for (Channel* channel : member.swarm->channels()) {
      if (!forbidden(channel->peer())) continue;
      channel->close("its address is forbidden", false);
      ended.push_back(channel->local());
    }
  }
  for (const ChannelId id : ended) end_channel(id, now, false);
  std::erase_if(outgoing_, [&](const Outgoing& datagram) { return forbidden(datagram.to); });
}

void Endpoint::Impl::await(const SwarmId& id) {
  if (id.empty() || sleeping_.contains(id)) return;
  sleeping_.add(id);
  if (by_id_.contains(id)) ++awake_;
}

void Endpoint::Impl::stop_awaiting(const SwarmId& id) {
  if (!sleeping_.contains(id)) return;
  std::erase_if(events_, [&](const Event& event) {
    const auto* const wanted = std::get_if<event::Wanted>(&event.what);
    return wanted != nullptr && wanted->id == id;
  });
  sleeping_.remove(id);
  if (by_id_.contains(id)) --awake_;
}

}  // namespace ppspp
