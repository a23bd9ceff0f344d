// What enemies of each kind do.
#include <algorithm>

#include "channel/handshake_check.h"
#include "integrity/needed_uncles.h"
#include "sim/authority.h"
#include "sim/enemy.h"
#include "sim/enemy_say.h"

namespace ppspp::sim {
namespace {

constexpr SimTime kDrip = 5 * kSecond;
constexpr std::uint64_t kServedWell = 30;  // chunks of a turncoat, to each at first
constexpr std::uint64_t kWindow = 64;      // chunks that a taker asks for at a time
constexpr std::uint64_t kTakeEvery = 5;    // ticks

std::uint64_t wall_of(const Now& now) {
  return now.wall.microseconds;
}

}  // namespace

std::span<const std::byte> Enemy::noise(std::size_t size) {
  for (int i = 0; i < 4; ++i) {
    noise_[static_cast<std::size_t>(random_.below(noise_.size()))] =
        static_cast<std::byte>(random_.next_u64());
  }
  const std::size_t most = std::min(size, noise_.size());
  return std::span<const std::byte>(noise_).first(most);
}

// On each of its channels, each tick.
void Enemy::act(Talk& talk) {
  if (content_.metadata().live && habits_.announces && ticks_ % 10 == 0) announce(talk);
  if (habits_.takes) take(talk);
  if (budget_ == 0) return;
  switch (kind_) {
    case EnemyKind::pusher:
      return push(talk);
    case EnemyKind::hash_liar:
      return say_hashes(talk);
    case EnemyKind::replayer:
      return say_old_signatures(talk);
    case EnemyKind::glutton:
      return beg(talk);
    case EnemyKind::canceller:
      return cancel(talk);
    case EnemyKind::unchoker:
      return say(talk, [](ByteWriter& out) {
        for (int i = 0; i < 20; ++i) write_unchoke(out);
      });
    case EnemyKind::flapper:
      talk.asked.clear();
      say(talk, [](ByteWriter& out) { write_choke(out); });
      return say(talk, [](ByteWriter& out) { write_unchoke(out); });
    case EnemyKind::gossip:
      if (random_.below(20) == 0) tell_peers(talk, 16);
      return;
    case EnemyKind::ack_liar:
      return say(talk, [&](ByteWriter& out) {
        name(extent(talk), [&](ChunkRange part) { write_ack(out, {part, 1}, format_); });
        name({1'000'000'000, 1'000'000'001}, [&](ChunkRange part) {
          write_ack(out, {part, 1}, format_);
        });
      });
    default:
      return;
  }
}

void Enemy::act_alone() {
  if (team_.honest.empty()) return;
  switch (kind_) {
    case EnemyKind::flooder:
      return flood();
    case EnemyKind::spoofer:
      return spoof();
    case EnemyKind::intruder:
      return intrude();
    default:
      return;
  }
}

// --- Taking

// As a plain getter does, the next that it lacks; when it has all, from the beginning.
void Enemy::take(Talk& talk) {
  if (ticks_ % kTakeEvery != talk.own.value % kTakeEvery) return;
  const ChunkRange all = extent(talk);
  if (all.empty()) return;
  const ChunkIndex begin = all.begin + random_.below(all.size());
  const ChunkRange window{begin, std::min(all.end, begin + kWindow)};
  say(talk, [&](ByteWriter& out) {
    name(window, [&](ChunkRange part) { write_request(out, part, format_); });
  });
}

void Enemy::on_data(Talk& talk, const Data& data) {
  tally_.taken += data.payload.size();
  auto delay = static_cast<std::int64_t>(wall_of(team_.world->now(node_)) - data.timestamp_us);
  if (kind_ == EnemyKind::delay_liar) {
    constexpr std::int64_t kExtremes[] = {0, 1, -1, INT64_MAX, INT64_MIN, std::int64_t{1} << 62};
    pretended_delay_ -= 1'000;  // the queue seems to get ever shorter
    delay = node_ % 2 == 0 ? pretended_delay_ : kExtremes[random_.below(std::size(kExtremes))];
  }
  say(talk, [&](ByteWriter& out) {
    name(data.chunks, [&](ChunkRange part) { write_ack(out, {part, delay}, format_); });
  });
}

// REQUEST.1, CHOKE.1: whatever it was told.
void Enemy::beg(Talk& talk) {
  const ChunkRange all = extent(talk);
  say(talk, [&](ByteWriter& out) {
    name(all, [&](ChunkRange part) { write_request(out, part, format_); });
    for (ChunkIndex chunk = all.begin; chunk < all.end && out.size() < 400; chunk += 64) {
      name({chunk, chunk + 1}, [&](ChunkRange part) { write_request(out, part, format_); });
    }
  });
}

void Enemy::cancel(Talk& talk) {
  const ChunkRange all = extent(talk);
  say(talk, [&](ByteWriter& out) {
    name(all, [&](ChunkRange part) { write_cancel(out, part, format_); });
    for (ChunkIndex chunk = all.begin; chunk < all.end && out.size() < 400; chunk += 50) {
      name({chunk, chunk + 1}, [&](ChunkRange part) { write_cancel(out, part, format_); });
    }
  });
}

// --- Serving

// What was asked for, as far as its uplink goes.
void Enemy::serve(Talk& talk) {
  using Serves = EnemyHabits::Serves;
  if (talk.remote.value == 0 || talk.asked.empty()) return;
  if (habits_.serves == Serves::nothing) return talk.asked.clear();
  if (habits_.serves == Serves::drip && time() - talk.served_at < kDrip) return;
  while (budget_ > content_.metadata().chunk_size && !talk.asked.empty()) {
    ChunkRange& asked = talk.asked.front();
    if (asked.begin >= std::min(asked.end, content_.chunks())) {
      talk.asked.pop_front();
      continue;
    }
    bool truth = habits_.serves == Serves::truth || habits_.serves == Serves::drip;
    if (habits_.serves == Serves::mostly_truth) {
      truth = talk.served < kServedWell || random_.below(3) != 0;
    }
    serve_chunk(talk, asked.begin++, truth);
    talk.served_at = time();
    if (habits_.serves == Serves::drip) return;
  }
}

void Enemy::serve_chunk(Talk& talk, ChunkIndex chunk, bool truth) {
  const std::size_t chunk_size = content_.metadata().chunk_size;
  const auto size = static_cast<std::size_t>(
      std::min<std::uint64_t>(chunk_size, content_.length() - chunk * chunk_size));
  const bool false_hashes = habits_.serves == EnemyHabits::Serves::wrong_hashes;
  const bool without = false_hashes && random_.below(2) == 0;
  say(talk, [&](ByteWriter& out) {
    if (!without) write_hashes(out, talk, chunk);
    if (!out.fits(format_.data_header_size() + size)) return;
    const DataPlaces places = write_data(out, chunk, size, format_);
    stamp(places.timestamp, wall_of(team_.world->now(node_)));
    write_content(places.payload, chunk, truth || false_hashes);
  });
  ++talk.served;
  ++(truth ? tally_.served : tally_.lies);
  if (truth || !false_hashes) talk.given.insert({chunk, chunk + 1});
}

// The peaks at first, and the uncles that the peer does not know of us.
void Enemy::write_hashes(ByteWriter& out, Talk& talk, ChunkIndex chunk) {
  if (format_.hash_size == 0) return;
  const bool lies = habits_.serves == EnemyHabits::Serves::wrong_hashes;
  const auto write = [&](Bin bin) {
    const auto place = static_cast<std::size_t>(bin.number()) * format_.hash_size;
    const bool known = place + format_.hash_size <= content_.tree().size();
    const auto hash = lies || !known ? noise(format_.hash_size)
                                     : content_.tree().subspan(place, format_.hash_size);
    if (out.fits(format_.integrity_size())) {
      write_integrity(out, Integrity{bin.chunks(), hash}, format_);
    }
  };
  if (content_.metadata().live) return write(Bin::leaf(chunk));
  if (talk.given.empty()) {
    for (const Bin peak : peaks(content_.chunks())) write(peak);
  }
  for (const Bin uncle : needed_uncles(chunk, content_.chunks(), [&](ChunkRange range) {
         return talk.given.intersects(range);
       })) {
    write(uncle);
  }
}

void Enemy::write_content(std::span<std::byte> payload, ChunkIndex chunk, bool truth) {
  const auto begin = static_cast<std::size_t>(chunk * content_.metadata().chunk_size);
  std::ranges::copy(content_.octets().subspan(begin, payload.size()), payload.begin());
  if (!truth) payload[static_cast<std::size_t>(random_.below(payload.size()))] ^= std::byte{1};
}

// DATA.2
void Enemy::push(Talk& talk) {
  const ChunkRange all = extent(talk);
  if (all.empty() || format_.chunk_size > 1'400) return;
  const ChunkIndex chunk = all.begin + random_.below(all.size());
  say(talk, [&](ByteWriter& out) {
    const DataPlaces places = write_data(out, chunk, format_.chunk_size, format_);
    stamp(places.timestamp, wall_of(team_.world->now(node_)));
    const auto octets = noise(places.payload.size());
    std::ranges::copy(octets, places.payload.begin());
  });
  ++tally_.lies;
}

// INTEGRITY.1
void Enemy::say_hashes(Talk& talk) {
  if (format_.hash_size == 0) return;
  const ChunkRange all = extent(talk);
  say(talk, [&](ByteWriter& out) {
    for (int i = 0; i < 24; ++i) {
      const ChunkIndex chunk = all.begin + random_.below(all.size());
      write_integrity(out, Integrity{{chunk, chunk + 1}, noise(format_.hash_size)}, format_);
    }
  });
}

// INTEGRITY.2: what it heard first, and the same for other chunks.
void Enemy::keep_signature(const SignedIntegrity& signature) {
  if (kind_ != EnemyKind::replayer || old_signatures_.size() >= kMostKept) return;
  old_signatures_.push_back({signature.chunks,
                             signature.ntp_timestamp,
                             {signature.signature.begin(), signature.signature.end()}});
}

void Enemy::say_old_signatures(Talk& talk) {
  if (format_.signature_size == 0) return;
  say(talk, [&](ByteWriter& out) {
    for (const OldSignature& old : old_signatures_) {
      ChunkRange chunks = old.chunks;
      if (random_.below(2) == 0) {
        const std::uint64_t size = chunks.size();
        chunks.begin = extent(talk).end / size * size;
        chunks.end = chunks.begin + size;
      }
      if (!out.fits(format_.integrity_size() + format_.signed_integrity_size())) return;
      if (format_.hash_size != 0) {
        write_integrity(out, Integrity{chunks, noise(format_.hash_size)}, format_);
      }
      write_signed_integrity(out, {chunks, old.ntp_timestamp, old.signature}, format_);
    }
  });
}

// --- Peers, and others' names

// 12.2: a victim that is no peer, addresses where nobody is, and its own kind.
void Enemy::tell_peers(Talk& talk, int count) {
  say(talk, [&](ByteWriter& out) {
    for (int i = 0; i < count; ++i) {
      const std::uint64_t what = random_.below(4);
      const auto port = static_cast<std::uint16_t>(1'024 + random_.below(60'000));
      PexResV4 told{static_cast<std::uint32_t>(0x0c00'0000 + random_.below(1 << 24)), port};
      if (what == 0) told = {team_.victim.v4_address(), port};
      if (what == 1 && !team_.fellows.empty()) {
        const auto& fellow =
            team_.fellows[static_cast<std::size_t>(random_.below(team_.fellows.size()))];
        told = {fellow.v4_address(), port};
      }
      write_pex_res(out, told);
    }
  });
  if (!content_.metadata().authority.empty()) tell_certificate(talk);
}

// 12.2.2: one that was changed, of another swarm, or of long ago.
void Enemy::tell_certificate(Talk& talk) {
  const std::uint64_t what = random_.below(3);
  const SwarmId swarm = what == 1 ? SwarmId(authority_key()) : content_.metadata().id;
  auto der = certify(swarm, own_address(static_cast<std::uint16_t>(1'024 + random_.below(60'000))),
                     kSecond, what == 2 ? 1 : 86'400);
  if (what == 0) der[static_cast<std::size_t>(random_.below(der.size()))] ^= std::byte{1};
  say(talk, [&](ByteWriter& out) {
    if (out.fits(3 + der.size())) write_pex_res(out, PexResCert{der});
  });
}

// 12.1: garbage for channels that it guesses, and handshakes that it begins and does not end.
void Enemy::flood() {
  while (budget_ > 200) {
    const auto port = static_cast<std::uint16_t>(1'024 + random_.below(60'000));
    const ChannelId guess{static_cast<std::uint32_t>(random_.next_u64())};
    if (random_.below(2) == 0) {
      say_from(own_address(port), somebody(), guess, [&](ByteWriter& out) {
        out.write_bytes(noise(static_cast<std::size_t>(random_.below(200))));
      });
      continue;
    }
    say_from(own_address(port), somebody(), ChannelId{}, [&](ByteWriter& out) {
      write_handshake(
          out, Handshake{guess, handshake_options(content_.metadata(), HandshakeOptions::kKeepsAll,
                                                  true, false)});
    });
  }
}

// 12.1, 12.6.11: what is answered, if it is, goes to the victim.
void Enemy::spoof() {
  const TransportAddress source = TransportAddress::v4(
      team_.victim.v4_address(), static_cast<std::uint16_t>(1'024 + random_.below(60'000)));
  for (int i = 0; i < 4 && budget_ > 0; ++i) {
    const ChannelId guess{static_cast<std::uint32_t>(random_.next_u64())};
    tally_.spoofed += say_from(source, somebody(), ChannelId{}, [&](ByteWriter& out) {
      write_handshake(
          out, Handshake{guess, handshake_options(content_.metadata(), HandshakeOptions::kKeepsAll,
                                                  true, false)});
    });
    tally_.spoofed += say_from(source, somebody(), guess, [&](ByteWriter& out) {
      write_pex_req(out);
      name({0, 64}, [&](ChunkRange part) { write_request(out, part, format_); });
    });
  }
}

// 12.1: ends channels between honest peers, or so it hopes.
void Enemy::intrude() {
  for (int i = 0; i < 8 && budget_ > 0; ++i) {
    const ChannelId guess{static_cast<std::uint32_t>(random_.next_u64())};
    say_from(somebody(), somebody(), guess, [&](ByteWriter& out) {
      switch (random_.below(3)) {
        case 0:
          return write_handshake(out, Handshake{ChannelId{}, closing_options()});
        case 1:
          return out.write_bytes(noise(64));
        default:
          return write_choke(out);
      }
    });
    say_from(somebody(), somebody(), ChannelId{}, [&](ByteWriter& out) {
      write_handshake(
          out, Handshake{guess, handshake_options(content_.metadata(), HandshakeOptions::kKeepsAll,
                                                  true, false)});
    });
  }
}

}  // namespace ppspp::sim
