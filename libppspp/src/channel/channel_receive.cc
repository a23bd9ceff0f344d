// What comes from the peer: chunks, hashes, acknowledgements, availability (RFC 7574, 3.2 to 3.9).
#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "base/overloaded.h"
#include "channel/channel.h"
#include "channel/pex_messages.h"

namespace ppspp {
namespace {

// Hashes that came ahead of their chunks (5.3 #98): enough for the chunks of a receive batch whose
// proofs come in full, each in a datagram of its own. The oldest make way.
constexpr std::size_t kMaxEarlyHashes = 512;

}  // namespace

// Returns false if the rest of the datagram is not to be read.
bool Channel::handle_messages(DatagramReader& reader, std::uint32_t datagram_hashes,
                              ChannelContext& context, Now now) {
  const overloaded handle{
      [&](const Data& m) { on_data(m, datagram_hashes, context, now); },
      [&](const Ack& m) { on_ack(m, context, now); },
      [&](const Have& m) { on_have(m.chunks, context, now); },
      [&](const Integrity& m) { on_integrity(m, context); },
      [&](const Request& m) { on_request(m.chunks, context, now); },
      [&](const Cancel& m) { on_cancel(m.chunks); },
      [&](const Choke&) { on_choke(context, now); },
      [&](const Unchoke&) { on_unchoke(); },
      [&](const SignedIntegrity& m) { context.receive_signature(*this, m, datagram_hashes); },
      [&](const PexReq&) { on_pex_request(context, now); },
      [&](const PexResV4& m) { on_pex_address(address_in(m), context, now); },
      [&](const PexResV6& m) { on_pex_address(address_in(m), context, now); },
      [&](const PexResCert& m) { on_pex_certificate(m.certificate, context, now); },
  };
  bool goes_on = true;
  const overloaded handle_in_turn{
      [&](const Handshake& m) { goes_on = on_handshake(m, context, now); },
      [&](const auto& m) {
        // The answer to our first datagram begins with a HANDSHAKE, or it is none (3.1.1(3)).
        goes_on = established();
        if (!goes_on) return;
        handle(m);
        goes_on = !closed();
      },
  };
  while (goes_on && reader.next_to(handle_in_turn)) {
  }
  return goes_on;
}

void Channel::on_data(const Data& message, std::uint32_t datagram_hashes, ChannelContext& context,
                      Now now) {
  last_data_at_ = now.monotonic;
  ++datagrams_to_ack_;
  if (ack_since_ == kNever) ack_since_ = now.monotonic;
  if (message.chunks.size() == 1) {
    return on_chunk(message.chunks.begin, message, message.payload, datagram_hashes, context, now);
  }
  const std::size_t chunk_size = context.metadata().chunk_size;
  auto payload = message.payload;
  for (ChunkIndex chunk = message.chunks.begin; chunk < message.chunks.end; ++chunk) {
    const auto own = payload.first(std::min(payload.size(), chunk_size));
    payload = payload.subspan(own.size());
    on_chunk(chunk, message, own, datagram_hashes, context, now);
  }
}

void Channel::on_chunk(ChunkIndex chunk, const Data& message, std::span<const std::byte> payload,
                       std::uint32_t datagram_hashes, ChannelContext& context, Now now) {
  const auto delay = static_cast<std::int64_t>(now.wall.microseconds - message.timestamp_us);
  const bool asked = requests_.on_received(chunk, now.monotonic);
  if (options_.live && !peer_has_.contains(chunk) && context.extent().contains(chunk)) {
    note_peer_has({chunk, chunk + 1}, context, now);
  }
  if (asked && requests_.empty()) rate_before_pause_ = delivery_rate(now);
  if (!context.is_wanted(chunk)) {
    if (context.verified().contains(chunk)) {
      on_duplicate(chunk, delay);
    } else if (!options_.live) {  // what is live may be too early or too late by itself
      faults_.add(PeerFault::unsolicited);
    }
    return;
  }
  // A live feed may be pushed (3.7 #154).
  if (!asked && !options_.live) {
    // Late, after it was taken back; anything beyond that costs us hashing (12.6.3).
    if (unsolicited_credit_ == 0) {
      faults_.add(PeerFault::unsolicited);
      return;
    }
    --unsolicited_credit_;
  }
  if (!doubtful()) stalls_ = 0;
  unchoked_in_vain_ = false;
  const std::uint32_t end = context.scratch().next_hash_number();
  ReceivedChunk& place = context.receive_chunk(*this, chunk, asked);
  place.payload = payload;
  place.one_way_delay_us = delay;
  place.hashes_begin = datagram_hashes;
  place.hashes_own = hashes_used_;
  place.hashes_end = end;
  hashes_used_ = end;
}

void Channel::on_integrity(const Integrity& message, ChannelContext& context) {
  const Bin bin = bin_of(message.chunks);
  if (bin.is_none()) return;  // no node of a binary tree
  context.scratch().note_hash({bin, message.hash});
}

// Keeps the hashes of a datagram that brought no chunk, for those that follow.
void Channel::keep_early_hashes(std::uint32_t begin, ChannelContext& context) {
  const auto& hashes = context.scratch().hashes;
  if (hashes_used_ > begin || hashes.size() == begin) return;
  if (requests_.empty() && !options_.live) return;
  for (std::size_t i = begin; i < hashes.size(); ++i) {
    make_room_for_early_hash();
    const auto place =
        std::span(early_octets_).subspan(next_early_ * kMaxDigestSize, hashes[i].hash.size());
    std::ranges::copy(hashes[i].hash, place.begin());
    if (next_early_ == early_hashes_.size()) early_hashes_.emplace_back();
    early_hashes_[next_early_] = {hashes[i].bin, place};
    next_early_ = (next_early_ + 1) % kMaxEarlyHashes;
  }
}

// Most channels never need all of it.
void Channel::make_room_for_early_hash() {
  const std::size_t places = early_octets_.size() / kMaxDigestSize;
  if (next_early_ < places) return;
  early_octets_.resize(std::clamp<std::size_t>(places * 2, 16, kMaxEarlyHashes) * kMaxDigestSize);
  for (std::size_t i = 0; i < early_hashes_.size(); ++i) {
    auto& hash = early_hashes_[i].hash;
    hash = std::span(early_octets_).subspan(i * kMaxDigestSize, hash.size());
  }
}

// A damaged ACK or HAVE names a wrong range, most often one far beyond the end: none of it holds.
// It may reach to the end of the tree, as a bin does.
ChunkRange Channel::believable(ChunkRange named, const ChannelContext& context) const {
  const std::uint64_t count = context.chunk_count();
  if (!options_.live && count != 0 && named.end > std::bit_ceil(count)) return {};
  return intersection(named, context.extent());
}

void Channel::on_ack(const Ack& message, ChannelContext& context, Now now) {
  const ChunkRange range = believable(message.chunks, context);
  if (range.empty()) return;
  const std::uint64_t news = note_peer_has(range, context, now);
  if (halving_may_be_spurious_ && wanted_.has_lost(range)) {
    halving_may_be_spurious_ = false;
    ledbat_.on_spurious_loss(now.monotonic);
  }
  wanted_.remove(range);
  const Microseconds least = least_rtt(message.one_way_delay_us);
  const SentChunks::Acked acked = sent_.on_ack(range, now.monotonic, least - least / 8);
  chunks_delivered_ += acked.chunks;
  had_from_others_ += news;
  had_from_others_ -= std::min(had_from_others_, acked.chunks);  // a HAVE may have come first
  if (acked.chunks == 0) return;  // an old ACK, or one for what we never sent (12.6.4)
  last_progress_at_ = now.monotonic;
  note_interest(now);
  // Nothing came of what relied on its word, and something of what did not.
  if (!options_.live && silent_in_vain()) doubt(now);
  probes_in_a_row_ = timeouts_in_a_row_ = 0;
  if (acked.rtt) {
    rtt_.on_sample(*acked.rtt, now.monotonic);
    ledbat_.on_rtt_sample(*acked.rtt, now.monotonic);
  } else if (least > rtt_.smoothed()) {
    // Else a path whose queue grows while everything on it is sent again never shows that it does.
    rtt_.on_sample(least, now.monotonic);
  }
  path_.on_acked(acked.largest, acked.probe, now.monotonic);
  ledbat_.set_segment_size(path_.size());
  ledbat_.on_ack(acked.bytes, message.one_way_delay_us, rtt_.smoothed(), acked.app_limited,
                 now.monotonic);
  delay_sample_ = ledbat_.queueing_delay();
  acked_ = true;
}

// How long what this ACK is for was under way at least: the shortest round trip ever, and the queue
// that it met. So the ACK of a first copy is not taken for that of the second, which is still in
// the same queue: all between the two would count as lost, and be sent again, and so on.
Microseconds Channel::least_rtt(std::int64_t one_way_delay_us) const {
  constexpr std::uint64_t kLongestQueueUs = 2'000'000;  // the peer says it, and may say anything
  constexpr std::uint64_t kDamagedUs = 60'000'000;      // no queue is as long as that
  const std::int64_t base = ledbat_.base_delay().value_or(one_way_delay_us);
  const std::uint64_t queue =
      one_way_delay_us <= base
          ? 0
          : static_cast<std::uint64_t>(one_way_delay_us) - static_cast<std::uint64_t>(base);
  if (queue > kDamagedUs) return rtt_.minimum();
  return rtt_.minimum() +
         Microseconds(static_cast<Microseconds::rep>(std::min(queue, kLongestQueueUs)));
}

// Losses show when all ACKs of a datagram are read: they come in the order of the chunks, which
// need not be that in which these were sent.
void Channel::look_for_losses(Now now) {
  if (!std::exchange(acked_, false) || closed()) return;
  handle_lost(
      sent_.detect_losses(options_.ledbat.reordering_datagrams, rtt_.loss_delay(), now.monotonic),
      now);
  update_rate(now);
}

void Channel::on_have(ChunkRange announced, ChannelContext& context, Now now) {
  const ChunkRange range = believable(announced, context);
  if (range.empty()) return;
  had_from_others_ += note_peer_has(range, context, now);
  wanted_.remove(range);  // the implicit CANCEL of 3.8 #156
  if (capabilities_.draft_era) {
    on_ack(Ack{range, ledbat_.base_delay().value_or(0)}, context, now);
  }
}

// Of a live feed a peer keeps no more than its window behind the newest chunk (6.2 #148).
std::uint64_t Channel::note_peer_has(ChunkRange range, ChannelContext& context, Now now) {
  if (options_.live) {
    peer_end_ = std::max(peer_end_, range.end);
    const std::uint64_t window = capabilities_.discard_window;
    if (peer_end_ > window) {
      peer_has_.erase({0, peer_end_ - window});
      range.begin = std::max(range.begin, peer_end_ - window);
    }
  }
  const std::uint64_t before = peer_has_.count();
  if (!range.empty()) peer_has_.insert(range);
  if (peer_has_.count() != before) context.on_peer_has(*this, range, now);
  return peer_has_.count() - std::min(before, peer_has_.count());
}

// A peer that unchokes and then does not serve is slow (12.6.9, UNCHOKE.2).
void Channel::on_choke(ChannelContext& context, Now now) {
  if (std::exchange(unchoked_in_vain_, false) && !requests_.empty()) note_stall(context, now);
  choked_by_peer_ = true;
  // No answer can be expected to what is outstanding (3.9 #160): others shall be asked.
  for (const ChunkRange range : requests_.take_all()) {
    unsolicited_credit_ += range.size();  // what is in flight may still come
    context.give_back(*this, range);
  }
}

// Without a CHOKE before it is ignored (12.6.9, UNCHOKE.1).
void Channel::on_unchoke() {
  if (std::exchange(choked_by_peer_, false)) unchoked_in_vain_ = true;
}

}  // namespace ppspp
