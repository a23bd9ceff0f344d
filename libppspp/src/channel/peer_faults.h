// What a peer did wrong. Nobody is told (RFC 7574, section 3: silence is the error signal); beyond
// a limit the channel is closed.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "ppspp/time.h"

namespace ppspp {

enum class PeerFault : std::uint8_t {
  decode_error,   // a message that cannot be read (3 #3, #4)
  wrong_chunk,    // content or hashes that are not the swarm's (12.6.5)
  unsolicited,    // chunks that nobody asked for (12.6.3)
  bad_signature,  // signed by somebody else than the source of the feed (12.6.5)
  unproved,       // chunks without the hashes that prove them (5.3 #101, 12.6.5)
  pex,            // peers told unasked, certificates that do not hold (12.2)
};

class PeerFaults {
 public:
  void add(PeerFault fault) { ++counts_[static_cast<std::size_t>(fault)]; }
  std::uint32_t count(PeerFault fault) const { return counts_[static_cast<std::size_t>(fault)]; }

  // A chunk whose proof is missing. On a long fast path all that is under way behind a lost hash is
  // so, which is not the peer's fault; what goes on for seconds is. So a second counts a part only.
  void add_unproved(TimePoint now) {
    constexpr std::uint32_t kMostInASecond = 256;
    if (now - unproved_since_ >= std::chrono::seconds(1)) {
      unproved_since_ = now;
      unproved_now_ = 0;
    }
    if (++unproved_now_ <= kMostInASecond) add(PeerFault::unproved);
  }

  // Chunks that were genuine. After some thousands the distant past counts half.
  void add_good(std::uint64_t chunks) {
    constexpr std::uint32_t kMany = 4'096;
    while (chunks > 0) {
      const auto more = static_cast<std::uint32_t>(std::min<std::uint64_t>(chunks, kMany - good_));
      chunks -= more;
      good_ += more;
      if (good_ < kMany) return;
      good_ /= 2;
      for (std::uint32_t& count : counts_) count /= 2;
    }
  }

  // How many more wrong ones it takes to be too many. Each costs a thousand times what a hash does.
  std::uint32_t bad_signatures_left() const {
    const std::uint32_t most = std::max<std::uint32_t>(4, good_ / 256) + 1;
    return most - std::min(most, count(PeerFault::bad_signature));
  }

  // A path that damages datagrams must not cost us our good peers, and a large datagram with one
  // damaged hash holds many chunks that fail: so it is the share that decides, and never a few.
  // What a peer with a smaller share costs is its own octets.
  bool too_many() const {
    const std::uint32_t tolerated = std::max<std::uint32_t>(64, good_ / 4);
    return count(PeerFault::decode_error) > tolerated ||
           count(PeerFault::wrong_chunk) > tolerated || bad_signatures_left() == 0 ||
           count(PeerFault::unsolicited) > 4'096 || count(PeerFault::pex) > tolerated ||
           count(PeerFault::unproved) > std::max<std::uint32_t>(1'024, good_);
  }

 private:
  std::array<std::uint32_t, 6> counts_ = {};
  std::uint32_t good_ = 0;
  std::uint32_t unproved_now_ = 0;
  TimePoint unproved_since_ = {};
};

}  // namespace ppspp
