#include "endpoint/half_open.h"

#include <algorithm>

#include "base/assert.h"

namespace ppspp {
namespace {

constexpr Microseconds kLifetime = std::chrono::seconds(12);

}  // namespace

HalfOpenTable::HalfOpenTable(std::size_t max, std::size_t max_per_address)
    : max_(std::max<std::size_t>(1, max)), max_per_address_(max_per_address) {}

// An IPv4 address, or an IPv6 network of 64 bits, of which one host has all addresses.
TransportAddress HalfOpenTable::host_of(const TransportAddress& address) {
  auto bytes = address.bytes();
  if (!address.is_v4()) std::fill(bytes.begin() + 8, bytes.end(), std::uint8_t{0});
  return TransportAddress::v6(bytes, 0);
}

bool HalfOpenTable::add(const HalfOpen& entry, RandomSource& random) {
  std::size_t& of_host = per_host_[host_of(entry.peer)];
  if (of_host >= max_per_address_) return false;
  ++of_host;
  if (entries_.size() >= max_) remove_at(random.below(entries_.size()));
  by_local_[entry.local.value] = entries_.size();
  by_initiator_[{entry.peer, entry.remote}] = entry.local;
  entries_.push_back(entry);
  oldest_ = std::min(oldest_, entry.answered_at);
  return true;
}

const HalfOpen* HalfOpenTable::find(ChannelId local) const {
  const auto found = by_local_.find(local.value);
  return found == by_local_.end() ? nullptr : &entries_[found->second];
}

const HalfOpen* HalfOpenTable::find(const TransportAddress& peer, ChannelId remote) const {
  const auto found = by_initiator_.find({peer, remote});
  return found == by_initiator_.end() ? nullptr : find(found->second);
}

void HalfOpenTable::remove(ChannelId local) {
  if (const auto found = by_local_.find(local.value); found != by_local_.end()) {
    remove_at(found->second);
  }
}

void HalfOpenTable::remove_at(std::size_t place) {
  const auto host = per_host_.find(host_of(entries_[place].peer));
  PPSPP_ASSERT(host != per_host_.end());
  if (--host->second == 0) per_host_.erase(host);
  by_local_.erase(entries_[place].local.value);
  by_initiator_.erase({entries_[place].peer, entries_[place].remote});
  if (place + 1 != entries_.size()) {
    entries_[place] = entries_.back();
    by_local_[entries_[place].local.value] = place;
  }
  entries_.pop_back();
  if (entries_.empty()) oldest_ = kNever;
}

void HalfOpenTable::remove_swarm(SwarmHandle swarm) {
  remove_if([swarm](const HalfOpen& entry) { return entry.swarm == swarm; });
}

void HalfOpenTable::expire(TimePoint now) {
  if (now < deadline()) return;
  oldest_ = kNever;
  for (std::size_t i = entries_.size(); i-- > 0;) {
    if (now >= entries_[i].answered_at + kLifetime) {
      remove_at(i);
    } else {
      oldest_ = std::min(oldest_, entries_[i].answered_at);
    }
  }
  if (entries_.empty()) oldest_ = kNever;
}

TimePoint HalfOpenTable::deadline() const {
  return oldest_ == kNever ? kNever : oldest_ + kLifetime;
}

}  // namespace ppspp
