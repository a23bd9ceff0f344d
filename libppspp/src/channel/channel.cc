#include "channel/channel.h"

#include <algorithm>

#include "base/assert.h"
#include "base/log.h"
#include "base/overloaded.h"

namespace ppspp {
namespace {

// Of a peer's availability map, so that what it announces cannot fill our memory.
constexpr std::size_t kMaxPeerPages = 2'048;

constexpr Microseconds kDeadAfter = std::chrono::minutes(3);  // 3.12
constexpr int kDeadAfterDatagrams = 3;                        // 3.12
constexpr Microseconds kForgottenAfter = std::chrono::seconds(3);
constexpr Microseconds kLiveSilence = std::chrono::seconds(5);
constexpr int kConfirmedInVain = 4;
constexpr Microseconds kStallAfter = std::chrono::seconds(1);
constexpr Microseconds kLiveStallAfter = std::chrono::milliseconds(400);
// What was asked for is meant to come within half a second and a round trip.
constexpr Microseconds kTrimAfter = std::chrono::seconds(2);
constexpr Microseconds kStallRetryMost = std::chrono::seconds(10);
constexpr Microseconds kStallRetryAmongMany = std::chrono::seconds(60);
constexpr Microseconds kLiveStallRetryMost = std::chrono::seconds(1);
constexpr Microseconds kLongestTime = std::chrono::hours(1);  // to finish, as far as anybody asks

// By how much the wall clock is before the monotonic one, which other hosts do not have.
Microseconds wall_ahead(Now now) {
  const auto monotonic = static_cast<std::uint64_t>(now.monotonic.time_since_epoch().count());
  return Microseconds(static_cast<std::int64_t>(now.wall.microseconds - monotonic));
}

}  // namespace

Channel::Channel(ChannelId local, const TransportAddress& peer, const ChannelOptions& options,
                 Microseconds patience, Now now)
    : local_(local),
      peer_(peer),
      options_(options),
      patience_(patience),
      state_(Initiating{.resend_at = now.monotonic, .began_at = now.monotonic}),
      initiated_(true),
      peer_has_(kMaxPeerPages),
      last_received_at_(now.monotonic),
      last_sent_at_(now.monotonic),
      last_fill_at_(now.monotonic),
      last_data_at_(now.monotonic),
      retry_at_(now.monotonic),
      busy_since_(now.monotonic),
      received_(now.monotonic),
      last_ack_at_(now.monotonic),
      munro_again_at_(now.monotonic),
      sent_rate_(now.monotonic),
      last_interest_at_(now.monotonic),
      ledbat_(options.ledbat, options.base_datagram_size, now.monotonic, wall_ahead(now)),
      rtt_(options.ledbat),
      pacer_(0, options.base_datagram_size, now.monotonic),
      path_(options.base_datagram_size, options.max_datagram_size),
      last_progress_at_(now.monotonic) {
  capabilities_.messages = all_messages();
  update_rate(now);
}

Channel::Channel(ChannelId local, ChannelId remote, const TransportAddress& peer,
                 const PeerCapabilities& capabilities, const ChannelOptions& options, Now now)
    : Channel(local, peer, options, Microseconds(0), now) {
  state_ = Established{remote};
  established_at_ = now.monotonic;
  capabilities_ = capabilities;
  initiated_ = false;
}

void Channel::close(std::string_view reason, bool tell_peer, CloseCause cause) {
  const auto* established = std::get_if<Established>(&state_);
  const ChannelId remote = established != nullptr ? established->remote : ChannelId{};
  if (closed()) return;
  log(LogLevel::debug, "channel {:08x} to {} closed: {}", local_.value, peer_.to_string(), reason);
  set_state(Closed{reason, tell_peer && remote.value != 0, remote, cause});
}

std::size_t Channel::write_closing(std::span<std::byte> buffer) {
  auto* closed = std::get_if<Closed>(&state_);
  if (closed == nullptr || !closed->tell_peer) return 0;
  closed->tell_peer = false;
  ByteWriter out(buffer);
  write_channel(out, closed->remote);
  write_handshake(out, Handshake{ChannelId{}, closing_options()});
  return out.ok() ? out.size() : 0;
}

void Channel::handle_datagram(std::span<const std::byte> datagram, ChannelContext& context,
                              Now now) {
  DatagramReader reader(datagram, context.format());
  last_received_at_ = now.monotonic;
  sent_since_received_ = 0;
  confirm_at_ = kNever;
  const std::uint32_t hashes = hashes_used_ = context.scratch().next_hash_number();
  const bool goes_on = handle_messages(reader, hashes, context, now);
  look_for_losses(now);
  if (!goes_on) return;
  if (reader.error()) {
    ++decode_errors_;
    faults_.add(PeerFault::decode_error);
    log(LogLevel::debug, "channel {:08x}: {}", local_.value, to_string(*reader.error()));
  }
  keep_early_hashes(hashes, context);
  if (faults_.too_many()) close("too many faults", true, CloseCause::faults);
}

std::uint32_t Channel::tag() const {
  const auto* established = std::get_if<Established>(&state_);
  return established == nullptr ? 0 : local_.value ^ established->remote.value;
}

void Channel::handle_deadline(ChannelContext& context, Now now) {
  if (!established()) return;
  if (now.monotonic >= last_received_at_ + kDeadAfter &&
      sent_since_received_ >= kDeadAfterDatagrams) {
    take_back_requests(context);
    close("silent for too long", false, CloseCause::silence);
    return;
  }
  handle_send_timers(now);
  const Microseconds patience = rtt_.loss_delay() * 2 + rtt_.variation() * 4 + Microseconds(25'000);
  for (const ChunkRange range : requests_.take_overdue(patience, now.monotonic)) {
    unsolicited_credit_ += range.size();
    context.give_back(*this, range);
  }
  if (!requests_.empty() && now.monotonic >= last_data_at_ + stall_timeout()) {
    delivery_.add_failed(requests_.chunks(), now.monotonic);
    take_back_requests(context);
    note_stall(context, now);
  }
}

// One small attempt now and then, until something comes; where there are others to ask, after
// pauses that double (12.6.2, 12.6.9).
void Channel::note_stall(const ChannelContext& context, Now now) {
  ++stalls_;
  const bool others = context.neighbours() > 1;
  const std::int64_t times = others ? std::int64_t{1} << std::min(stalls_ - 1, 6) : stalls_;
  const Microseconds most = options_.live ? kLiveStallRetryMost
                            : others      ? kStallRetryAmongMany
                                          : kStallRetryMost;
  retry_at_ = now.monotonic + std::min<Microseconds>(stall_timeout() * times, most);
}

// A peer that answers at once, and never with what is of use, must not keep chunks from being asked
// of others (12.6.2): it counts as one that does not answer. Not after the first, which a path may
// have damaged.
void Channel::note_refused(const ChannelContext& context, Now now) {
  if (options_.live || now.monotonic == refused_at_) return;
  refused_at_ = now.monotonic;
  ++refused_in_a_row_;
  if (doubtful() && context.neighbours() > 1 && now.monotonic >= retry_at_) {
    note_stall(context, now);
  }
}

Microseconds Channel::stall_timeout() const {
  return std::max<Microseconds>(rtt_.probe_timeout(short_delay(), 0) * 3,
                                options_.live ? kLiveStallAfter : kStallAfter);
}

void Channel::take_back_requests(ChannelContext& context) {
  for (const ChunkRange range : requests_.take_all()) {
    unsolicited_credit_ += range.size();
    context.give_back(*this, range);
    cancels_.add(range);
  }
}

std::vector<ChunkRange> Channel::owed_later(ChunkRange range, std::uint32_t chunk_size,
                                            Now now) const {
  const std::uint64_t on_the_way =
      delivery_rate(now) / 1'000 * static_cast<std::uint64_t>(rtt_.smoothed().count()) / 1'000;
  return requests_.later_within(range, on_the_way / chunk_size + 1);
}

bool Channel::trim_requests(ChannelContext& context, Now now) {
  const auto oldest = requests_.oldest_request();
  if (context.neighbours() < 2 || !oldest) return false;
  const Microseconds patience = std::max<Microseconds>(kTrimAfter, rtt_.smoothed() * 6);
  if (now.monotonic - *oldest < patience) return false;
  const std::uint64_t budget = std::max<std::uint64_t>(1, request_budget(context, now));
  if (requests_.chunks() <= budget) return false;
  for (const ChunkRange range : requests_.take_newest(requests_.chunks() - budget)) {
    unsolicited_credit_ += range.size();
    cancels_.add(range);
    context.give_back(*this, range);
  }
  return true;
}

TimePoint Channel::deadline(const ChannelContext& context) const {
  if (closed()) return kNever;
  if (const auto* initiating = std::get_if<Initiating>(&state_)) return initiating->resend_at;
  TimePoint first = std::min(ack_deadline(), send_deadline());
  first = std::min(first, silent_since());
  if (!haves_.empty()) first = std::min(first, have_since_ + have_delay(context));
  first = std::min(
      {first, keep_alive_at(), tell_munro_at_, confirm_at_, unchoke_again_at_, repeat_haves_at()});
  if (sent_since_received_ >= kDeadAfterDatagrams) {
    first = std::min(first, last_received_at_ + kDeadAfter);
  }
  if (!requests_.empty()) {
    const Microseconds patience =
        rtt_.loss_delay() * 2 + rtt_.variation() * 4 + Microseconds(25'000);
    first = std::min(
        {first, last_data_at_ + stall_timeout(), ask_again_at(), requests_.overdue_at(patience)});
  } else if (retry_at_ > last_fill_at_ && !context.complete()) {
    first = std::min(first, retry_at_);
  }
  return first;
}

// Who brought us a feed and falls silent may have died and come back, and so may who never said
// anything since it answered. Once is enough: on the channel that takes the place of this one
// nothing has come yet, if it is the feed that stalls.
TimePoint Channel::silent_since() const {
  const bool answers_nothing = confirmed_ >= kConfirmedInVain;
  const bool expected = options_.live && (bytes_received_ > 0 || answers_nothing);
  return expected ? last_received_at_ + kLiveSilence : kNever;
}

bool Channel::peer_complete(std::uint64_t chunk_count) const {
  return chunk_count != 0 && peer_has_.count() >= chunk_count &&
         peer_has_.contains(ChunkRange{0, chunk_count});
}

bool Channel::looks_forgotten(Now now) const {
  if (established() && now.monotonic >= silent_since()) return true;
  return established() && stalls_ > 1 &&
         now.monotonic - last_received_at_ >= std::max<Microseconds>(kForgottenAfter, rtt_.rto(1));
}

Microseconds Channel::time_to_finish(std::uint64_t more_bytes, std::uint32_t chunk_size,
                                     Now now) const {
  if (doubtful()) return kLongestTime;
  const std::uint64_t bytes = requests_.chunks() * chunk_size + more_bytes;
  const std::uint64_t rate = std::max<std::uint64_t>(receive_rate(now), 1'000);
  if (bytes / rate > 3'600) return kLongestTime;
  return Microseconds(static_cast<Microseconds::rep>(bytes * 1'000'000 / rate)) + rtt_.smoothed();
}

void Channel::on_verified(ChunkRange chunks, std::int64_t one_way_delay_us, std::uint64_t bytes,
                          Now now) {
  received_.add(bytes, now.monotonic);
  bytes_received_ += bytes;
  faults_.add_good(chunks.size());
  refused_in_a_row_ = stalls_ = 0;
  delivery_.add_good(chunks.size());
  note_ack_due(chunks, one_way_delay_us);
}

void Channel::on_wrong_chunk(const ChannelContext& context, Now now) {
  faults_.add(PeerFault::wrong_chunk);
  delivery_.add_failed(1, now.monotonic);
  ++chunks_rejected_;
  note_refused(context, now);
}

void Channel::on_unverifiable(ChunkIndex chunk, bool still_wanted, const ChannelContext& context,
                              Now now) {
  faults_.add_unproved(now.monotonic);
  if (still_wanted) delivery_.add_failed(1, now.monotonic);
  note_refused(context, now);
  // Also when the list is full: the chunk has just left it, and nobody else knows of it.
  if (still_wanted) requests_.add_passed(chunk, now.monotonic);
}

void Channel::on_duplicate(ChunkIndex chunk, std::int64_t one_way_delay_us) {
  note_ack_due({chunk, chunk + 1}, one_way_delay_us);
}

void Channel::note_ack_due(ChunkRange chunks, std::int64_t one_way_delay_us) {
  acks_.add(chunks);
  ack_delay_sample_ = one_way_delay_us;
}

bool Channel::announce(ChunkRange range, Now now) {
  // The announcement of everything, from the cursor on, will come to it.
  if (announcing_ && range.begin >= have_cursor_) return true;
  const bool first = haves_.empty();
  if (have_since_ == kNever) have_since_ = now.monotonic;
  if (!haves_.add(range)) {
    // Too many holes to remember: begin the whole announcement again.
    haves_.clear();
    announcing_ = true;
    have_cursor_ = 0;
  }
  return first || announcing_ || haves_.size() >= kMostHavesWait;
}

void Channel::take_late(ChunkRange range, Now now) {
  const std::uint64_t before = requests_.chunks();
  cancel(range);
  delivery_.add_failed(before - requests_.chunks(), now.monotonic);
}

void Channel::cancel(ChunkRange range) {
  if (requests_.remove(range) == 0) return;
  unsolicited_credit_ += range.size();
  cancels_.add(range);
}

void Channel::count_sent_datagram(Now now) {
  last_sent_at_ = now.monotonic;
  ++sent_since_received_;
}

// Nothing was said for so long that a keep-alive is due: of many channels most are so. What they
// had room for when they were busy would be most of their memory.
void Channel::give_memory_back(Now now) {
  for (RangeList* list : {&acks_, &acks_said_, &haves_, &cancels_}) list->release();
  requests_.release();
  wanted_.release();
  sent_.release();
  plan_.release();
  ledbat_.release(now.monotonic);
  if (to_tell_.empty()) std::vector<PeerToTell>().swap(to_tell_);
  if (requests_.empty() && !options_.live) {
    std::vector<ClaimedHash>().swap(early_hashes_);
    std::vector<std::byte>().swap(early_octets_);
    next_early_ = 0;
  }
}

void Channel::check_invariants() const {
  peer_has_.check_invariants();
  for (const ClaimedHash& early : early_hashes_) {
    PPSPP_ASSERT(early.hash.data() >= early_octets_.data() &&
                 early.hash.data() + early.hash.size() <=
                     early_octets_.data() + early_octets_.size());
  }
}

}  // namespace ppspp
