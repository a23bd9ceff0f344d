// What the peer asks of us, and what became of what we sent (RFC 7574, 3.7 to 3.9; RFC 6817).
#include <algorithm>

#include "channel/channel.h"

namespace ppspp {
namespace {

// Octets that a read ahead fetches for a REQUEST.
constexpr std::uint64_t kPrefetchBytes = 1 << 20;
// Chunks that a peer may ask for although it has them, and the part of what it got of us besides.
constexpr std::uint64_t kRepeatedChunks = 64;
constexpr std::uint64_t kRepeatedShare = 16;
constexpr int kMostParts = 4'096;  // of one REQUEST, between which the peer has something
constexpr Microseconds kLiveProbeTimeout = std::chrono::milliseconds(500);
constexpr std::uint64_t kImpatientChunks = 64;
constexpr int kImpatientProbes = 4;
constexpr Microseconds kLossyFor = std::chrono::seconds(10);
constexpr Microseconds kDoubtFor = std::chrono::seconds(2);
constexpr Microseconds kCrowdedFor = std::chrono::seconds(1);

}  // namespace

void Channel::on_request(ChunkRange asked, ChannelContext& context, Now now) {
  note_interest(now);
  if (!context.can_serve()) return;
  if (choking_ && !cannot_be_choked()) {
    say_choke_ = true;  // 12.6.8: discarded, and said again
    return;
  }
  unchoke_again_at_ = kNever;
  unchokes_said_ = 0;
  if (!capabilities_.messages.test(static_cast<std::size_t>(MessageType::data))) return;
  const ChunkRange range = intersection(asked, context.extent());
  if (range.empty()) return;
  if (wanted_.empty()) {
    const std::uint64_t chunks =
        std::max<std::uint64_t>(1, kPrefetchBytes / context.metadata().chunk_size);
    context.prefetch({range.begin, std::min(range.end, range.begin + chunks)});
  }
  // What is on its way already is resent when it is known to be lost, not because of impatience.
  auto& parts = context.scratch().ranges;
  parts.clear();
  sent_.subtract_from(range, parts);
  for (const ChunkRange part : parts) {
    if (!queue_lacking(part, context, now)) break;
  }
  // What it asks for it has not got, though an ACK or HAVE that was damaged may have said so; of a
  // feed it would not even hear of it.
  if (options_.live) peer_has_.erase(range);
}

void Channel::note_interest(Now now) {
  last_interest_at_ = now.monotonic;
  haves_repeated_ = 0;
}

// But for what the peer has said that it has: who asks for that again, or acknowledges what it asks
// for before it has left, would keep us busy for ever (12.6.4, 12.6.6). Some of it is sent again,
// as a peer may find a few chunks damaged; and what it never got of us, but no more than all there
// is, as a damaged ACK may have named that.
bool Channel::queue_lacking(ChunkRange range, const ChannelContext& context, Now now) {
  const std::uint64_t all = options_.live ? 0 : context.chunk_count();
  for (int parts = 0; !range.empty() && parts < kMostParts; ++parts) {
    const ChunkRange had = intersection(peer_has_.next_run(range.begin), range);
    const ChunkRange lacking{range.begin, had.empty() ? range.end : had.begin};
    if (!lacking.empty() && !queue_request(lacking)) return false;
    if (had.empty()) return true;
    const std::uint64_t not_of_us =
        std::min({had.size(), had_from_others_, all - std::min(all, sent_in_spite_)});
    had_from_others_ -= not_of_us;
    sent_in_spite_ += not_of_us;
    const std::uint64_t most = kRepeatedChunks + chunks_delivered_ / kRepeatedShare;
    const std::uint64_t again = std::min(had.size() - not_of_us, most - std::min(most, repeated_));
    repeated_ += again;
    requests_refused_ += had.size() - not_of_us - again;
    if (not_of_us + again != 0) {
      const ChunkRange part{had.begin, had.begin + not_of_us + again};
      if (!queue_request(part)) return false;
      peer_has_.erase(part);
      if (not_of_us > 0) {
        if (now.monotonic >= doubted_until_) peaks_sent_ = false;
        doubt(now);
      }
    }
    range.begin = had.end;
  }
  return true;
}

// It lacked something that it was taken to have: it may lack the rest as well, and what hashes it
// has is not known.
void Channel::doubt(Now now) {
  doubted_until_ = now.monotonic + kDoubtFor;
  plan_.forget();
}

// What one peer asks for beyond its limit is dropped (12.6). It asks again when it misses it.
bool Channel::queue_request(ChunkRange range) {
  if (options_.max_queued_chunks != 0) {
    const std::uint64_t queued = std::min(wanted_.chunks(), options_.max_queued_chunks);
    const std::uint64_t room = options_.max_queued_chunks - queued;
    if (range.size() > room) {
      requests_refused_ += range.size() - room;
      range.end = range.begin + room;
    }
  }
  return wanted_.add(range);
}

void Channel::on_cancel(ChunkRange range) {
  wanted_.remove(range);
}

void Channel::set_choking(bool choking) {
  if (choking == choking_) return;
  choking_ = choking;
  unchoke_again_at_ = kNever;
  if (cannot_be_choked()) return;
  say_choke_ = choking;
  say_unchoke_ = !choking && told_choke_;  // nothing is taken back that was never said
  unchokes_said_ = 0;
  wanted_.clear();  // 3.9 #159: old requests are discarded
  plan_.forget();
}

bool Channel::cannot_be_choked() const {
  return !capabilities_.messages.test(static_cast<std::size_t>(MessageType::choke));
}

// Who is choked says nothing: whether it heard of the end of it shows in a REQUEST only. So keep-
// alives say it as well.
void Channel::say_unchoke_again(Now now) {
  const bool reminded = unchokes_said_ > 0 && !choking_ && now.monotonic >= keep_alive_at();
  if (now.monotonic < unchoke_again_at_ && !reminded) return;
  say_unchoke_ = true;
  unchoke_again_at_ = kNever;
}

std::optional<bool> Channel::feels_crowded(Now now) const {
  if (!sent_began_ || now.monotonic - last_progress_at_ >= kCrowdedFor) return std::nullopt;
  if (lossy_until_ > now.monotonic + kLossyFor - kCrowdedFor) return true;
  const auto queue = ledbat_.queueing_delay();
  return queue && *queue >= options_.ledbat.target / 2;
}

void Channel::tell_path(const SentChunks::Lost& lost, Now now) {
  if (lost.probe != 0) path_.on_lost(lost.probe, true, now.monotonic);
  if (lost.largest != 0) path_.on_lost(lost.largest, false, now.monotonic);
  ledbat_.set_segment_size(path_.size());
}

void Channel::handle_lost(const SentChunks::Lost& lost, Now now) {
  if (lost.chunks.empty()) return;
  for (const ChunkRange range : lost.chunks) {
    if (!wanted_.add_lost(range)) break;
  }
  plan_.forget();
  if (peer_has_.empty()) peaks_sent_ = false;
  tell_path(lost, now);
  if (lost.only_probes) {
    ledbat_.on_discarded(lost.bytes);
    return;
  }
  lossy_until_ = now.monotonic + kLossyFor;
  halving_may_be_spurious_ = true;
  ledbat_.on_loss(lost.bytes, lost.newest_sent_at, rtt_.smoothed(), now.monotonic);
}

// The timers of what is in flight: loss by age, probe timeout, and CTO (RFC 6817, 2.4.2).
void Channel::handle_send_timers(Now now) {
  if (now.monotonic >= ledbat_.deadline()) {
    ledbat_.advance(now.monotonic);
    update_rate(now);
  }
  if (sent_.empty()) return;
  if (now.monotonic >= sent_.loss_time(rtt_.loss_delay())) {
    handle_lost(
        sent_.detect_losses(options_.ledbat.reordering_datagrams, rtt_.loss_delay(), now.monotonic),
        now);
  }
  if (sent_.empty()) return;
  if (now.monotonic >= timeout_at()) {
    ++timeouts_in_a_row_;
    last_progress_at_ = now.monotonic;
    const auto lost = sent_.take_oldest(SentChunks::kMaxDatagrams);
    for (const ChunkRange range : lost.chunks) wanted_.add_lost(range);
    plan_.forget();
    peaks_sent_ = false;
    tell_path(lost, now);
    ledbat_.on_discarded(lost.bytes);
    ledbat_.on_timeout(now.monotonic);
    lossy_until_ = now.monotonic + kLossyFor;
  } else if (now.monotonic >= probe_timeout_at()) {
    // The tail may be lost, with nothing behind it to show that: send the oldest again, with the
    // hashes that went with it, window or not, and twice, since a path that lost the one may lose
    // the other (RFC 9002, 6.2.4). Whether that was a loss shows in what comes back.
    ++probes_in_a_row_;
    probes_allowed_ = 2;
    const auto oldest = sent_.take_oldest(2);
    for (const ChunkRange range : oldest.chunks) wanted_.add_lost(range);
    plan_.forget();
    if (peer_has_.empty()) peaks_sent_ = false;
    if (oldest.only_probes) tell_path(oldest, now);
    ledbat_.on_discarded(oldest.bytes);
  }
  update_rate(now);
}

// Where little is in flight it would come before the probe, which costs less if it is wrong: then
// the probe goes first.
TimePoint Channel::timeout_at() const {
  const Microseconds timeout = rtt_.rto(timeouts_in_a_row_);
  const bool probed = probes_in_a_row_ > 0 || timeouts_in_a_row_ > 0;
  return last_progress_at_ + (probed ? timeout : timeout * 2);
}

TimePoint Channel::probe_timeout_at() const {
  const TimePoint since = std::max(last_progress_at_, sent_.newest_sent_at());
  const Microseconds timeout = rtt_.probe_timeout(short_delay(), probes_in_a_row_);
  // The first ACK of a feed may have been lost: what is heard of it later is no round trip. But
  // where there is a queue, to send again makes it longer.
  const auto queue = ledbat_.queueing_delay();
  const bool waits_in_queue = queue && *queue >= options_.ledbat.target / 2;
  const bool begins = options_.live && chunks_delivered_ < kImpatientChunks;
  const bool impatient = begins && probes_in_a_row_ < kImpatientProbes && !waits_in_queue;
  return since + (impatient ? std::min(timeout, kLiveProbeTimeout) : timeout);
}

TimePoint Channel::send_deadline() const {
  TimePoint first = kNever;
  if (!sent_.empty()) {
    first = std::min({sent_.loss_time(rtt_.loss_delay()), probe_timeout_at(), timeout_at()});
  }
  if (!wanted_.empty()) {
    first = std::min({first, paced_until_, store_retry_at_, ledbat_.deadline()});
  }
  return first;
}

void Channel::update_rate(Now now) {
  const std::uint64_t rate = ledbat_.pacing_rate(rtt_.smoothed());
  const std::size_t burst = ledbat_.pacing_burst(rtt_.smoothed());
  const std::size_t floor = options_.ledbat.min_burst_segments * options_.base_datagram_size;
  pacer_.set(rate, std::max({burst, floor, path_.size()}), now.monotonic);
  worth_waking_ = burst / 2;
}

}  // namespace ppspp
