// The tables of an Endpoint and what runs between them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "channel/channel.h"
#include "discovery/address_book.h"
#include "endpoint/access_list.h"
#include "endpoint/channel_table.h"
#include "endpoint/deadline_queue.h"
#include "endpoint/fair_share.h"
#include "endpoint/half_open.h"
#include "endpoint/sleeping_swarms.h"
#include "ppspp/endpoint.h"
#include "swarm/live_swarm.h"
#include "swarm/swarm.h"

namespace ppspp {

class Endpoint::Impl {
 public:
  Impl(const EndpointOptions& options, RandomSource& random, Now now);

  Result<SwarmHandle> join(const SwarmMetadata& metadata, std::unique_ptr<ChunkStore> store,
                           const SwarmContent& content, const JoinSettings& settings, Now now);
  Result<SwarmHandle> publish(const SwarmMetadata& metadata, std::unique_ptr<ChunkStore> store,
                              std::unique_ptr<Signer> signer, const LiveSourceSettings& settings,
                              Now now);
  Result<void> append(SwarmHandle feed, std::span<const std::byte> content, Now now);
  Result<void> end_feed(SwarmHandle feed, Now now);
  std::unique_ptr<ChunkStore> leave(SwarmHandle handle, Now now);
  void set_limits(std::optional<std::uint64_t> upload, std::optional<std::uint64_t> download,
                  Now now);
  void set_peer_limits(const RateLimits& limits, Now now);
  void set_swarm_limits(SwarmHandle handle, const SwarmLimits& limits, Now now);

  void set_address_rules(const AddressRules& rules, Now now);
  void ban(const Network& network, std::optional<Microseconds> duration, Now now);
  bool unban(const Network& network) { return access_.unban(network); }
  std::vector<Ban> bans(Now now) const { return access_.bans(now.monotonic); }
  void await(const SwarmId& id);
  void stop_awaiting(const SwarmId& id);

  void handle_datagram(std::span<const std::byte> datagram, const TransportAddress& from, Now now);
  void anticipate(std::span<const std::byte> datagram) const;
  void flush(Now now);
  std::size_t prepare_flush(std::size_t lanes, Now now);
  void compute_part(std::size_t part, std::size_t lane) { scratch_.work.compute(part, lane); }
  void handle_deadline(Now now);
  std::optional<Transmit> poll_transmit(std::span<std::byte> buffer, Now now);
  std::optional<Event> poll_event();
  TimePoint deadline() const;
  void handle_too_big(const TransportAddress& to, std::size_t size, Now now);

  void add_peer(SwarmHandle handle, const TransportAddress& peer, PeerSource source, Now now);
  Result<void> set_certificate(SwarmHandle handle, std::span<const std::byte> der, Now now);
  void set_read_position(SwarmHandle handle, ChunkIndex chunk);
  void set_read_windows(SwarmHandle handle, std::span<const ReadWindow> windows, Now now);
  void store_ready(SwarmHandle handle, Now now);

  Swarm* find(SwarmHandle handle) const;
  LiveSwarm* find_live(SwarmHandle handle) const;
  const EndpointCounters& counters() const { return counters_; }
  EndpointStatistics statistics(Now now);
  std::vector<ChannelStatus> channels(SwarmHandle handle, Now now) const;
  bool idle() const;
  void check_invariants() const;

 private:
  struct Member {  // a swarm of the table
    std::unique_ptr<Swarm> swarm;
    SwarmLimits limits;
    FairShare::Lane upload;
    FairShare::Lane download;
    bool dirty = false;                                    // stands in dirty_
    EndpointStatistics::Totals reported;                   // what of its counts is in the totals
    std::array<std::size_t, kPeerSources> addresses = {};  // the same, of its address book
    bool to_report = false;                                // stands in to_report_
    DeadlineQueue<SwarmHandle>::Number wake = 0;
    TimePoint look_at = kNever;     // whether it has the right neighbours
    TimePoint explore_at = kNever;  // when one may be replaced by an unknown peer
    bool exploring = false;
    bool leaving = false;  // the end of a channel must not be the beginning of another
  };
  struct Slot {  // a channel of the table
    std::unique_ptr<Channel> channel;
    Member* member;
    DeadlineQueue<ChannelId>::Number wake = 0;
    bool ready = false;  // stands in ready_
    bool was_established = false;
    FairShare::Waiter upload;
    FairShare::Waiter download;
    std::optional<ChannelId> initiator;  // a responder's: the ID of the first datagram
  };
  // Why a channel is filled: it has something to do, or it waited for a limit.
  enum class Turn : std::uint8_t { nobody, ready, upload, download };
  struct Outgoing {  // a datagram that belongs to no channel (any more)
    TransportAddress to;
    std::vector<std::byte> octets;
  };

