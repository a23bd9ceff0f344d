// Begins a feed where a player can: at the first packet, if it is an MPEG transport stream.
//
// A transport stream is a row of packets of 188 octets that begin with 0x47 (ISO/IEC 13818-1). One
// tunes in to the middle of a packet, and after chunks that were skipped one is there again. What
// is passed on is whole packets. All packets begin at the same offset modulo 188, so that after a
// gap the next packet's place is known. Anything else is passed on as it is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace ppspp::tools {

class TsAligner {
 public:
  // Takes `bytes`, which stand at `offset` in the feed, and appends to `out` what goes on from
  // there. Octets between the last call's and `offset` were skipped.
  void push(std::uint64_t offset, std::span<const std::byte> bytes, std::vector<std::byte>& out);
  // Nothing follows: appends what was kept back.
  void finish(std::vector<std::byte>& out);

  bool is_transport_stream() const { return state_ == State::packets; }

 private:
  enum class State : std::uint8_t { looking, packets, anything };

  void look(std::vector<std::byte>& out);
  void take_packets(std::span<const std::byte> bytes, std::vector<std::byte>& out);
  void resume_after_gap(std::uint64_t offset, std::span<const std::byte> bytes,
                        std::vector<std::byte>& out);

  State state_ = State::looking;
  std::uint64_t next_ = 0;   // where the next octets should stand
  std::uint64_t phase_ = 0;  // of packets, modulo 188
  bool resuming_ = false;    // in packets, behind a gap: the next packet has not been reached
  bool begun_ = false;
  // While looking, everything; later the beginning of a packet. It ends at next_.
  std::vector<std::byte> held_;
};

}  // namespace ppspp::tools
