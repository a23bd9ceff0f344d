#include "swarm/choker.h"

#include <algorithm>

namespace ppspp {
namespace {

constexpr Microseconds kReviewEvery = std::chrono::seconds(10);
constexpr Microseconds kFirstReviewAfter = std::chrono::seconds(2);
constexpr Microseconds kNewcomerFor = std::chrono::seconds(60);
constexpr Microseconds kTimeToGive = std::chrono::seconds(15);
constexpr Microseconds kIdleAfter = std::chrono::seconds(5);
constexpr Microseconds kRestAfter = std::chrono::seconds(30);
// Who took so much and gave less than a 32nd of it is taken for a freerider.
constexpr std::uint64_t kTakenToJudge = 64 << 10;
constexpr std::uint64_t kLeastShareGiven = 32;
// The same where we seed, of chunks that it should have passed on.
constexpr std::uint32_t kChunksToJudge = 64;
constexpr std::uint32_t kLeastPassedOn = 8;
constexpr unsigned kAddressBits = 64;  // of IPv6: a host may have as many addresses as it likes

bool may_want(const Channel& channel, const Choker::Scene& scene) {
  return channel.established() && !channel.peer_complete(scene.chunk_count);
}

bool lacks_what_we_have(const Channel& channel, const Choker::Scene& scene) {
  if (scene.have.count() > channel.peer_has().count() || channel.waiting_chunks() > 0) return true;
  static const BinSet kNone;
  return !first_run_in_but_not_in(scene.have, channel.peer_has(), kNone, {0, scene.chunk_count}, 1)
              .empty();
}

}  // namespace

void Choker::admit(Channel& fresh, const Scene& scene, Now now) {
  recall(fresh, now);
  const auto served =
      std::count_if(scene.channels.begin(), scene.channels.end(), [&](const Channel* channel) {
        return channel != &fresh && may_want(*channel, scene) && !channel->choking();
      });
  if (next_ == kNever) next_ = TimePoint{};
  stirred_at_ = now.monotonic;
  if (static_cast<std::size_t>(served) < std::max(kFew, gauge_.slots())) return;
  fresh.set_choking(true);
  ++counts_.chokes;
}

void Choker::recall(Channel& fresh, Now now) {
  GiveAndTake& account = fresh.give_and_take();
  account.known_since = now.monotonic;
  const auto past =
      std::ranges::find_if(past_, [&](const Past& other) { return other.peer == fresh.peer(); });
  if (past != past_.end()) {
    account.before = past->account.before;
    account.known_since = past->account.known_since;
    account.passed_on = past->account.passed_on;
    account.kept = past->account.kept;
    past_.erase(past);
  }
  account.since = account.from_others_at = now.monotonic;
  account.from_others = fresh.chunks_from_others();
}

void Choker::remember(const Channel& gone) {
  if (gone.bytes_sent() + gone.bytes_received() + gone.give_and_take().before.sent == 0) return;
  if (past_.size() >= kMostRemembered) past_.erase(past_.begin());
  Past& past = past_.emplace_back(Past{gone.peer(), gone.give_and_take()});
  past.account.before.received += gone.bytes_received();
  past.account.before.sent += gone.bytes_sent();
}

void Choker::review(const Scene& scene, RandomSource& random, std::vector<ChannelId>& touched,
                    Now now) {
  if (full_review_at_ == TimePoint{}) full_review_at_ = now.monotonic + kFirstReviewAfter;
  const bool full = now.monotonic >= full_review_at_;
  if (scene.uploaded != uploaded_) stirred_at_ = now.monotonic;
  gauge_.read(scene.channels, scene.chunk_size, choked_any_, now);
  look(scene, full, now);
  // Where for long nobody has asked for anything, nobody waits: they may all be complete, and not
  // have told us, who are (3.2 #60).
  if (nobody_waits() || now.monotonic - stirred_at_ >= kRestAfter) {
    for (ChokePeer& peer : peers_) peer.chosen = true;
  } else {
    choose(scene, random, now);
  }
  obey(touched, now);
  if (full) full_review_at_ = now.monotonic + kReviewEvery;
  schedule(scene, now);
}

// Few are served all at once, unless they are mostly one (12.6.6).
bool Choker::nobody_waits() const {
  if (peers_.size() > kFew) return false;
  if (!gauge_.scarce()) return true;
  const auto of_first = std::count_if(peers_.begin(), peers_.end(), [&](const ChokePeer& peer) {
    return peer.address == peers_.front().address;
  });
  if (static_cast<std::size_t>(of_first) == peers_.size()) return true;
  const std::size_t most = most_of_one_address(peers_.size());
  return std::all_of(peers_.begin(), peers_.end(), [&](const ChokePeer& peer) {
    const auto same = std::count_if(peers_.begin(), peers_.end(), [&](const ChokePeer& other) {
      return other.address == peer.address;
    });
    return static_cast<std::size_t>(same) <= most;
  });
}

void Choker::look(const Scene& scene, bool full, Now now) {
  peers_.clear();
  channels_.clear();
  for (Channel* channel : scene.channels) {
    if (!may_want(*channel, scene)) continue;
    GiveAndTake& account = channel->give_and_take();
    if (full) account.begin_window(channel->bytes_received(), channel->bytes_sent());
    if (full && channel->choking()) account.forgive();
    if (full || !account.lacks_something) {
      account.lacks_something = lacks_what_we_have(*channel, scene);
    }
    if (!account.lacks_something) continue;
    peers_.push_back(look_at(*channel, scene, now));
    channels_.push_back(channel);
  }
}

ChokePeer Choker::look_at(Channel& channel, const Scene& scene, Now now) const {
  const GiveAndTake& account = channel.give_and_take();
  const Microseconds known = now.monotonic - account.known_since;
  ChokePeer peer{.address = Network::of(channel.peer(), kAddressBits),
                 .unchoked = !channel.choking(),
                 .optimistic = account.optimistic,
                 .newcomer = known < kNewcomerFor,
                 .given = channel.bytes_received() - account.earlier.received,
                 .taken = channel.bytes_sent() + account.before.sent,
                 .rate = channel.send_rate(now),
                 .has = channel.peer_has().count(),
                 .lasting = now.monotonic - account.since};
  const TimePoint asked_at = std::max(channel.last_interest_at(), account.since);
  peer.idle =
      peer.unchoked && channel.waiting_chunks() == 0 && now.monotonic - asked_at >= kIdleAfter;
  if (scene.seeding) {
    const std::uint32_t judged = account.passed_on + account.kept;
    peer.freerider = judged >= kChunksToJudge && account.passed_on < judged / kLeastPassedOn;
    return peer;
  }
  if (known < kTimeToGive) return peer;
  const std::uint64_t received = channel.bytes_received() + account.before.received;
  const bool gives_nothing =
      peer.taken >= kTakenToJudge && received < peer.taken / kLeastShareGiven;
  peer.freerider = gives_nothing || (channel.stalled() && peer.given == 0);
  return peer;
}

std::size_t Choker::quiet() const {
  return static_cast<std::size_t>(
      std::count_if(channels_.begin(), channels_.end(), [](const Channel* channel) {
        return !channel->choking() && channel->has_nothing_to_send();
      }));
}

void Choker::choose(const Scene& scene, RandomSource& random, Now now) {
  const bool full = now.monotonic >= full_review_at_;
  const auto served = static_cast<std::size_t>(std::count_if(
      peers_.begin(), peers_.end(), [](const ChokePeer& peer) { return peer.unchoked; }));
  std::size_t slots = gauge_.slots();
  // Who is served and wants nothing just now does not keep others waiting for what is left.
  if (gauge_.has_room() && slots < kFew) slots = std::min(kFew, slots + quiet());
  if (peers_.size() <= kFew) slots = peers_.size();
  // Between two reviews nobody loses what it has.
  if (!full) slots = std::max(slots, served);
  choose_unchoked({.peers = peers_,
                   .slots = slots,
                   .seeding = scene.seeding,
                   .scarce = gauge_.scarce(),
                   .review = full},
                  random);
}

void Choker::obey(std::vector<ChannelId>& touched, Now now) {
  choked_any_ = false;
  for (std::size_t i = 0; i < peers_.size(); ++i) {
    const ChokePeer& peer = peers_[i];
    Channel& channel = *channels_[i];
    GiveAndTake& account = channel.give_and_take();
    const bool newly_blind = peer.chosen_blind && !(peer.optimistic && peer.unchoked);
    if (newly_blind && !peer.unchoked) ++counts_.optimistic_unchokes;
    account.optimistic = peer.chosen && peer.chosen_blind;
    choked_any_ = choked_any_ || !peer.chosen;
    if (newly_blind || peer.chosen == channel.choking()) account.since = now.monotonic;
    if (peer.chosen != channel.choking()) continue;
    if (!peer.chosen) ++counts_.chokes;
    channel.set_choking(!peer.chosen);
    touched.push_back(channel.local());
  }
}

void Choker::schedule(const Scene& scene, Now now) {
  const bool several = peers_.size() > kFew || (scene.seeding && peers_.size() > 1);
  const bool busy = scene.uploaded != uploaded_;
  uploaded_ = scene.uploaded;
  interested_ = peers_.size();
  reviewed_at_ = now.monotonic;
  next_ = choked_any_ || (several && busy) ? now.monotonic + kTick : kNever;
  if (next_ != kNever || peers_.capacity() <= kFew) return;
  std::vector<ChokePeer>().swap(peers_);
  std::vector<Channel*>().swap(channels_);
}

}  // namespace ppspp
