// What a peer did wrong. Nobody is told (RFC 7574, section 3: silence is the error signal); beyond a
// limit the channel is closed.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace ppspp {

enum class PeerFault : std::uint8_t {
  decode_error,  // a message that cannot be read (3 #3, #4)
  wrong_chunk,   // content or hashes that are not the swarm's (12.6.5)
  unsolicited,   // chunks that nobody asked for (12.6.3)
  bad_ack,       // an ACK for what was never sent (12.6.4)
};

class PeerFaults {
 public:
  void add(PeerFault fault) { ++counts_[static_cast<std::size_t>(fault)]; }
  std::uint32_t count(PeerFault fault) const { return counts_[static_cast<std::size_t>(fault)]; }

  // A damaged datagram can be the network's doing, so it takes several; hashes that do not fit are
  // nearly always the peer's, since UDP has a checksum, but a corrupting path must not cost us all
  // our good peers at once.
  bool too_many() const {
    return count(PeerFault::decode_error) > 64 || count(PeerFault::wrong_chunk) > 16 ||
           count(PeerFault::unsolicited) > 4'096;
  }
  // Good behaviour makes up for damage on the path: called for every few hundred good chunks.
  void forgive() {
    for (std::uint32_t& count : counts_) count -= count / 4 + (count > 0 ? 1U : 0U);
  }

 private:
  std::array<std::uint32_t, 4> counts_ = {};
};

}  // namespace ppspp
