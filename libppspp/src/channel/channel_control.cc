// What is due to be said besides chunks: choking, CANCEL, REQUEST, ACK, HAVE, munros (RFC 7574, 3.2
// to 3.9, 6.1.2.4).
#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "channel/channel.h"

namespace ppspp {
namespace {

constexpr Microseconds kLongestDelay = std::chrono::milliseconds(25);  // decision 5
constexpr Microseconds kLiveHaveDelay = std::chrono::milliseconds(5);
constexpr std::uint64_t kFirstRequestBytes = 256 << 10;
constexpr std::uint64_t kFirstAmongManyBytes = 16 << 10;
constexpr std::uint64_t kLeastRequestBytes = 4 << 10;
// More, where a source sends first what it has not sent to anybody.
constexpr std::uint64_t kChoiceBytes = 64 << 10;
constexpr std::uint64_t kMaxRequestBytes = 64 << 20;
// When the rate of a peer is known: after so much, and so long after a pause.
constexpr std::uint64_t kKnownAfterBytes = 32 << 10;
constexpr Microseconds kStartLasts = std::chrono::milliseconds(100);
constexpr std::uint64_t kStalledRequestChunks = 4;
// REQUESTs are said again after so long at the least, and so many runs of them.
constexpr Microseconds kAskAgainAfter = std::chrono::milliseconds(250);
constexpr int kMostAskedAgain = 16;
constexpr Microseconds kRequestAhead = std::chrono::milliseconds(200);
constexpr Microseconds kAheadAmongMany = std::chrono::milliseconds(100);
// What is asked for waits with the sender while its uplink is busy: a longer queue there brings no
// more, and what is rare comes around later.
constexpr Microseconds kQueueAmongMany = std::chrono::milliseconds(60);
constexpr std::size_t kMany = 4;
constexpr Microseconds kLeastRequestAhead = std::chrono::milliseconds(2);
// A live feed is asked for as it comes, of many: what one peer may owe at first, how far ahead, and
// what it may owe while it is silent.
constexpr std::uint64_t kFirstLiveChunks = 32;
constexpr Microseconds kLiveRequestAhead = std::chrono::milliseconds(150);
constexpr std::uint64_t kStalledLiveChunks = 2;
constexpr Microseconds kLivePatience = std::chrono::milliseconds(150);
// The rightmost munro is told again after so long (decision 27), and the end of the feed so often
// with twice the pause each time.
constexpr Microseconds kMunroAgain = std::chrono::milliseconds(250);
constexpr int kMunrosToldAlone = 6;
// UNCHOKE is said again as long as nothing is asked for, with twice the pause each time.
constexpr Microseconds kUnchokeAgain = std::chrono::milliseconds(500);
constexpr int kUnchokesSaid = 5;
// What we have is said again while it is not asked for: so often, with twice the pause each time;
// then with keep-alives. One that has much of it is looked at in parts.
constexpr Microseconds kHavesAgain = std::chrono::seconds(2);
constexpr int kHavesRepeated = 3;
constexpr int kMostRunsLookedAt = 1'024;
// To those few that have everything.
constexpr Microseconds kHavesToSources = std::chrono::seconds(1);

}  // namespace

Microseconds Channel::short_delay() const {
  return std::min(rtt_.smoothed() / 4, kLongestDelay);
}

// In a live swarm there is something to be said to every neighbour all the time.
// Who is choked cannot ask for it yet: many HAVEs together take fewer octets.
bool Channel::haves_wait() const {
  return choking_ && haves_.size() < kMostHavesWait;
}

Microseconds Channel::have_delay(const ChannelContext& context) const {
  if (context.is_scarce_source(*this)) return kHavesToSources;
  if (haves_wait()) return std::max(short_delay(), context.lazy_have_delay());
  return options_.live ? std::max(short_delay(), kLiveHaveDelay) : short_delay();
}

void Channel::fill_control(ByteWriter& out, ChannelContext& context, Now now) {
  say_unchoke_again(now);
  const bool keep_alive = now.monotonic >= keep_alive_at();
  repeat_haves_ = repeat_haves_ || keep_alive || now.monotonic >= repeat_haves_at();
  if (say_choke_ && lists(capabilities_, MessageType::choke)) {
    write_choke(out);
    told_choke_ = true;
  }
  if (say_unchoke_ && lists(capabilities_, MessageType::unchoke)) {
    write_unchoke(out);
    told_choke_ = false;
    if (++unchokes_said_ < kUnchokesSaid) {
      unchoke_again_at_ = now.monotonic + kUnchokeAgain * (std::int64_t{1} << unchokes_said_);
    }
  }
  say_choke_ = say_unchoke_ = false;

  fill_pex(out, context, now);
  const WireFormat& format = context.format();
  while (!cancels_.empty() && out.fits(format.have_size())) {
    const ChunkRange range = cancels_.front();
    const ChunkRange named = nameable_front(range, format);
    if (named.empty() || !lists(capabilities_, MessageType::cancel)) {
      cancels_.pop_front();
      continue;
    }
    write_cancel(out, named, format);
    cancels_.remove(named);
  }
  fill_requests(out, context, now);
  if (now.monotonic >= ask_again_at()) ask_again(out, context);
  // What has to be said anyway takes the rest along: a datagram costs more than a few octets.
  const bool leaving = out.size() > 4 || answer_now_ || keep_alive;
  if (acks_due(now) || (leaving && !acks_.empty())) fill_acks(out, context, now);
  const bool data_leaves = !wanted_.empty() && ledbat_.available() >= path_.size();
  const bool taken_along = leaving || data_leaves || now.monotonic >= ack_deadline();
  if ((taken_along && !haves_wait() && !context.is_scarce_source(*this)) || announcing_ ||
      (!haves_.empty() && now.monotonic >= have_since_ + have_delay(context))) {
    fill_haves(out, context, now);
  }
  if (std::exchange(repeat_haves_, false)) repeat_haves(out, context, now);
  const bool anything_leaves = out.size() > 4 || answer_now_ || keep_alive || !wanted_.empty();
  if (anything_leaves || now.monotonic >= tell_munro_at_) {
    fill_munro(out, context, now);
  }
}

bool Channel::acks_due(Now now) const {
  return !acks_.empty() && now.monotonic >= ack_deadline();
}

// At least every second datagram is acknowledged, but on a fast path not more often than four times
// in a round trip, or every 2 ms: an ACK stands for the longest run of chunks anyway. Nor less
// often, so that the sender's window moves evenly and its delay samples are of this round trip.
TimePoint Channel::ack_deadline() const {
  if (acks_.empty()) return kNever;
  const TimePoint latest = ack_since_ == kNever ? last_ack_at_ : ack_since_ + short_delay();
  if (datagrams_to_ack_ < 2) return latest;
  return std::min(latest, last_ack_at_ + std::min(rtt_.smoothed() / 4, Microseconds(2'000)));
}

void Channel::fill_acks(ByteWriter& out, ChannelContext& context, Now now) {
  const WireFormat& format = context.format();
  if (!lists(capabilities_, MessageType::ack)) acks_.clear();
  if (options_.live) repeat_acks(out, format);
  while (!acks_.empty() && out.fits(format.ack_size())) {
    const ChunkRange due = acks_.front();
    // The biggest complete interval that covers what came (4.3.2).
    const ChunkRange run = context.acknowledgeable(due.begin);
    const ChunkRange named = nameable_around(due.begin, run, format);
    if (run.empty() || named.empty()) {
      acks_.remove({due.begin, due.begin + 1});
      continue;
    }
    write_ack(out, Ack{named, ack_delay_sample_}, format);
    acks_.remove(named);
    if (options_.live) acks_said_.add(named);
  }
  if (!acks_.empty()) return;
  last_ack_at_ = now.monotonic;
  datagrams_to_ack_ = 0;
  ack_since_ = kNever;
}

// A feed comes in bursts, of which one ACK tells: were it lost, the next one, of what lies behind a
// hole, would make the whole burst look lost. So each is said twice, before what is newer.
void Channel::repeat_acks(ByteWriter& out, const WireFormat& format) {
  while (!acks_.empty() && !acks_said_.empty() && out.fits(2 * format.ack_size())) {
    const ChunkRange said = acks_said_.front();
    const ChunkRange again = nameable_around(said.begin, said, format);
    write_ack(out, Ack{again, ack_delay_sample_}, format);
    acks_said_.remove(again);
  }
  acks_said_.clear();
}

void Channel::fill_haves(ByteWriter& out, ChannelContext& context, Now now) {
  const WireFormat& format = context.format();
  const std::size_t before = out.size();
  // Who has everything needs to hear nothing (3.2 #60), unless it is one of few: it sends first
  // what it does not know anybody else to have. Who does not list HAVE cannot hear (7.10).
  const bool hears = !peer_complete(context.chunk_count()) || context.is_scarce_source(*this);
  if (!hears || !lists(capabilities_, MessageType::have)) {
    haves_.clear();
    announcing_ = false;
  }
  while (!haves_.empty() && out.fits(format.have_size())) {
    const ChunkRange due = haves_.front();
    const ChunkRange run = context.announced_to(*this).run_around(due.begin);
    const ChunkRange named = nameable_around(due.begin, run, format);
    if (!named.empty()) write_have(out, named, format);
    haves_.remove(named.empty() ? ChunkRange{due.begin, due.begin + 1} : named);
  }
  if (haves_.empty()) have_since_ = kNever;
  while (announcing_ && out.fits(format.have_size())) {
    const ChunkRange run = context.announced_to(*this).next_run(have_cursor_);
    const ChunkRange named = run.empty() ? run : nameable_front(run, format);
    if (named.empty()) {
      announcing_ = false;
      break;
    }
    write_have(out, named, format);
    have_cursor_ = named.end;
  }
  if (!haves_.empty()) have_since_ = std::min(have_since_, now.monotonic);
  if (out.size() > before) haves_said_at_ = now.monotonic;
}

// Not to whom we choke, who cannot ask; UNCHOKE is said again as well.
TimePoint Channel::repeat_haves_at() const {
  if (haves_said_at_ == kNever || haves_repeated_ >= kHavesRepeated || choking_) return kNever;
  return std::max(haves_said_at_, last_interest_at_) + kHavesAgain * (1 << haves_repeated_);
}

// One datagram of what we have and the peer has not; the rest with the next repetition.
void Channel::repeat_haves(ByteWriter& out, ChannelContext& context, Now now) {
  const WireFormat& format = context.format();
  const std::size_t before = out.size();
  haves_repeated_ = std::min(haves_repeated_ + 1, kHavesRepeated);
  if (announcing_ || peer_complete(context.chunk_count()) ||
      !lists(capabilities_, MessageType::have)) {
    return;
  }
  for (int runs = 0; runs < kMostRunsLookedAt && out.fits(format.have_size()); ++runs) {
    const ChunkRange run = context.announced().next_run(repeat_cursor_);
    const ChunkRange named = run.empty() ? run : nameable_front(run, format);
    if (named.empty()) {
      repeat_cursor_ = 0;
      break;
    }
    if (!peer_has_.contains(named)) write_have(out, named, format);
    repeat_cursor_ = named.end;
  }
  if (out.size() > before) haves_said_at_ = now.monotonic;
}

// 6.1.2.4 #137, #138: neither the first nor the second datagram comes this way.
void Channel::fill_munro(ByteWriter& out, ChannelContext& context, Now now) {
  const bool alone = out.size() == 4 && !answer_now_;
  const auto munro = context.rightmost_munro();
  const bool known =
      !munro || peer_end_ > munro->bin.first_chunk() || peer_munro_end_ >= munro->bin.chunks().end;
  if (known || !lists(capabilities_, MessageType::signed_integrity)) {
    tell_munro_at_ = kNever;
    return;
  }
  if (munro->bin == munro_told_ && now.monotonic < munro_again_at_) return;
  const bool told_one = munro_told_at_ != TimePoint{} && tell_munro_at_ == kNever;
  if (told_one && now.monotonic < munro_told_at_ + context.munro_pause()) return;
  if (!write_munro(out, out.size() + out.space(), *munro, context.format())) return;
  munro_told_ = munro->bin;
  munro_told_at_ = now.monotonic;
  munro_again_at_ = now.monotonic + std::max<Microseconds>(rtt_.smoothed(), kMunroAgain);
  if (tell_munro_at_ == kNever) return;
  if (alone) ++munros_told_;
  tell_munro_at_ = munros_told_ < kMunrosToldAlone
                       ? now.monotonic + kMunroAgain * (std::int64_t{1} << munros_told_)
                       : kNever;
}

// Its hash and its signature belong into one datagram (6.1.2.3 #135). A signed chunk has no hash.
bool Channel::write_munro(ByteWriter& out, std::size_t limit, const SignedMunro& munro,
                          const WireFormat& format) {
  const std::size_t size =
      (munro.hash.empty() ? 0 : format.integrity_size()) + format.signed_integrity_size();
  if (out.size() + size > limit) return false;
  const ChunkRange chunks = munro.bin.chunks();
  if (!munro.hash.empty()) write_integrity(out, Integrity{chunks, munro.hash}, format);
  write_signed_integrity(out, SignedIntegrity{chunks, munro.ntp_timestamp, munro.signature},
                         format);
  munro_in_datagram_ = munro.bin;
  return true;
}

// What may be outstanding: twice what arrives in a round trip and a bit, so that the pipe is full
// and demand can double each time that the peer keeps up with it. On a fast path, where the bit
// would be more than our socket can hold while we are busy, it is no more than that.
std::uint64_t Channel::request_budget(ChannelContext& context, Now now) const {
  if (stalls_ > 0) {
    if (now.monotonic < retry_at_) return 0;
    return options_.live ? kStalledLiveChunks : kStalledRequestChunks;
  }
  const std::uint64_t rate = delivery_rate(now);
  const auto bytes_in = [rate](Microseconds span) {
    return rate / 1'000 * static_cast<std::uint64_t>(span.count()) / 1'000;
  };
  if (options_.live && context.neighbours() > kManyLive) {
    // Who does not keep up is asked for no more until it does.
    const auto oldest = requests_.oldest_request();
    const Microseconds patience = rtt_.smoothed() * 3 / 2 + kLivePatience;
    if (oldest && now.monotonic - *oldest > patience) return 0;
    if (delivery_.is_poor()) return now.monotonic >= delivery_.ask_at() ? 1 : 0;
    const std::uint64_t chunks =
        bytes_in(rtt_.smoothed() + kLiveRequestAhead) / context.metadata().chunk_size;
    return std::clamp(chunks, context.least_owed(),
                      OutstandingRequests::kMaxEntries / std::uint64_t{2});
  }
  if (options_.live) {
    const std::uint64_t chunks =
        bytes_in(rtt_.smoothed() * 2 + kLiveRequestAhead) / context.metadata().chunk_size;
    return std::clamp(chunks, kFirstLiveChunks,
                      OutstandingRequests::kMaxEntries / std::uint64_t{2});
  }
  const bool many = context.neighbours() > kMany;
  const Microseconds trip = std::min(rtt_.smoothed(), rtt_.minimum() + kQueueAmongMany);
  const std::uint64_t wished =
      bytes_in(many ? trip * 3 / 2 + kAheadAmongMany : rtt_.smoothed() * 2 + kRequestAhead);
  const std::uint64_t choice = context.is_scarce_source(*this) ? kChoiceBytes : 0;
  const std::uint64_t held = std::max<std::uint64_t>(
      context.receive_share(), bytes_in(rtt_.smoothed() * 2 + kLeastRequestAhead));
  const std::uint64_t bytes =
      std::clamp(std::min(wished + choice, held), least_requested(context, now), kMaxRequestBytes);
  return std::max<std::uint64_t>(1, bytes / context.metadata().chunk_size);
}

// What it is asked for at first, and as long as nothing is known of how fast it is; less, where
// there are others to ask.
std::uint64_t Channel::least_requested(ChannelContext& context, Now now) const {
  const auto others = std::max<std::uint64_t>(1, context.neighbours());
  const bool known =
      bytes_received_ >= kKnownAfterBytes && now.monotonic >= busy_since_ + kStartLasts;
  if (known && others > 1) return kLeastRequestBytes;
  return std::max(kFirstRequestBytes / others, kFirstAmongManyBytes);
}

// A REQUEST that was lost shows in silence only, where no later one is answered. So what is
// outstanding is said again, once in each silence and well before the peer counts as stalled.
TimePoint Channel::ask_again_at() const {
  const bool quiet = requests_.empty() || stalls_ > 0 || asked_again_after_ == last_data_at_;
  if (quiet || options_.live) return kNever;
  return last_data_at_ +
         std::max<Microseconds>(rtt_.probe_timeout(short_delay(), 0) * 3 / 2, kAskAgainAfter);
}

void Channel::ask_again(ByteWriter& out, const ChannelContext& context) {
  asked_again_after_ = last_data_at_;
  int runs = 0;
  requests_.for_each([&](ChunkRange range) {
    while (!range.empty() && ++runs <= kMostAskedAgain && out.fits(context.format().have_size())) {
      const ChunkRange named = nameable_front(range, context.format());
      if (named.empty()) return;
      write_request(out, named, context.format());
      range.begin = named.end;
    }
  });
}

// What the peer delivers, or what it did before a pause in which nothing was asked of it.
std::uint64_t Channel::delivery_rate(Now now) const {
  const std::uint64_t rate = receive_rate(now);
  const bool starting = now.monotonic < busy_since_ + rtt_.smoothed() * 2 + kStartLasts;
  return starting ? std::max(rate, rate_before_pause_) : rate;
}

void Channel::fill_requests(ByteWriter& out, ChannelContext& context, Now now) {
  if (choked_by_peer_ || context.complete() || peer_has_.empty() ||
      !lists(capabilities_, MessageType::request)) {
    return;
  }
  const WireFormat& format = context.format();
  const std::uint64_t budget = request_budget(context, now);
  if (requests_.chunks() > budget - budget / 4) return;
  const bool first = requests_.empty();
  while (requests_.chunks() < budget && !requests_.full() && out.fits(format.have_size())) {
    ChunkRange range = context.pick(*this, budget - requests_.chunks(), now);
    if (range.empty()) break;
    while (!range.empty() && out.fits(format.have_size())) {
      const ChunkRange named = nameable_front(range, format);
      if (named.empty()) break;
      write_request(out, named, format);
      requests_.add(named, now.monotonic);
      cancels_.remove(named);
      range.begin = named.end;
    }
    if (!range.empty()) {
      context.give_back(*this, range);
      break;
    }
  }
  if (first && !requests_.empty()) last_data_at_ = busy_since_ = now.monotonic;
}

}  // namespace ppspp
