#include "discovery/address_book.h"

#include <algorithm>

#include "base/assert.h"

namespace ppspp {
namespace {

// When many join together each of them is called by as many as it calls: so of what a tracker names
// half is called at once, and the rest when those who come by themselves are known.
constexpr Microseconds kSecondHalfAfter = std::chrono::seconds(1);
constexpr Microseconds kFirstPause = std::chrono::milliseconds(500);
constexpr Microseconds kLongestPause = std::chrono::minutes(1);
constexpr Microseconds kPauseOfReplaced = std::chrono::minutes(5);
constexpr Microseconds kPauseAfterFaults = std::chrono::minutes(10);
constexpr Microseconds kFirstAvoided = std::chrono::minutes(10);
constexpr Microseconds kLongestAvoided = std::chrono::hours(2);
// A peer that told so many addresses at which nobody answers, and few at which somebody does, is
// not believed for a while. An honest one may know peers that only it can reach.
constexpr std::uint16_t kFailuresOfTeller = 24;
constexpr Microseconds kTellerBlocked = std::chrono::minutes(10);
// Whom nobody vouches for is forgotten after so many handshakes without an answer.
constexpr std::uint8_t kMostFailures = 5;

// The order in which addresses are tried: what others may have forged comes last.
constexpr PeerSource kOrder[] = {PeerSource::user,      PeerSource::local,   PeerSource::tracker,
                                 PeerSource::certified, PeerSource::inbound, PeerSource::pex};

std::size_t rank(PeerSource source) {
  return static_cast<std::size_t>(std::find(std::begin(kOrder), std::end(kOrder), source) -
                                  std::begin(kOrder));
}

bool is_told_by_peer(PeerSource source) {
  return source == PeerSource::pex || source == PeerSource::certified;
}

// Named by the user, or seen here: no number of them can be made up from afar.
bool is_counted(PeerSource source) {
  return source != PeerSource::user && source != PeerSource::local;
}

Network counted_network(const TransportAddress& address) {
  if (address.is_internal()) return Network::of(address);
  return Network::of(address, address.is_v4() ? 24 : 64);
}

// Who tells is an IP address; on loopback, where all have the same one, with its port.
TransportAddress teller_key(const TransportAddress& address) {
  if (address.is_loopback()) return address;
  return TransportAddress::v6(address.bytes(), 0, address.scope_id());
}

}  // namespace

AddressBook::Entry* AddressBook::find(const TransportAddress& address) {
  const auto found = entries_.find(address);
  return found == entries_.end() ? nullptr : &found->second;
}

std::optional<PeerSource> AddressBook::source_of(const TransportAddress& address) const {
  const auto found = entries_.find(address);
  if (found == entries_.end()) return std::nullopt;
  return found->second.source;
}

bool AddressBook::add(const TransportAddress& address, PeerSource source, TimePoint now,
                      RandomSource& random, const TransportAddress& teller) {
  if (address.port() == 0 || address.is_unspecified()) return false;
  if (Entry* known = find(address)) {
    if (rank(source) < rank(known->source)) upgrade(*known, source);
    return false;
  }
  if (is_counted(source) && network_is_full(address, source)) return false;
  if (!is_trusted(source) && is_avoided(address, now)) return false;
  Teller* const told_by = is_told_by_peer(source) ? teller_for(teller, now) : nullptr;
  if (is_told_by_peer(source) && told_by == nullptr) return false;
  if (!make_room(source)) return false;
  Entry& entry = entries_[address];
  entry.address = address;
  entry.source = source;
  entry.next_attempt = now;
  if (source == PeerSource::tracker && entries_.size() > (goal_ + 1) / 2) {
    entry.next_attempt += kSecondHalfAfter;
  }
  entry.pause = kFirstPause;
  // As the user named them; others at random, so that nobody can choose who comes first.
  const std::uint64_t chosen = is_counted(source) ? random.next_u64() >> 32 : 0;
  entry.order = chosen << 32 | sequence_++;
  ++counts_[index(source)];
  if (is_counted(source)) ++networks_[counted_network(address)];
  if (told_by != nullptr) {
    entry.teller = teller_key(teller);
    ++told_by->pending;
  }
  enqueue(entry);
  return true;
}

// Somebody vouches for it who is more to be trusted.
void AddressBook::upgrade(Entry& entry, PeerSource source) {
  if (counts_[index(source)] >= kMaxOf[index(source)]) return;
  const ChannelId channel = entry.channel;
  const bool ours = entry.ours;
  const bool established = entry.established;
  if (channel.value != 0) {
    vacate(entry);
  } else {
    dequeue(entry);
  }
  settle_teller(entry, false, TimePoint{});
  --counts_[index(entry.source)];
  ++counts_[index(source)];
  if (is_counted(entry.source) && !is_counted(source)) {
    const auto network = networks_.find(counted_network(entry.address));
    if (--network->second == 0) networks_.erase(network);
  }
  entry.source = source;
  if (channel.value != 0) {
    occupy(entry, channel, ours);
    if (established) set_established(entry);
  } else {
    enqueue(entry);
  }
}

// The one that was sought in vain for the longest makes way, if there is one.
bool AddressBook::make_room(PeerSource source) {
  if (counts_[index(source)] < kMaxOf[index(source)]) return true;
  for (const bool good : {false, true}) {
    const Queue& candidates = queue(source, good);
    if (candidates.empty()) continue;
    Entry& last = *candidates.rbegin()->entry;
    if (last.failures == 0) continue;
    forget(last);
    return true;
  }
  return false;
}

bool AddressBook::network_is_full(const TransportAddress& address, PeerSource source) const {
  if (address.is_loopback()) return false;
  const auto found = networks_.find(counted_network(address));
  if (found == networks_.end()) return false;
  const std::size_t most = address.is_internal() ? kMaxPerInternalHost : kMaxPerNetwork;
  return found->second >= (source == PeerSource::tracker ? most * 4 : most);
}

// Whether one more address is taken of this peer.
AddressBook::Teller* AddressBook::teller_for(const TransportAddress& address, TimePoint now) {
  const TransportAddress key = teller_key(address);
  if (!tellers_.contains(key) && tellers_.size() >= kMaxTellers) {
    std::erase_if(tellers_, [now](const auto& teller) {
      return teller.second.pending == 0 && teller.second.blocked_until <= now;
    });
    if (tellers_.size() >= kMaxTellers) return nullptr;
  }
  Teller& teller = tellers_[key];
  return teller.pending >= kMaxPerTeller || now < teller.blocked_until ? nullptr : &teller;
}

// What a peer told has been tried; with no time, it was not: it is known in another way now.
void AddressBook::settle_teller(Entry& entry, bool answered, TimePoint now) {
  if (entry.teller.is_unspecified()) return;
  const auto found = tellers_.find(entry.teller);
  entry.teller = {};
  PPSPP_ASSERT(found != tellers_.end());
  Teller& teller = found->second;
  --teller.pending;
  if (now == TimePoint{}) return;
  ++(answered ? teller.answered : teller.failed);
  if (teller.answered >= kFailuresOfTeller) teller.answered /= 2, teller.failed /= 2;
  if (teller.failed < kFailuresOfTeller || teller.answered * 3 >= teller.failed) return;
  teller.failed = teller.answered = 0;
  teller.blocked_until = now + kTellerBlocked;
}

bool AddressBook::is_avoided(const TransportAddress& address, TimePoint now) const {
  const auto found = avoided_.find(address);
  return found != avoided_.end() && now < found->second.until;
}

void AddressBook::avoid(const TransportAddress& address, TimePoint now) {
  if (!avoided_.contains(address) && avoided_.size() >= kMaxAvoided) {
    avoided_.erase(std::min_element(
        avoided_.begin(), avoided_.end(),
        [](const auto& a, const auto& b) { return a.second.until < b.second.until; }));
  }
  Avoided& avoided = avoided_[address];
  avoided.pause = std::clamp<Microseconds>(avoided.pause * 2, kFirstAvoided, kLongestAvoided);
  avoided.until = now + avoided.pause;
}

bool AddressBook::wants_more_of(PeerSource source) const {
  if (source == PeerSource::user) return true;
  if (ours_ >= goal_) return false;
  return is_trusted(source) ||
         (ours_by_peers_ < share_of_peers() && trying_by_peers_ < kMaxUnprovenAttempts);
}

std::optional<AddressBook::Candidate> AddressBook::next(TimePoint now, bool prefer_unknown) const {
  if (now < held_until_) return std::nullopt;
  for (const bool good : {!prefer_unknown, prefer_unknown}) {
    for (const PeerSource source : kOrder) {
      const Queue& candidates = queue(source, good);
      if (candidates.empty() || candidates.begin()->at > now || !wants_more_of(source)) continue;
      return Candidate{candidates.begin()->entry->address, source};
    }
  }
  return std::nullopt;
}

bool AddressBook::has_candidate(TimePoint now) const {
  return std::any_of(queues_.begin(), queues_.end(), [now](const Queue& candidates) {
    return !candidates.empty() && candidates.begin()->at <= now;
  });
}

TimePoint AddressBook::deadline() const {
  TimePoint first = kNever;
  for (const PeerSource source : kOrder) {
    if (!wants_more_of(source)) continue;
    for (const bool good : {false, true}) {
      const Queue& candidates = queue(source, good);
      if (!candidates.empty()) first = std::min(first, candidates.begin()->at);
    }
  }
  return first == kNever ? first : std::max(first, held_until_);
}

void AddressBook::on_connecting(const TransportAddress& address, ChannelId channel, bool ours) {
  Entry* entry = find(address);
  if (entry == nullptr) return;
  if (entry->channel.value != 0) {
    vacate(*entry);
  } else {
    dequeue(*entry);
  }
  occupy(*entry, channel, ours);
}

void AddressBook::on_established(const TransportAddress& address) {
  Entry* entry = find(address);
  if (entry == nullptr || entry->channel.value == 0) return;
  set_established(*entry);
  entry->pause = kFirstPause;
  entry->failures = 0;
  settle_teller(*entry, true, TimePoint::max());
  avoided_.erase(address);
}

void AddressBook::on_closed(const TransportAddress& address, ChannelId channel, Ending ending,
                            bool useful, TimePoint now) {
  Entry* entry = find(address);
  if (entry == nullptr || entry->channel != channel) return;
  const bool ours = entry->ours;
  vacate(*entry);
  entry->good = entry->good || useful;
  switch (ending) {
    case Ending::unreachable:
      if (!ours) break;
      settle_teller(*entry, false, now);
      if (entry->failures < kMostFailures) ++entry->failures;
      if (is_told_by_peer(entry->source)) {
        avoid(address, now);
        return forget(*entry);
      }
      if (is_counted(entry->source) && entry->failures >= kMostFailures) return forget(*entry);
      break;
    case Ending::forgotten:
      entry->next_attempt = now;
      return enqueue(*entry);
    case Ending::replaced:
      entry->next_attempt = now + kPauseOfReplaced;
      return enqueue(*entry);
    case Ending::faults:
      entry->good = false;
      if (is_counted(entry->source)) {
        avoid(address, now);
        return forget(*entry);
      }
      entry->next_attempt = now + kPauseAfterFaults;
      return enqueue(*entry);
    case Ending::ordinary:
      break;
  }
  schedule(*entry, now);
}

void AddressBook::postpone(const TransportAddress& address, TimePoint now) {
  Entry* entry = find(address);
  if (entry == nullptr || entry->channel.value != 0) return;
  dequeue(*entry);
  schedule(*entry, now);
}

void AddressBook::schedule(Entry& entry, TimePoint now) {
  entry.next_attempt = now + entry.pause;
  entry.pause = std::min<Microseconds>(entry.pause * 2, kLongestPause);
  enqueue(entry);
}

void AddressBook::enqueue(Entry& entry) {
  queue_of(entry).insert({entry.next_attempt, entry.order, &entry});
}

void AddressBook::dequeue(Entry& entry) {
  queue_of(entry).erase({entry.next_attempt, entry.order, &entry});
}

void AddressBook::occupy(Entry& entry, ChannelId channel, bool ours) {
  entry.channel = channel;
  entry.ours = ours;
  entry.established = false;
  if (!ours) return;
  ++ours_;
  if (is_trusted(entry.source)) return;
  ++ours_by_peers_;
  ++trying_by_peers_;
}

void AddressBook::set_established(Entry& entry) {
  if (!entry.established && entry.ours && !is_trusted(entry.source)) --trying_by_peers_;
  entry.established = true;
}

void AddressBook::vacate(Entry& entry) {
  entry.channel = {};
  if (!entry.ours) return;
  entry.ours = false;
  --ours_;
  if (is_trusted(entry.source)) return;
  --ours_by_peers_;
  if (!entry.established) --trying_by_peers_;
}

// The entry is not valid afterwards.
void AddressBook::forget(Entry& entry) {
  dequeue(entry);
  settle_teller(entry, false, TimePoint{});
  --counts_[index(entry.source)];
  if (is_counted(entry.source)) {
    const auto network = networks_.find(counted_network(entry.address));
    if (--network->second == 0) networks_.erase(network);
  }
  const TransportAddress address = entry.address;
  entries_.erase(address);
}

void AddressBook::check_invariants() const {
  std::array<std::size_t, kPeerSources> counts = {};
  std::size_t queued = 0;
  std::size_t pending = 0;
  std::size_t ours = 0;
  std::size_t trying = 0;
  for (const auto& [address, entry] : entries_) {
    ++counts[index(entry.source)];
    if (entry.channel.value == 0) ++queued;
    if (!entry.teller.is_unspecified()) ++pending;
    if (entry.ours) ++ours;
    if (entry.ours && !is_trusted(entry.source) && !entry.established) ++trying;
  }
  PPSPP_ASSERT(counts == counts_);
  PPSPP_ASSERT(ours == ours_ && trying == trying_by_peers_);
  for (std::size_t i = 0; i < kPeerSources; ++i) PPSPP_ASSERT(counts[i] <= kMaxOf[i]);
  for (const Queue& candidates : queues_) queued -= candidates.size();
  PPSPP_ASSERT(queued == 0);
  for (const auto& [address, teller] : tellers_) pending -= teller.pending;
  PPSPP_ASSERT(pending == 0);
  PPSPP_ASSERT(avoided_.size() <= kMaxAvoided && tellers_.size() <= kMaxTellers);
}

}  // namespace ppspp
