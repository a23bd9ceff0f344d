// What leaves: whose turn it is, and within which limits.
#include <algorithm>

#include "base/assert.h"
#include "endpoint/endpoint_impl.h"

namespace ppspp {
namespace {

// Whoever was just served is not woken sooner than this: a guard against a channel that asks to be
// woken and then has nothing to do.
constexpr Microseconds kSoonest{50};

}  // namespace

std::optional<Transmit> Endpoint::Impl::poll_outgoing(std::span<std::byte> buffer) {
  if (outgoing_.empty()) return std::nullopt;
  const Outgoing datagram = std::move(outgoing_.front());
  outgoing_.pop_front();
  PPSPP_ASSERT(datagram.octets.size() <= buffer.size());
  std::copy(datagram.octets.begin(), datagram.octets.end(), buffer.begin());
  return Transmit{datagram.to, datagram.octets.size(), datagram.octets.size(), false};
}

std::optional<Transmit> Endpoint::Impl::poll_transmit(std::span<std::byte> buffer, Now now) {
  auto transmit = poll_outgoing(buffer);
  // Each channel that is ready gets one train, then it is the next one's turn.
  while (!transmit && !ready_.empty()) {
    const ChannelId id = ready_.front();
    ready_.pop_front();
    transmit = fill_channel(id, buffer, now);
    if (!transmit) transmit = poll_outgoing(buffer);
  }
  if (transmit) {
    counters_.datagrams_out +=
        (transmit->size + transmit->segment_size - 1) / transmit->segment_size;
    counters_.bytes_out += transmit->size;
  }
  return transmit;
}

std::optional<Transmit> Endpoint::Impl::fill_channel(ChannelId id, std::span<std::byte> buffer,
                                                     Now now) {
  auto found = channels_.find(id.value);
  if (found == channels_.end()) return std::nullopt;
  found->second.ready = false;
  settle(id, now);
  found = channels_.find(id.value);
  if (found == channels_.end()) return std::nullopt;
  Slot& slot = found->second;
  Member& member = *slot.member;
  Swarm& swarm = *member.swarm;
  Channel& channel = *slot.channel;

  swarm.set_request_allowance(download_ ? download_->available(now.monotonic) : ~std::uint64_t{0});
  const std::size_t allowance = upload_ ? upload_->available(now.monotonic) : ~std::size_t{0};
  const std::uint64_t sent_before = channel.bytes_sent();
  const auto filled = channel.fill(buffer, allowance, swarm, now);
  if (swarm.held_by_allowance() && download_) {
    download_ready_at_ = std::min(download_ready_at_,
                                  download_->ready_at(swarm.metadata().chunk_size, now.monotonic));
  }
  if (const std::uint64_t asked = swarm.take_requested_bytes(); asked != 0 && download_) {
    download_->take(asked, now.monotonic);
  }
  drain(member);
  if (filled && upload_ && channel.bytes_sent() != sent_before) {
    upload_->take(filled->size, now.monotonic);
  }
  if (filled) {
    touch(id);
    return Transmit{channel.peer(), filled->size, filled->segment_size, filled->probe};
  }
  if (channel.closed()) {
    end_channel(id, now, false);
    return std::nullopt;
  }
  if (channel.held_by_allowance() && upload_) {
    held_.push_back(id);
    upload_ready_at_ =
        std::min(upload_ready_at_, upload_->ready_at(options_.base_datagram_size, now.monotonic));
  }
  schedule(id, slot, now);
  return std::nullopt;
}

void Endpoint::Impl::schedule(ChannelId id, const Slot& slot, Now now) {
  const TimePoint at = slot.channel->deadline(*slot.member->swarm);
  if (at != kNever) deadlines_.set(id, std::max(at, now.monotonic + kSoonest));
}

}  // namespace ppspp
