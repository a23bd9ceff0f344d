// How an enemy opens channels, and what it hears on them.
#include "sim/enemy.h"

#include <algorithm>

#include "channel/handshake_check.h"
#include "sim/enemy_say.h"

namespace ppspp::sim {
namespace {

constexpr SimTime kTick = 50'000;
constexpr int kCallsPerTick = 4;
constexpr SimTime kCallAgain = 15 * kSecond;
constexpr SimTime kNoAnswer = 5 * kSecond;
constexpr SimTime kKeepAlive = 20 * kSecond;
constexpr std::uint16_t kMostPorts = 256;
constexpr std::uint64_t kBudgetWithoutLimit =
    100'000;  // octets per second, where the link has none

}  // namespace

void EnemyTally::add(const EnemyTally& other) {
  octets_in += other.octets_in;
  octets_out += other.octets_out;
  taken += other.taken;
  asked += other.asked;
  served += other.served;
  lies += other.lies;
  opened += other.opened;
  closed += other.closed;
  spoofed += other.spoofed;
}

EnemyHabits habits_of(EnemyKind kind) {
  using Serves = EnemyHabits::Serves;
  switch (kind) {
    case EnemyKind::announcer:
    case EnemyKind::flapper:
    case EnemyKind::replayer:
    case EnemyKind::intruder:
      return {.announces = true};
    case EnemyKind::freerider:
    case EnemyKind::ack_liar:
    case EnemyKind::delay_liar:
    case EnemyKind::canceller:
      return {.takes = true};
    case EnemyKind::glutton:
      return {.ports = 4};
    case EnemyKind::corrupter:
      return {.announces = true, .serves = Serves::wrong_octets, .ports = 2};
    case EnemyKind::turncoat:
      return {.announces = true, .takes = true, .serves = Serves::mostly_truth};
    case EnemyKind::hash_liar:
      return {.announces = true, .serves = Serves::wrong_hashes};
    case EnemyKind::unchoker:
      return {.announces = true, .serves = Serves::truth};
    case EnemyKind::dripper:
      return {.announces = true, .takes = true, .serves = Serves::drip};
    case EnemyKind::pusher:
    case EnemyKind::gossip:
    case EnemyKind::flooder:
    case EnemyKind::spoofer:
      return {.takes = true};
    case EnemyKind::crowd:
      return {.ports = 16};
  }
  return {};
}

Enemy::Enemy(EnemyTeam& team, EnemyKind kind, const NodeOptions& options, std::uint64_t seed)
    : team_(team),
      content_(*team.content),
      kind_(kind),
      habits_(habits_of(kind)),
      format_(wire_format(content_.metadata())),
      random_(seed),
      node_(team.world->add_speaker(options, *this)),
      rate_(options.up.rate == 0 ? kBudgetWithoutLimit : options.up.rate) {
  for (std::byte& octet : noise_) octet = static_cast<std::byte>(random_.next_u64());
}

void Enemy::start() {
  team_.world->at(time() + random_.below(kTick), [this] { tick(); });
}

void Enemy::tick() {
  if (stopped_) return;
  ++ticks_;
  budget_ = rate_ * kTick / kSecond;
  call_some();
  std::vector<ChannelId> dead;
  for (auto& [own, talk] : talks_) {
    if (talk.remote.value == 0) {
      if (time() - talk.began >= kNoAnswer) dead.push_back(own);
      continue;
    }
    if (time() - talk.said >= kKeepAlive) say(talk, [](ByteWriter&) {});
    act(talk);
  }
  for (const ChannelId own : dead) talks_.erase(own);
  // Not always the same one is served first.
  if (!talks_.empty()) {
    auto talk = talks_.lower_bound(ChannelId{static_cast<std::uint32_t>(random_.next_u64())});
    for (std::size_t i = 0; i < talks_.size(); ++i, ++talk) {
      if (talk == talks_.end()) talk = talks_.begin();
      serve(talk->second);
    }
  }
  act_alone();
  team_.world->at(time() + kTick, [this] { tick(); });
}

ChunkRange Enemy::extent(const Talk& talk) const {
  if (!content_.metadata().live) return {0, content_.chunks()};
  constexpr std::uint64_t kAround = 32;
  return {talk.newest - std::min(talk.newest, kAround), talk.newest + kAround};
}

// --- Channels

TransportAddress Enemy::own_address(std::uint16_t port) const {
  return TransportAddress::v4(address().v4_address(), port);
}

const TransportAddress& Enemy::somebody() {
  return team_.honest[static_cast<std::size_t>(random_.below(team_.honest.size()))];
}

void Enemy::call_some() {
  const std::size_t places = team_.honest.size() * habits_.ports;
  if (places == 0) return;
  for (int i = 0; i < kCallsPerTick && talks_.size() < kMostTalks; ++i) {
    const std::size_t place = next_call_++ % places;
    const auto port = static_cast<std::uint16_t>(first_port_ + place / team_.honest.size());
    const TransportAddress& peer = team_.honest[place % team_.honest.size()];
    SimTime& again = called_[{peer, port}];
    if (time() < again) continue;
    again = time() + kCallAgain;
    const bool talking = std::ranges::any_of(talks_, [&](const auto& entry) {
      return entry.second.peer == peer && entry.second.port == port;
    });
    if (!talking) call(peer, port);
  }
}

void Enemy::call(const TransportAddress& peer, std::uint16_t port) {
  const ChannelId own{static_cast<std::uint32_t>(random_.next_u64() >> 32) | 1U};
  Talk& talk = talks_[own];
  talk = Talk{.peer = peer, .port = port, .own = own, .began = time(), .said = time()};
  say_from(own_address(port), peer, ChannelId{}, [&](ByteWriter& out) {
    write_handshake(
        out, Handshake{own, handshake_options(content_.metadata(), HandshakeOptions::kKeepsAll,
                                              true, false)});
  });
}

void Enemy::answer(std::uint16_t port, const TransportAddress& from, const Handshake& handshake) {
  if (talks_.size() >= kMostTalks) return;
  for (const auto& [own, talk] : talks_) {
    if (talk.peer == from && talk.remote == handshake.source) return;
  }
  const ChannelId own{static_cast<std::uint32_t>(random_.next_u64() >> 32) | 1U};
  Talk& talk = talks_[own];
  talk = Talk{.peer = from,
              .port = port,
              .own = own,
              .remote = handshake.source,
              .began = time(),
              .said = time()};
  ++tally_.opened;
  say(talk, [&](ByteWriter& out) {
    write_handshake(
        out, Handshake{own, handshake_options(content_.metadata(), HandshakeOptions::kKeepsAll,
                                              false, false)});
  });
  greet(talk);
}

void Enemy::greet(Talk& talk) {
  if (habits_.announces) {
    announce(talk);
  } else {
    say(talk, [](ByteWriter&) {});
  }
}

void Enemy::announce(Talk& talk) {
  say(talk, [&](ByteWriter& out) {
    name(extent(talk), [&](ChunkRange part) { write_have(out, part, format_); });
  });
}

void Enemy::end(ChannelId own) {
  const auto found = talks_.find(own);
  if (found == talks_.end()) return;
  ++tally_.closed;
  // Whoever was banned with its port comes back from another.
  if (found->second.port >= first_port_ && first_port_ < World::kPort + kMostPorts) {
    first_port_ = static_cast<std::uint16_t>(first_port_ + habits_.ports);
  }
  talks_.erase(found);
}

// --- What it hears

void Enemy::on_datagram(std::uint16_t port, const TransportAddress& from,
                        std::span<const std::byte> datagram) {
  tally_.octets_in += datagram.size();
  const auto id = destination(datagram);
  if (!id || stopped_) return;
  if (id->value == 0) {
    const auto first = read_handshake(datagram);
    if (first && first->handshake.source.value != 0) answer(port, from, first->handshake);
    return;
  }
  const auto talk = talks_.find(*id);
  if (talk != talks_.end() && talk->second.peer == from) hear(talk->second, datagram);
}

void Enemy::hear(Talk& talk, std::span<const std::byte> datagram) {
  DatagramReader reader(datagram, format_);
  while (const auto message = reader.next()) {
    if (const auto* handshake = std::get_if<Handshake>(&*message)) {
      if (handshake->source.value == 0) return end(talk.own);
      if (talk.remote.value != 0) continue;
      talk.remote = handshake->source;
      ++tally_.opened;
      greet(talk);
    } else if (const auto* data = std::get_if<Data>(&*message)) {
      on_data(talk, *data);
    } else if (const auto* request = std::get_if<Request>(&*message)) {
      tally_.asked += intersection(request->chunks, extent(talk)).size();
      if (talk.asked.size() < kMostAsked) talk.asked.push_back(request->chunks);
    } else if (const auto* cancel = std::get_if<Cancel>(&*message)) {
      std::erase_if(talk.asked, [&](ChunkRange asked) { return cancel->chunks.contains(asked); });
    } else if (const auto* have = std::get_if<Have>(&*message)) {
      if (have->chunks.end < kMaxChunks) talk.newest = std::max(talk.newest, have->chunks.end);
    } else if (const auto* signature = std::get_if<SignedIntegrity>(&*message)) {
      keep_signature(*signature);
    } else if (std::holds_alternative<PexReq>(*message) && kind_ == EnemyKind::gossip) {
      tell_peers(talk, 16);
    }
  }
}

}  // namespace ppspp::sim
