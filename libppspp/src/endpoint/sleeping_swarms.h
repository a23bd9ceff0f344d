// Swarms that are not joined before somebody asks for them. One costs its ID. The first handshake
// for it is kept until it has been joined: few of them, one for a swarm, for seconds; a peer says
// it again anyway. Nothing is answered before (RFC 7574, 12.1).
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>
#include <unordered_set>
#include <vector>

#include "ppspp/swarm_metadata.h"
#include "ppspp/time.h"
#include "ppspp/transport_address.h"

namespace ppspp {

struct KeptHandshake {
  SwarmId swarm;
  TransportAddress from;
  std::vector<std::byte> datagram;
  TimePoint until;
};

class SleepingSwarms {
 public:
  static constexpr std::size_t kMaxKept = 64;
  static constexpr std::size_t kMaxOctets = 2'048;  // of one; the HANDSHAKE stands first
  static constexpr Microseconds kKeptFor = std::chrono::seconds(10);

  void add(const SwarmId& swarm) { asleep_.insert(swarm); }
  void remove(const SwarmId& swarm) {
    asleep_.erase(swarm);
    static_cast<void>(take(swarm));
  }
  bool contains(const SwarmId& swarm) const { return asleep_.contains(swarm); }
  std::size_t size() const { return asleep_.size(); }

  enum class Kept : std::uint8_t { first, again, no_room };
  Kept keep(const SwarmId& swarm, const TransportAddress& from, std::span<const std::byte> datagram,
            TimePoint now) {
    expire(now);
    for (const KeptHandshake& kept : kept_) {
      if (kept.swarm == swarm) return Kept::again;
    }
    if (kept_.size() >= kMaxKept) return Kept::no_room;
    const auto octets = datagram.first(std::min(datagram.size(), kMaxOctets));
    kept_.push_back({swarm, from, {octets.begin(), octets.end()}, now + kKeptFor});
    return Kept::first;
  }

  // The handshake that is kept for the swarm.
  std::optional<KeptHandshake> take(const SwarmId& swarm) {
    const auto found = std::find_if(kept_.begin(), kept_.end(),
                                    [&](const KeptHandshake& kept) { return kept.swarm == swarm; });
    if (found == kept_.end()) return std::nullopt;
    std::optional<KeptHandshake> kept(std::move(*found));
    kept_.erase(found);
    return kept;
  }

  template <typename Forbidden>
  void drop(const Forbidden& forbidden) {
    std::erase_if(kept_, [&](const KeptHandshake& kept) { return forbidden(kept.from); });
  }
  void expire(TimePoint now) {
    std::erase_if(kept_, [now](const KeptHandshake& kept) { return kept.until <= now; });
  }
  // All are kept equally long, so the first is the oldest.
  TimePoint deadline() const { return kept_.empty() ? kNever : kept_.front().until; }

 private:
  std::unordered_set<SwarmId> asleep_;
  std::vector<KeptHandshake> kept_;
};

}  // namespace ppspp
