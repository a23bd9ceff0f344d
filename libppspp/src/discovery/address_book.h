// The addresses that a swarm knows of its peers, from where it knows them, and when to try which
// (again): a peer that is gone today may be back tomorrow.
//
// Most addresses are told by strangers, and some of them lie (RFC 7574, 12.2). So there is room for
// so many of each source, of each network where the source proves little, and of each peer that
// tells; part of the channels that we begin is kept for addresses that no peer told (3.10.1); what
// a peer told is tried for seconds and, when nobody answers, forgotten and avoided for a while.
//
// Each event costs the logarithm of the number of addresses. What is chosen depends on the order of
// the calls and the RandomSource only.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>

#include "ppspp/address_rules.h"
#include "ppspp/peer_source.h"
#include "ppspp/random_source.h"
#include "ppspp/time.h"
#include "ppspp/transport_address.h"
#include "wire/message.h"

namespace ppspp {

class AddressBook {
 public:
  // Of each source, in the order of PeerSource.
  static constexpr std::array<std::size_t, kPeerSources> kMaxOf = {256, 320, 128, 128, 128, 64};
  static constexpr std::size_t kMaxPeers = 256 + 320 + 128 + 128 + 128 + 64;
  // Of a public /24 or /64, told by peers or come by themselves; of a tracker four times as many.
  static constexpr std::size_t kMaxPerNetwork = 16;
  // Of one IP address in an internal network (loopback excepted), told by peers.
  static constexpr std::size_t kMaxPerInternalHost = 8;
  // Told by one peer and not tried yet.
  static constexpr std::size_t kMaxPerTeller = 16;
  // Addresses told by peers that are being tried at once.
  static constexpr std::size_t kMaxUnprovenAttempts = 8;
  static constexpr std::size_t kMaxAvoided = 512;
  static constexpr std::size_t kMaxTellers = 256;

  struct Candidate {
    TransportAddress address;
    PeerSource source = PeerSource::user;
  };
  enum class Ending : std::uint8_t {
    unreachable,  // the handshake was not answered
    ordinary,     // by the peer, or after a long silence
    forgotten,    // it may have lost its memory: a new handshake is worth a try at once
    replaced,     // we wanted to try another one
    faults,       // it sent too much that was wrong
  };

  // How many channels we want to have begun ourselves. Those that the user names come on top.
  void set_goal(std::size_t channels) { goal_ = channels; }
  std::size_t goal() const { return goal_; }

  // `teller`: of PeerSource::pex and certified, who told it. False: nothing new, or no room for it.
  bool add(const TransportAddress& address, PeerSource source, TimePoint now, RandomSource& random,
           const TransportAddress& teller = {});
  bool knows(const TransportAddress& address) const { return entries_.contains(address); }

  // The next peer to be contacted, if one more channel is wanted: those that brought something
  // before first, or with `prefer_unknown` last.
  std::optional<Candidate> next(TimePoint now, bool prefer_unknown = false) const;
  // A channel to it began: by us, or it came to us.
  void on_connecting(const TransportAddress& address, ChannelId channel, bool ours);
  void on_established(const TransportAddress& address);
  // Its channel ended. `useful`: it had brought us content.
  void on_closed(const TransportAddress& address, ChannelId channel, Ending ending, bool useful,
                 TimePoint now);
  // It is not to be contacted now, as a rule forbids it.
  void postpone(const TransportAddress& address, TimePoint now);
  // There is no room for a channel: nobody is contacted before.
  void hold(TimePoint until) { held_until_ = until; }

  TimePoint deadline() const;  // of the next attempt
  std::size_t size() const { return entries_.size(); }
  std::size_t count(PeerSource source) const { return counts_[index(source)]; }
  // Addresses that could be contacted now, if there were room for them.
  bool has_candidate(TimePoint now) const;
  std::size_t ours() const { return ours_; }                    // channels that we began
  std::size_t ours_by_peers() const { return ours_by_peers_; }  // of these, told by peers
  std::optional<PeerSource> source_of(const TransportAddress& address) const;
  // Whether the address came from the user, a tracker, or our own network, and not from peers.
  static bool is_trusted(PeerSource source) {
    return source == PeerSource::user || source == PeerSource::tracker ||
           source == PeerSource::local;
  }
  // Of the channels that we want to begin, those that may be to addresses told by peers (3.10.1).
  std::size_t share_of_peers() const { return goal_ < 4 ? goal_ - goal_ / 2 : goal_ - goal_ / 4; }

  void check_invariants() const;

 private:
  struct Entry {
    TransportAddress address;
    PeerSource source = PeerSource::user;
    bool good = false;  // it has brought us content
    bool ours = false;  // its channel was begun by us
    bool established = false;
    std::uint8_t failures = 0;  // unanswered in a row
    ChannelId channel;          // 0: none
    TimePoint next_attempt;
    Microseconds pause{0};
    std::uint64_t order = 0;
    TransportAddress teller;  // unspecified: nobody, or what it told has been tried
  };
  struct Place {  // in a queue
    TimePoint at;
    std::uint64_t order;
    Entry* entry;
    friend bool operator<(const Place& a, const Place& b) {
      return a.at != b.at ? a.at < b.at : a.order < b.order;
    }
  };
  using Queue = std::set<Place>;
  struct Teller {
    std::uint16_t pending = 0;
    std::uint16_t failed = 0;
    std::uint16_t answered = 0;
    TimePoint blocked_until{};
  };
  struct Avoided {
    TimePoint until;
    Microseconds pause{0};
  };

  static std::size_t index(PeerSource source) { return static_cast<std::size_t>(source); }
  Queue& queue_of(const Entry& entry) { return queues_[index(entry.source) * 2 + entry.good]; }
  const Queue& queue(PeerSource source, bool good) const {
    return queues_[index(source) * 2 + good];
  }
  bool wants_more_of(PeerSource source) const;
  Entry* find(const TransportAddress& address);
  void enqueue(Entry& entry);
  void dequeue(Entry& entry);
  void occupy(Entry& entry, ChannelId channel, bool ours);
  void set_established(Entry& entry);
  void vacate(Entry& entry);
  void schedule(Entry& entry, TimePoint now);
  void forget(Entry& entry);
  void upgrade(Entry& entry, PeerSource source);
  bool make_room(PeerSource source);
  bool network_is_full(const TransportAddress& address, PeerSource source) const;
  void settle_teller(Entry& entry, bool answered, TimePoint now);
  Teller* teller_for(const TransportAddress& address, TimePoint now);
  bool is_avoided(const TransportAddress& address, TimePoint now) const;
  void avoid(const TransportAddress& address, TimePoint now);

  std::map<TransportAddress, Entry> entries_;
  std::array<Queue, kPeerSources * 2> queues_;
  std::array<std::size_t, kPeerSources> counts_ = {};
  std::map<Network, std::uint16_t> networks_;  // entries in each, of sources that are counted
  std::map<TransportAddress, Teller> tellers_;
  std::map<TransportAddress, Avoided> avoided_;
  std::size_t goal_ = 30;
  std::size_t ours_ = 0;
  std::size_t ours_by_peers_ = 0;
  std::size_t trying_by_peers_ = 0;  // of these, not established
  std::uint32_t sequence_ = 0;
  TimePoint held_until_{};
};

}  // namespace ppspp