  // endpoint_handshake.cc
  void handle_first_datagram(std::span<const std::byte> datagram, const TransportAddress& from,
                             Now now);
  void answer(const HalfOpen& entry, Swarm& swarm, std::size_t asked);
  void wake(const SwarmId& id, std::span<const std::byte> datagram, const TransportAddress& from,
            Now now);
  std::size_t channel_limit(const Member& member) const;  // 0: none of its own
  bool has_room(const Member& member) const;
  bool admits_inbound(const Member& member) const;
  bool is_own_handshake(ChannelId source) const;
  const Slot* find_initiated_by(const TransportAddress& peer, ChannelId initiator) const;
  void confirm(const HalfOpen& entry, std::span<const std::byte> datagram, Now now);
  void settle_twins(ChannelId fresh, Now now);
  void connect(Member& member, const AddressBook::Candidate& peer, Now now);
  void start_peers(Member& member, Now now);

  // endpoint_neighbours.cc
  void look_soon(Member& member, Now now);
  void look_around(Member& member, Now now);
  bool explore(Member& member, Now now);
  bool make_room(Member& member, Now now);
  void close_surplus(Member& member, Now now);
  Channel* stranger_to_go(const Member& member, const TransportAddress& newcomer, Now now) const;
  void replace(Channel& channel, std::string_view reason, Now now);

  // endpoint_access.cc
  void enforce_access(Now now);

  Member* find_member(SwarmHandle handle);
  Result<SwarmHandle> add_swarm(Result<std::unique_ptr<Swarm>> swarm, const SwarmLimits& limits,
                                Now now);
  const ChannelOptions& options_for(const Swarm& swarm) const;
  ChannelId new_channel_id();
  Slot& add_channel(std::unique_ptr<Channel> channel, Member& member, Now now);
  void touch(ChannelId id);
  void touch_all(const Swarm& swarm);
  void mark_dirty(Member& member);
  void hear(Slot& slot, std::span<const std::byte> datagram, Now now);
  void wake_swarm(Member& member, Now now);
  void settle(ChannelId id, Now now);  // after any input to a channel: closed? established?
  void end_channel(ChannelId id, Now now, bool retry_now);
  void drain(Member& member);
  void drain_after_fill(Member& member);
  void report_counts(Member& member);
  void report_all_counts();
  void send_closing(Channel& channel);
  std::optional<Transmit> poll_outgoing(std::span<std::byte> buffer);
  std::pair<ChannelId, Turn> next_channel(Now now);
  std::optional<Transmit> fill_channel(ChannelId id, Turn turn, std::span<std::byte> buffer,
                                       Now now);
  TimePoint charge(Slot& slot, std::size_t sent, Turn turn, Now now);
  void end_turn(Member& member, Turn turn, Now now);
  void limit_swarm(Member& member, Now now);
  void limit_peers(Member& member, Now now);
  void limit_peer(Slot& slot, Now now);
  void schedule(ChannelId id, const Slot& slot, TimePoint limited_until, Now now);

  EndpointOptions options_;
  RandomSource& random_;
  ChannelOptions channel_options_;
  ChannelOptions live_channel_options_;
  ChannelScratch scratch_;

  std::map<SwarmHandle, Member> swarms_;  // ordered: what it decides is repeatable
  std::unordered_map<SwarmId, SwarmHandle> by_id_;
  std::uint64_t next_handle_ = 1;
  std::vector<Member*> dirty_;  // something was put in since the last flush
  DeadlineQueue<SwarmHandle> swarm_deadlines_;
  std::vector<SwarmHandle> due_swarms_;
  SleepingSwarms sleeping_;
  std::size_t awake_ = 0;          // of these, those that are joined
  std::size_t active_swarms_ = 0;  // that have a channel

  ChannelTable<Slot> channels_;
  std::size_t established_ = 0;
  HalfOpenTable half_open_;
  std::unordered_map<Initiator, ChannelId, HashInitiator> by_initiator_;
  AccessList access_;
  DeadlineQueue<ChannelId> deadlines_;
  std::deque<ChannelId> ready_;
  std::deque<Outgoing> outgoing_;
  std::vector<ChannelId> scratch_ids_;

  FairShare up_;
  FairShare down_;

  std::deque<Event> events_;
  EndpointCounters counters_;
  EndpointStatistics totals_;       // only what is counted as it happens
  std::vector<Member*> to_report_;  // that may have counted something since
};

}  // namespace ppspp
