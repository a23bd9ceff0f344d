#include "ts_aligner.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace ppspp::tools {
namespace {

constexpr std::size_t kPacketSize = 188;
constexpr std::byte kSync{0x47};
// So many packets in a row are no accident.
constexpr std::size_t kPackets = 5;
// The header's fourth octet says whether there is a payload, an adaptation field or both, and
// without either a packet is invalid.
constexpr std::size_t kContentOctet = 3;
constexpr std::byte kContentBits{0x30};
// What has to be seen of them, from the first to the last one's header.
constexpr std::size_t kEnough = kPacketSize * (kPackets - 1) + kContentOctet + 1;

bool is_packet(std::span<const std::byte> bytes) {
  if (bytes.empty()) return true;  // not known yet
  if (bytes[0] != kSync) return false;
  return bytes.size() <= kContentOctet || (bytes[kContentOctet] & kContentBits) != std::byte{0};
}

bool are_packets(std::span<const std::byte> bytes) {
  for (std::size_t i = 0; i < kPackets; ++i) {
    if (!is_packet(bytes.subspan(std::min(i * kPacketSize, bytes.size())))) return false;
  }
  return true;
}

// Where packets begin, as far as `bytes` tell: within the first 188 octets, or nowhere.
std::optional<std::size_t> find_packets(std::span<const std::byte> bytes) {
  for (std::size_t at = 0; at < kPacketSize && at <= bytes.size(); ++at) {
    if (are_packets(bytes.subspan(at))) return at;
  }
  return std::nullopt;
}

void append(std::vector<std::byte>& out, std::span<const std::byte> bytes) {
  out.insert(out.end(), bytes.begin(), bytes.end());
}

}  // namespace

void TsAligner::push(std::uint64_t offset, std::span<const std::byte> bytes,
                     std::vector<std::byte>& out) {
  const bool gap = begun_ && offset != next_;
  begun_ = true;
  next_ = offset + bytes.size();
  if (state_ == State::anything) return append(out, bytes);
  if (gap) {
    held_.clear();  // a packet without its end, or too little to tell what it is
    resuming_ = state_ == State::packets;
  }
  if (resuming_) return resume_after_gap(offset, bytes, out);
  if (state_ == State::packets) return take_packets(bytes, out);
  append(held_, bytes);
  look(out);
}

void TsAligner::look(std::vector<std::byte>& out) {
  const auto at = find_packets(held_);
  if (at && held_.size() < *at + kEnough) return;
  const std::vector<std::byte> bytes = std::exchange(held_, {});
  if (!at) {
    state_ = State::anything;
    return append(out, bytes);
  }
  state_ = State::packets;
  phase_ = (next_ - bytes.size() + *at) % kPacketSize;
  take_packets(std::span(bytes).subspan(*at), out);
}

// Whole packets go on, the beginning of one waits for its end.
void TsAligner::take_packets(std::span<const std::byte> bytes, std::vector<std::byte>& out) {
  if (!held_.empty()) {
    const auto rest = bytes.first(std::min(bytes.size(), kPacketSize - held_.size()));
    append(held_, rest);
    bytes = bytes.subspan(rest.size());
    if (held_.size() < kPacketSize) return;
    append(out, held_);
    held_.clear();
  }
  const std::size_t whole = bytes.size() / kPacketSize * kPacketSize;
  append(out, bytes.first(whole));
  append(held_, bytes.subspan(whole));
}

// If the source has begun anew meanwhile, its packets may stand elsewhere.
void TsAligner::resume_after_gap(std::uint64_t offset, std::span<const std::byte> bytes,
                                 std::vector<std::byte>& out) {
  const std::size_t skip = (phase_ + kPacketSize - offset % kPacketSize) % kPacketSize;
  if (skip >= bytes.size()) return;
  resuming_ = false;
  if (are_packets(bytes.subspan(skip))) return take_packets(bytes.subspan(skip), out);
  state_ = State::looking;
  append(held_, bytes);
  look(out);
}

void TsAligner::finish(std::vector<std::byte>& out) {
  append(out, held_);
  held_.clear();
}

}  // namespace ppspp::tools
