// A peer that means ill: it speaks the wire format, and is no Endpoint. What it does depends on its
// kind, on what it hears and on its own generator only.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "bins/bin_set.h"
#include "ppspp/random_source.h"
#include "sim/content.h"
#include "sim/enemy_kinds.h"
#include "sim/world.h"
#include "wire/datagram.h"

namespace ppspp::sim {

struct EnemyTally {
  std::uint64_t octets_in = 0;   // of datagrams
  std::uint64_t octets_out = 0;  // of datagrams, those in others' names included
  std::uint64_t taken = 0;       // octets of content
  std::uint64_t asked = 0;       // chunks that were asked of it
  std::uint64_t served = 0;      // chunks, true
  std::uint64_t lies = 0;        // chunks that were wrong or that nobody wanted
  std::uint64_t opened = 0;      // channels
  std::uint64_t closed = 0;      // of these, by the other end
  std::uint64_t spoofed = 0;     // octets of datagrams in the victim's name
  void add(const EnemyTally& other);
};

// What enemies know in common.
struct EnemyTeam {
  World* world = nullptr;
  const Content* content = nullptr;
  std::vector<TransportAddress> honest;   // whom they call
  std::vector<TransportAddress> fellows;  // each other
  TransportAddress victim;                // who is no peer at all, and shall be flooded by peers
};

class Enemy final : public Speaker {
 public:
  // `team` outlives it.
  Enemy(EnemyTeam& team, EnemyKind kind, const NodeOptions& options, std::uint64_t seed);
  Enemy(const Enemy&) = delete;
  Enemy& operator=(const Enemy&) = delete;

  void start();
  void stop() { stopped_ = true; }  // for good
  EnemyKind kind() const { return kind_; }
  NodeId node() const { return node_; }
  TransportAddress address() const { return team_.world->address(node_); }
  const EnemyTally& tally() const { return tally_; }
  std::size_t talks() const { return talks_.size(); }

  void on_datagram(std::uint16_t port, const TransportAddress& from,
                   std::span<const std::byte> datagram) override;

 private:
  struct Talk {  // a channel
    TransportAddress peer;
    std::uint16_t port = 0;  // ours
    ChannelId own;
    ChannelId remote;  // 0: the peer has not answered
    SimTime began = 0;
    SimTime said = 0;
    SimTime served_at = 0;
    std::deque<ChunkRange> asked;
    BinSet given = BinSet();  // chunks that it got of us
    std::uint64_t served = 0;
    ChunkIndex newest = 0;  // one past what it has announced
  };
  struct OldSignature {
    ChunkRange chunks;
    std::uint64_t ntp_timestamp = 0;
    std::vector<std::byte> signature;
  };
  static constexpr std::size_t kMostTalks = 512;
  static constexpr std::size_t kMostAsked = 64;
  static constexpr std::size_t kMostKept = 16;

  // enemy.cc
  void tick();
  void call_some();
  void call(const TransportAddress& peer, std::uint16_t port);
  void answer(std::uint16_t port, const TransportAddress& from, const Handshake& handshake);
  void hear(Talk& talk, std::span<const std::byte> datagram);
  void greet(Talk& talk);
  void end(ChannelId own);
  template <typename Write>
  void say(Talk& talk, const Write& write);
  template <typename Write>
  std::size_t say_from(const TransportAddress& source, const TransportAddress& to,
                       ChannelId channel, const Write& write);
  void announce(Talk& talk);
  // Calls each(part) for parts that a chunk specification can name.
  template <typename Each>
  void name(ChunkRange range, const Each& each) const;
  ChunkRange extent(const Talk& talk) const;  // what there is, as far as it knows
  SimTime time() const { return team_.world->time(); }
  const TransportAddress& somebody();
  TransportAddress own_address(std::uint16_t port) const;

  // enemy_acts.cc
  void act(Talk& talk);
  void act_alone();
  void take(Talk& talk);
  void on_data(Talk& talk, const Data& data);
  void serve(Talk& talk);
  void serve_chunk(Talk& talk, ChunkIndex chunk, bool truth);
  void write_hashes(ByteWriter& out, Talk& talk, ChunkIndex chunk);
  void write_content(std::span<std::byte> payload, ChunkIndex chunk, bool truth);
  void push(Talk& talk);
  void say_hashes(Talk& talk);
  void keep_signature(const SignedIntegrity& signature);
  void say_old_signatures(Talk& talk);
  void beg(Talk& talk);
  void cancel(Talk& talk);
  void tell_peers(Talk& talk, int count);
  void tell_certificate(Talk& talk);
  void flood();
  void spoof();
  void intrude();
  std::span<const std::byte> noise(std::size_t size);

  EnemyTeam& team_;
  const Content& content_;
  EnemyKind kind_;
  EnemyHabits habits_;
  WireFormat format_;
  Rng random_;
  NodeId node_;
  std::uint64_t rate_;  // octets per second that it can send
  std::map<ChannelId, Talk> talks_;
  std::map<std::pair<TransportAddress, std::uint16_t>, SimTime> called_;  // again at that time
  std::size_t next_call_ = 0;
  std::uint16_t first_port_ = World::kPort;  // moves on when a channel is closed, for a ban
  std::uint64_t ticks_ = 0;
  std::int64_t pretended_delay_ = std::int64_t{1} << 40;
  std::vector<OldSignature> old_signatures_;
  std::uint64_t budget_ = 0;  // octets that may leave in this tick
  std::array<std::byte, 2'048> buffer_;
  std::array<std::byte, 1'024> noise_;
  EnemyTally tally_;
  bool stopped_ = false;
};

}  // namespace ppspp::sim
