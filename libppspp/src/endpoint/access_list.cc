#include "endpoint/access_list.h"

#include <algorithm>
#include <map>

namespace ppspp {
namespace {

// So long that it is as good as for good, and no sum overflows.
constexpr Microseconds kLongestBan = std::chrono::hours(24 * 365 * 100);

}  // namespace

void AccessList::set_rules(const AddressRules& rules) {
  allowed_ = {};
  denied_ = {};
  for (const Network& network : rules.allow) allowed_.set(network, {});
  for (const Network& network : rules.deny) denied_.set(network, {});
}

void AccessList::ban(const Network& network, std::optional<Microseconds> duration, TimePoint now) {
  // Those that are over are cleared away when others come.
  std::vector<Network> over;
  for (const auto& [banned, until] : banned_.entries()) {
    if (until <= now) over.push_back(banned);
  }
  for (const Network& banned : over) banned_.erase(banned);
  const TimePoint until =
      duration ? now + std::clamp(*duration, Microseconds{0}, kLongestBan) : kNever;
  banned_.set(network, until);
}

bool AccessList::unban(const Network& network) {
  const bool was_banned = banned_.erase(network);
  return faulty_.forgive(network) || was_banned;
}

bool AccessList::allows(const TransportAddress& address, TimePoint now) const {
  const auto anyway = [](Nothing) { return true; };
  if (denied_.any_around(address, anyway)) return false;
  if (!allowed_.empty() && !allowed_.any_around(address, anyway)) return false;
  return !banned_.any_around(address, [now](TimePoint until) { return now < until; }) &&
         !faulty_.contains(address, now);
}

std::vector<Ban> AccessList::bans(TimePoint now) const {
  std::vector<Ban> all;
  for (const auto& [network, until] : banned_.entries()) {
    if (until == kNever) {
      all.push_back({network, std::nullopt, false});
    } else if (now < until) {
      all.push_back({network, until - now, false});
    }
  }
  // Several ports of one address count as one, with the longest that remains.
  std::map<Network, Microseconds> faulty;
  faulty_.for_each(now, [&](const TransportAddress& peer, Microseconds remaining) {
    Microseconds& longest = faulty[Network::of(peer)];
    longest = std::max(longest, remaining);
  });
  for (const auto& [network, remaining] : faulty) all.push_back({network, remaining, true});
  return all;
}

}  // namespace ppspp
