// What goes into the next datagram: what is due to be said (channel_control.cc), then chunks with
// the hashes that prove them, in trains of datagrams of one size (RFC 7574, 5.3, 5.4, 8.6).
#include <algorithm>

#include "base/assert.h"
#include "channel/channel.h"
#include "integrity/needed_uncles.h"

namespace ppspp {
namespace {

// A probe of the path that fails costs some thousand octets, three of them at first: too much where
// each of many peers gets a little.
constexpr std::uint64_t kSearchAfterBytes = 128 << 10;
constexpr Microseconds kStoreRetry = std::chrono::milliseconds(10);
// A hash above so many chunks is worth sending twice on a path that loses datagrams.
constexpr std::size_t kHashesWorthRepeating = 3;
// A path may well lose so many probes in a row.
constexpr int kProbesBeforeDoubt = 2;
// A datagram to a peer that ought to be choked and does not know the word.
constexpr Microseconds kTrickleEvery = std::chrono::seconds(1);
// How long a peer waits for others that ask for what nobody has been sent yet.
constexpr Microseconds kMakesWayFor = std::chrono::seconds(2);
constexpr Microseconds kLiveStep = std::chrono::milliseconds(15);
constexpr Microseconds kMakesWayStep = std::chrono::milliseconds(50);
// No message was left out for want of room where there is so much of it: a signed munro is largest.
constexpr std::size_t kRoomLeft = 700;

}  // namespace

std::optional<Filled> Channel::fill(std::span<std::byte> buffer, std::size_t allowance,
                                    ChannelContext& context, Now now) {
  held_by_allowance_ = false;
  last_fill_at_ = now.monotonic;
  munro_in_datagram_ = Bin::none();
  if (std::holds_alternative<Initiating>(state_)) return fill_handshake(buffer, context, now);
  if (!established()) return std::nullopt;
  confirm_again(now);

  ByteWriter out(buffer.first(std::min(buffer.size(), options_.base_datagram_size)));
  write_channel(out, std::get<Established>(state_).remote);
  const std::size_t empty_size = out.size();
  fill_control(out, context, now);
  auto filled = fill_train(buffer, out.size(), allowance, context, now);
  const bool keep_alive = now.monotonic >= keep_alive_at();
  if (!filled && (out.size() > empty_size || answer_now_ || keep_alive)) {
    const bool is_all = out.fits(kRoomLeft) && to_tell_.empty();
    filled = Filled{out.size(), out.size(), false, is_all};
  }
  if (!filled) return std::nullopt;
  answer_now_ = false;
  if (keep_alive) give_memory_back(now);
  count_sent_datagram(now);
  return filled;
}

// Octets of DATA datagrams that may leave now, of `all`; 0: not before an ACK, or paced_until_.
std::size_t Channel::data_allowance(std::size_t needed, std::size_t one_chunk, std::size_t all,
                                    std::size_t allowance, Now now) {
  paced_until_ = kNever;
  if (choking_ && now.monotonic < trickle_at_) {
    paced_until_ = trickle_at_;
    return 0;
  }
  std::size_t window = ledbat_.available();
  if (probes_allowed_ > 0 || ledbat_.flight_size() == 0) window = std::max(window, needed);
  if (window < needed) return 0;
  const std::size_t paced = pacer_.available(now.monotonic);
  if (paced < needed) {
    if (pacer_.ready_at(needed, now.monotonic) > now.monotonic) {
      const std::size_t train = std::min({worth_waking_, window, all});
      paced_until_ = pacer_.ready_at(std::max(needed, train), now.monotonic);
      return 0;
    }
  }
  if (allowance == 0) {
    held_by_allowance_ = true;
    return 0;
  }
  // A limit may be overdrawn by one chunk, or a large one would never leave.
  return std::min({window, std::max(paced, needed), std::max(allowance, one_chunk)});
}

std::optional<Filled> Channel::fill_train(std::span<std::byte> buffer, std::size_t control_size,
                                          std::size_t allowance, ChannelContext& context, Now now) {
  if (!context.can_serve()) wanted_.clear();  // the store has failed: nobody will be answered
  if (wanted_.empty() || sent_.full()) return std::nullopt;
  if (store_retry_at_ != kNever && now.monotonic < store_retry_at_) return std::nullopt;
  store_retry_at_ = kNever;

  if (!choose_next(context, now)) return std::nullopt;
  const std::uint32_t chunk_size = context.metadata().chunk_size;
  const auto [next, resent] = *wanted_.next();
  forget_plan_of_last_datagram();
  if (plan_.chunk != next) plan_next(next, context);
  const std::size_t one_chunk =
      4 + plan_.octets_left(context.format()) + context.format().data_header_size() + chunk_size;
  const std::uint64_t all = wanted_.chunks() * std::uint64_t{one_chunk};
  // Wait for room for a whole datagram rather than send crumbs, unless the window is that small.
  const std::size_t whole = std::min<std::uint64_t>(path_.size(), all);
  const std::size_t needed = std::min(whole, std::max(one_chunk, ledbat_.window() / 4));
  const std::size_t room = data_allowance(needed, one_chunk, all, allowance, now);
  if (room == 0) return std::nullopt;

  std::size_t limit = std::max(std::min(path_.size(), room), std::min(one_chunk, path_.size()));
  const std::size_t chunks_now = std::max<std::size_t>((path_.size() - 4) / (one_chunk - 4), 1);
  path_.skip_below(4 + (chunks_now + 1) * (one_chunk - 4));
  const std::size_t probe_size = path_.probe_size(now.monotonic);
  // What a feed has lost once must not wait for a probe that is lost.
  const bool may_be_lost = !options_.live || !resent;
  const bool worth_a_search = bytes_sent_ >= kSearchAfterBytes;
  const bool try_probe =
      probe_size != 0 && probe_size <= room && probe_size <= all && worth_a_search && may_be_lost;
  if (try_probe) limit = probe_size;
  // A train of many chunks from all over the content may always lack one of them, if the store
  // cannot keep so many at hand.
  if (read_one_) {
    limit = std::min(limit, control_size + one_chunk);
    return lay_out_train(buffer, control_size, limit, limit, context, now);
  }
  return lay_out_train(buffer, control_size, limit, room, context, now);
}

// What others can give goes last, and waits while anybody asks for what nobody has been sent; but
// not for ever. False: nothing is to be sent now.
bool Channel::choose_next(ChannelContext& context, Now now) {
  const BinSet* spread = context.spread_to_others(*this);
  if (options_.live) {
    if (!context.makes_way(*this, now)) return true;
    paced_until_ = now.monotonic + kLiveStep;
    return false;
  }
  if (spread == nullptr) {
    wanted_.undefer();
    return true;
  }
  wanted_.defer(*spread);
  if (wanted_.has_fresh() || !context.makes_way(*this, now)) return true;
  if (way_made_since_ == kNever) way_made_since_ = now.monotonic;
  if (now.monotonic - way_made_since_ >= kMakesWayFor) return true;
  paced_until_ = now.monotonic + kMakesWayStep;
  return false;
}

std::optional<Filled> Channel::lay_out_train(std::span<std::byte> buffer, std::size_t control_size,
                                             std::size_t limit, std::size_t room,
                                             ChannelContext& context, Now now) {
  auto& slots = context.scratch().slots;
  slots.clear();
  Filled filled;
  std::size_t datagrams = 0;
  const std::size_t most = std::min({room, buffer.size(), options_.max_train_size});
  while (datagrams < options_.max_train_segments && !sent_.full()) {
    const bool first = datagrams == 0;
    // Behind the first datagram of a train all have its size, but the last may be shorter.
    const std::size_t own_limit = first ? limit : filled.segment_size;
    if (!first && filled.size + own_limit > most) break;
    ByteWriter out(buffer.subspan(filled.size));
    if (first) {
      out.reserve(control_size);
    } else {
      write_channel(out, std::get<Established>(state_).remote);
      munro_in_datagram_ = Bin::none();
    }
    if (!first) forget_plan_of_last_datagram();
    const Bin munro_before = munro_in_datagram_;
    sent_.begin_datagram(now.monotonic);
    const std::size_t slots_before = slots.size();
    in_datagram_ = true;
    fill_data(out, own_limit, first, context);
    in_datagram_ = false;
    const std::size_t chunks = slots.size() - slots_before;
    if (chunks == 0) {
      sent_.abandon_datagram();
      const bool munro_sent = munro_in_datagram_ != munro_before;
      if (first && (plan_.sent > plan_sent_before_ || munro_sent))
        return Filled{out.size(), out.size(), false};
      break;
    }
    filled.probe = first && chunks > 1 && out.size() > path_.size();
    sent_.finish_datagram(static_cast<std::uint32_t>(out.size()), filled.probe, wanted_.empty());
    ++datagrams;
    if (first) filled.segment_size = out.size();
    filled.size += out.size();
    if (filled.probe || out.size() < filled.segment_size || control_size > 4 || wanted_.empty()) {
      break;
    }
  }
  if (datagrams == 0) return std::nullopt;
  if (!read_payloads(datagrams, context, now)) return std::nullopt;
  commit_train(filled, context, now);
  return filled;
}

// Fills the slots; on failure takes the whole train back.
bool Channel::read_payloads(std::size_t datagrams, ChannelContext& context, Now now) {
  const auto& slots = context.scratch().slots;
  const ReadOutcome outcome = context.read(slots);
  read_one_ = outcome != ReadOutcome::done;
  if (!read_one_) return true;
  for (; datagrams > 0; --datagrams) wanted_.unpop(sent_.abandon_datagram());
  plan_.forget();
  peaks_sent_ = peaks_sent_ && !peer_has_.empty();
  store_retry_at_ = now.monotonic + kStoreRetry;
  return false;
}

void Channel::commit_train(const Filled& filled, ChannelContext& context, Now now) {
  std::uint64_t payload = 0;
  for (const ChunkSlot& slot : context.scratch().slots) {
    stamp(slot.timestamp, now.wall.microseconds);
    payload += slot.payload.size();
    context.note_sent(*this, slot.chunk, now);
  }
  way_made_since_ = kNever;
  if (choking_) trickle_at_ = now.monotonic + kTrickleEvery;
  bytes_sent_ += payload;
  sent_rate_.add(payload, now.monotonic);
  context.count_sent(payload, resent_chunks_);
  resent_chunks_ = 0;
  if (ledbat_.flight_size() == 0) last_progress_at_ = now.monotonic;
  ledbat_.on_sent(filled.size, now.monotonic);
  pacer_.take(filled.size, now.monotonic);
  if (filled.probe) {
    path_.on_probe_sent();
    plan_.forget();  // made when it was not known that this datagram may well be lost
  }
  if (probes_allowed_ > 0) --probes_allowed_;
  sent_began_ = true;
}

void Channel::fill_data(ByteWriter& out, std::size_t limit, bool may_exceed,
                        ChannelContext& context) {
  const WireFormat& format = context.format();
  const std::uint32_t chunk_size = context.metadata().chunk_size;
  plan_sent_before_ = plan_.sent;
  const BinSet* spread = context.spread_to_others(*this);
  bool empty = true;
  while (const auto next = wanted_.next()) {
    const ChunkIndex chunk = next->chunk;
    if (!context.verified().contains(chunk)) {
      // Never announced, or lost to a failing disk since. All such at once: a REQUEST for a whole
      // content must not cost a step for each chunk of it.
      const ChunkRange next_here = context.verified().next_run(chunk);
      wanted_.remove({chunk, next_here.empty() ? context.extent().end : next_here.begin});
      continue;
    }
    if (plan_.chunk != chunk) {
      plan_next(chunk, context);
      plan_sent_before_ = 0;
    }
    const std::size_t payload_size = context.payload_size(chunk);
    const std::size_t data_size = format.data_header_size() + payload_size;
    const std::size_t hashes_size = plan_.octets_left(format);
    if (out.size() + hashes_size + data_size > limit) {
      if (!empty || !may_exceed) return;
      // The hashes go first, in a datagram of their own (5.3 #98), if that makes the chunk fit.
      const bool chunk_fits = 4 + data_size <= limit;
      if (chunk_fits || out.size() + hashes_size + data_size > options_.max_datagram_size) {
        if (hashes_size > 0) return write_hashes(out, limit, context);
        if (out.size() > 4) return;  // what is due to be said goes alone, the chunk after it
      }
    }
    write_hashes(out, out.size() + out.space(), context);
    const DataPlaces places = write_data(out, chunk, payload_size, format);
    PPSPP_ASSERT(out.ok());
    if (!plan_.peaks.empty()) peaks_sent_ = true;
    resent_chunks_ += next->resent ? 1U : 0U;
    context.scratch().slots.push_back({chunk, places.payload, places.timestamp});
    sent_.add_chunk(chunk, next->resent);
    wanted_.pop();
    if (spread != nullptr) wanted_.defer(*spread);
    plan_.forget();
    plan_sent_before_ = 0;
    empty = false;
    if (payload_size < chunk_size) return;  // a short last chunk is the last in its datagram (8.6)
  }
}

void Channel::plan_next(ChunkIndex chunk, ChannelContext& context) {
  plan_.forget();
  plan_.chunk = chunk;
  plan_munro(chunk, context);
  const Bin top = context.proof_top(chunk);
  if (top.is_none()) return;
  if (!peaks_sent_ && (peer_has_.empty() || believes_nothing())) {
    const BinList all = peaks(context.chunk_count());  // 5.6.2 #115
    plan_.peaks.assign(all.begin(), all.end());
  }
  const BinList uncles =
      needed_uncles_below(top, chunk, [&](ChunkRange range) { return peer_can_prove(range); });
  plan_.uncles.assign(uncles.begin(), uncles.end());
  // A lost datagram takes with it the chunks that hang on its hashes. Where datagrams get lost, the
  // hashes above many chunks go out with two of them.
  if (!plan_.uncles.empty() || lossy_until_ <= last_sent_at_ || options_.live) return;
  const BinList again = needed_uncles_below(top, chunk, [&](ChunkRange range) {
    return peer_has_.intersects(range) || sent_.will_arrive_before_last(range);
  });
  if (again.size() >= kHashesWorthRepeating) plan_.uncles.assign(again.begin(), again.end());
}

// The signed munro goes with the chunks under it until the peer has shown one (6.1.2.3 #135), once
// in a datagram; the signature of a chunk with the chunk (6.1.1 #126).
void Channel::plan_munro(ChunkIndex chunk, ChannelContext& context) {
  const auto munro = context.signature_for(chunk);
  if (!munro) return;
  // Who is sent a chunk has not got it, whatever a damaged ACK said: a signature of its own goes
  // along.
  const bool own = munro->bin.height() == 0;
  if (!own && !believes_nothing() && peer_has_.intersects(munro->bin.chunks())) return;
  // Among many a tenth of all octets would be munros: as hashes, they count as having arrived.
  const bool many = context.neighbours() > kManyLive && !proves_alone();
  if (many && sent_.will_arrive(munro->bin.chunks())) return;
  plan_.munro_is_near = munro->bin == munro_in_datagram_;
  if (!plan_.munro_is_near) plan_.munro = munro->bin;
}

// Whether the peer has, or will have, a chunk of the range, and with it the hashes above. Where
// datagrams get lost, a live feed cannot wait for hashes that were in one: then only what the peer
// has shown counts, and what is in the datagram that is being filled.
bool Channel::peer_can_prove(ChunkRange range) const {
  if (!believes_nothing() && peer_has_.intersects(range)) return true;
  if (proves_alone()) return in_datagram_ && sent_.is_in_last(range);
  return sent_.will_arrive(range);
}

// A damaged ACK or HAVE may name what the peer has not got: that shows when it asks for it, or in
// silence.
bool Channel::believes_nothing() const {
  return silent_in_vain() || last_sent_at_ < doubted_until_;
}

bool Channel::silent_in_vain() const {
  return timeouts_in_a_row_ > 1 || (!options_.live && probes_in_a_row_ > kProbesBeforeDoubt);
}

// Nor can what is sent again because nothing was acknowledged: else two chunks each of which relies
// on the other to bring its hashes come for ever and prove nothing.
bool Channel::proves_alone() const {
  if (probes_in_a_row_ > 0 || timeouts_in_a_row_ > 0) return true;
  return options_.live && lossy_until_ > last_sent_at_;
}

// A chunk that did not fit any more was planned for the datagram before, with what stood in that.
void Channel::forget_plan_of_last_datagram() {
  const bool relies_on_it = plan_.munro_is_near || (proves_alone() && plan_.sent == 0);
  if (relies_on_it && munro_in_datagram_.is_none()) plan_.forget();
}

void Channel::Plan::forget() {
  chunk.reset();
  munro.reset();
  munro_is_near = false;
  peaks.clear();
  uncles.clear();
  sent = 0;
}

void Channel::Plan::release() {
  if (chunk) return;
  std::vector<Bin>().swap(peaks);
  std::vector<Bin>().swap(uncles);
}

std::size_t Channel::Plan::octets_left(const WireFormat& format) const {
  std::size_t octets = left() * format.integrity_size();
  if (munro) octets += format.signed_integrity_size();
  if (munro && munro->height() > 0) octets += format.integrity_size();
  return octets;
}

void Channel::write_hashes(ByteWriter& out, std::size_t limit, ChannelContext& context) {
  const WireFormat& format = context.format();
  if (plan_.munro) {
    const auto munro = context.signature_for(*plan_.chunk);
    if (munro && !write_munro(out, limit, *munro, format)) return;
    plan_.munro.reset();
  }
  // Of a tree of megabytes, where the hashes of the chunks that follow stand a little further on.
  constexpr std::size_t kSoonRead = 1'024;
  while (plan_.left() > 0 && out.size() + format.integrity_size() <= limit) {
    const Bin bin = plan_.next();
    const std::span<const std::byte> hash = context.hash(bin);
    __builtin_prefetch(hash.data() + kSoonRead);
    write_integrity(out, Integrity{bin.chunks(), hash}, format);
    ++plan_.sent;
  }
}

}  // namespace ppspp
