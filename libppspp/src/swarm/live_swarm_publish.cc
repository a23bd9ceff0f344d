// The source of a live feed: signs what is appended, and offers it to the peers (RFC 7574, 6.1,
// decisions 26 and 33).
#include <algorithm>

#include "base/log.h"
#include "swarm/live_swarm.h"
#include "swarm/live_window.h"
#include "wire/signed_content.h"

namespace ppspp {
namespace {

// A peer that said nothing for so long is not sent what it did not ask for.
constexpr Microseconds kInterestLasts = std::chrono::seconds(2);
constexpr Microseconds kHeardLately = std::chrono::milliseconds(700);  // each tells what it has
// Who has others to ask hears of a chunk from them by then.
constexpr Microseconds kWithholdFor = std::chrono::milliseconds(250);
constexpr Microseconds kWithholdAmongMany = std::chrono::milliseconds(600);
// Who was pushed a chunk has acknowledged it by then.
constexpr Microseconds kHeardBy = std::chrono::milliseconds(300);
constexpr int kPushedAgain = 4;
constexpr std::uint64_t kOneInTurn = 8;
constexpr Microseconds kSourceRound = std::chrono::milliseconds(300);
// A queue shows half a round trip after what made it, and takes some time to drain.
constexpr Microseconds kLessEvery = std::chrono::milliseconds(400);
constexpr int kLookedAt = 4;
// Of the feed, for what is asked for; and all that is left beyond so many copies.
constexpr double kAnsweredShare = 0.3;
constexpr double kCopiesFirst = 3;
// Of kSourceRound.
constexpr std::uint64_t kRoundsToTell = 5;
constexpr std::uint64_t kRoundsJudged = 8;
constexpr Microseconds kMoreEvery = std::chrono::milliseconds(100);
constexpr Microseconds kCrowdedFor = std::chrono::milliseconds(300);

Unexpected no_signature() {
  return fail(Errc::io, "the feed cannot be signed: the cryptographic library refused");
}

}  // namespace

Result<std::unique_ptr<LiveSwarm>> LiveSwarm::publish(
    SwarmHandle handle, const SwarmMetadata& metadata, std::unique_ptr<ChunkStore> store,
    std::unique_ptr<Signer> signer, const LiveSourceSettings& settings, RandomSource& random,
    ChannelScratch& scratch) {
  if (auto valid = metadata.validate(); !valid) return Unexpected{valid.error()};
  if (!std::ranges::equal(metadata.id.octets(), signer->dnskey())) {
    return fail(Errc::invalid_argument, "the key is not that of the swarm");
  }
  JoinSettings join;
  join.live.discard_window = settings.discard_window;
  std::unique_ptr<LiveSwarm> swarm(
      new LiveSwarm(handle, metadata, std::move(store), join, random, scratch));
  swarm->source_ = std::make_unique<LiveSource>(metadata, settings, std::move(signer));
  if (!swarm->source_->measuring()) {
    if (auto begun = swarm->start_publishing({}); !begun) return Unexpected{begun.error()};
  }
  return swarm;
}

Result<void> LiveSwarm::append(std::span<const std::byte> content, Now now) {
  if (!source_ || end_) return fail(Errc::left, "the feed has ended");
  if (store_failed_) return fail(Errc::io, "the feed cannot be stored");
  if (!source_->measuring()) return take_content(content, now);
  if (!source_->measure(content, now)) return {};
  return start_publishing(now);
}

// The rate is known, and with it how many chunks are signed at once.
Result<void> LiveSwarm::start_publishing(Now now) {
  window_ = source_->window();
  if (!shape(source_->width())) {
    return fail(Errc::no_space, "there is no room for the window of the live feed");
  }
  const auto kept = source_->take_kept();
  return take_content(kept, now);
}

Result<void> LiveSwarm::take_content(std::span<const std::byte> content, Now now) {
  while (!content.empty()) {
    const ChunkIndex first = source_->next_chunk();
    const auto octets = source_->cut(content);
    if (octets.empty()) break;
    if (auto stored = store_chunks(first, octets, now); !stored) return stored;
  }
  return {};
}

Result<void> LiveSwarm::make_room_for(std::uint64_t group) {
  if ((group + 1) * width_ > extent().end) {
    return fail(Errc::no_space, "the feed has used all chunk numbers: publish with chunk64");
  }
  if (!tree_ || tree_->shape().subtrees != UnifiedMerkleTree::kAll) return {};
  const std::uint64_t needed = tree_->needed_memory(group);
  if (needed <= tree_memory_size_) return {};
  const auto memory = store_->grow_tree_memory(static_cast<std::size_t>(needed));
  if (memory.size() < needed) {
    fail_store();
    return fail(Errc::no_space, "there is no room for the hashes of the recording");
  }
  tree_memory_size_ = memory.size();
  tree_->set_memory(memory);
  return {};
}

// Whole chunks of one group, the last of the feed perhaps short.
Result<void> LiveSwarm::store_chunks(ChunkIndex first, std::span<const std::byte> octets, Now now) {
  const std::uint64_t group = first / width_;
  if (auto room = make_room_for(group); !room) return room;
  const std::span<const std::byte> pieces[] = {octets};
  if (store_->write(offset_of(first), pieces) != StoreStatus::done) {
    fail_store();
    return fail(Errc::io, "the feed cannot be stored");
  }
  ChunkIndex chunk = first;
  for (auto rest = octets; !rest.empty(); ++chunk) {
    const auto payload = rest.first(std::min<std::size_t>(rest.size(), metadata_.chunk_size));
    rest = rest.subspan(payload.size());
    if (payload.size() < metadata_.chunk_size) short_chunk_ = {chunk, payload.size()};
    if (tree_) {
      tree_->add_chunk(chunk, payload);
    } else if (auto done = sign_chunk(chunk, payload, now); !done) {
      return done;
    }
  }
  if (tree_ && chunk % width_ == 0) return finish_group(group, width_, now);
  return {};
}

Result<void> LiveSwarm::sign_chunk(ChunkIndex chunk, std::span<const std::byte> payload, Now now) {
  const std::uint64_t ntp = ntp_timestamp(now.wall);
  const ChunkRange own{chunk, chunk + 1};
  const auto signature = source_->sign(own, ntp, payload, format_);
  if (signature.empty()) return no_signature();
  signatures_->set(chunk, ntp, signature);
  publish_chunks(own, ntp, now);
  return {};
}

// Nothing is announced before it is signed (6.1.2.3 #134).
Result<void> LiveSwarm::finish_group(std::uint64_t group, std::uint64_t chunks, Now now) {
  const Digest hash = tree_->finish_subtree(group, chunks);
  const std::uint64_t ntp = ntp_timestamp(now.wall);
  const auto signature =
      source_->sign(tree_->munro_bin(group).chunks(), ntp, hash.octets(), format_);
  if (signature.empty()) return no_signature();
  tree_->set_munro(group, hash.octets(), ntp, signature);
  if (chunks > 0) {
    publish_chunks({group * width_, group * width_ + chunks}, ntp, now);
  } else {
    slide_window();  // the mark of the end is a munro as well
  }
  return {};
}

void LiveSwarm::publish_chunks(ChunkRange fresh, std::uint64_t ntp, Now now) {
  ++live_.munros_verified;
  newest_ntp_ = ntp;
  verified_.insert(fresh);
  slide_window();
  events_.push_back({handle_, event::ChunksVerified{fresh}});
  offer(fresh, now);
}

// --- Offering

void LiveSwarm::offer(ChunkRange fresh, Now now) {
  candidates_.clear();
  std::uint64_t queued = 0;
  for (Channel* channel : channels_) {
    if (!channel->established()) continue;
    const Microseconds silent = now.monotonic - channel->last_received_at();
    const bool interested = silent < (among_many() ? kHeardLately : kInterestLasts);
    const bool keeps_up = channel->pushed_chunks() <= 2 * std::max(width_, std::uint64_t{32});
    const bool answers = !among_many() || !channel->answers_no_data();
    if (answers) queued += channel->pushed_chunks();
    if (interested && keeps_up && answers) candidates_.push_back(channel);
  }
  offers_.clear();
  const double answered = std::max(kAnsweredShare, first_offers_.copies() - kCopiesFirst);
  may_send_ += static_cast<double>(fresh.size()) * (first_offers_.copies() + answered);
  may_send_ = std::min(may_send_, kMostSentAhead);
  const bool to_all =
      first_offers_.divide(fresh, candidates_.size(), queued, offers_, link_now(now));
  for (const FirstOffers::Offer& offer : offers_) {
    candidates_[offer.peer]->push(offer.chunks);
    touch(*candidates_[offer.peer]);
    live_.chunks_pushed += offer.chunks.size();
  }
  if (to_all) return announce_to_all(fresh, now);
  unheard_.push_back({fresh, now.monotonic + kHeardBy, 1});
  // Among many, in rounds: one datagram for all that has been withheld.
  const bool rounds = among_many();
  const TimePoint until = now.monotonic + (rounds ? kWithholdAmongMany : kWithholdFor);
  if (rounds && !withheld_.empty() && !withheld_.back().again &&
      withheld_.back().chunks.end == fresh.begin && until - withheld_.back().until < kSourceRound) {
    withheld_.back().chunks.end = fresh.end;
    return;
  }
  withheld_.push_back({fresh, until});
}

FirstOffers::Link LiveSwarm::link_now(Now now) {
  if (!among_many()) return FirstOffers::Link::free;
  if (is_crowded(now)) {
    crowded_until_ = now.monotonic + kCrowdedFor;
    if (now.monotonic < change_at_) return FirstOffers::Link::full;
    change_at_ = now.monotonic + kLessEvery;
    return FirstOffers::Link::fuller;
  }
  if (now.monotonic < change_at_) return FirstOffers::Link::full;
  change_at_ = now.monotonic + kMoreEvery;
  return FirstOffers::Link::free;
}

// A peer that has little of what there was a while ago, and time to tell us of.
bool LiveSwarm::seems_alone(const Channel& channel, ChunkRange chunks) const {
  const std::uint64_t round = chunks.size();
  const ChunkIndex end = chunks.begin - std::min(chunks.begin, round * kRoundsToTell);
  const ChunkIndex begin = std::max(window_begin(), end - std::min(end, round * kRoundsJudged));
  const BinSet& has = channel.peer_has();
  std::uint64_t there = 0;
  for (ChunkRange run = intersection(has.next_run(begin), {begin, end}); !run.empty();
       run = intersection(has.next_run(run.end), {begin, end})) {
    there += run.size();
  }
  return end > begin && there * 2 < end - begin;
}

// What some peer has the others hear of from peers: who would ask us asks for what is on its way.
// But those who got hardly anything of others hear of all, and some by turns: that a peer says it
// has a chunk does not make it give it (12.6.2).
void LiveSwarm::announce_where_needed(ChunkRange chunks, Now now) {
  alone_.clear();
  told_all_.clear();
  for (ChunkIndex chunk = chunks.begin; chunk < chunks.end; ++chunk) {
    if (!known_.contains(chunk)) announced_.insert({chunk, chunk + 1});
  }
  for (Channel* channel : channels_) {
    if (!channel->established() || channel->peer_has().contains(chunks)) continue;
    const bool alone = seems_alone(*channel, chunks);
    if (alone) alone_.push_back(channel);
    if (alone || random_.below(kOneInTurn) == 0) {
      told_all_.push_back(channel);
      channel->announce(chunks, now);
    } else if (announced_.intersects(chunks)) {
      for (ChunkIndex chunk = chunks.begin; chunk < chunks.end; ++chunk) {
        if (announced_.contains(chunk)) channel->announce({chunk, chunk + 1}, now);
      }
    }
    touch(*channel);
  }
}

const BinSet& LiveSwarm::announced_to(const Channel& peer) const {
  const bool hears_all = std::ranges::find(told_all_, &peer) != told_all_.end();
  return source_ && !hears_all && !ended_ ? announced_ : verified_;
}

void LiveSwarm::announce_to_all(ChunkRange chunks, Now now) {
  announced_.insert(chunks);
  for (Channel* channel : channels_) {
    if (!channel->established() || channel->peer_has().contains(chunks)) continue;
    channel->announce(chunks, now);
    touch(*channel);
  }
}

void LiveSwarm::release_withheld(Now now) {
  push_unheard(now);
  while (!withheld_.empty() && now.monotonic >= withheld_.front().until) {
    const Withheld first = withheld_.front();
    const ChunkRange chunks = intersection(first.chunks, {window_begin(), extent().end});
    withheld_.pop_front();
    // They may wait in our own queue yet.
    if (among_many() && now.monotonic < crowded_until_ && !first.again && !end_) {
      withheld_.push_back({chunks, now.monotonic + kWithholdAmongMany / 2, true});
      continue;
    }
    if (chunks.empty()) continue;
    if (!among_many() || !short_of_upload()) {
      announce_to_all(chunks, now);
      continue;
    }
    note_known(chunks);
    announce_where_needed(chunks, now);
  }
}

// What peers have told us that they have.
void LiveSwarm::note_known(ChunkRange chunks) {
  known_.clear();
  for (const Channel* channel : channels_) {
    const BinSet& has = channel->peer_has();
    for (ChunkRange run = intersection(has.next_run(chunks.begin), chunks); !run.empty();
         run = intersection(has.next_run(run.end), chunks)) {
      known_.insert(run);
    }
  }
}

// Whom they were pushed to may have died: to somebody who was just heard.
void LiveSwarm::push_unheard(Now now) {
  while (!unheard_.empty() && now.monotonic >= unheard_.front().until) {
    const Unheard first = unheard_.front();
    unheard_.pop_front();
    const ChunkRange chunks = intersection(first.chunks, {window_begin(), extent().end});
    if (chunks.empty() || !among_many()) continue;
    note_known(chunks);
    bool any = false;
    for (ChunkIndex chunk = chunks.begin; chunk < chunks.end; ++chunk) {
      if (known_.contains(chunk)) continue;
      any = true;
      if (std::ranges::any_of(channels_,
                              [chunk](const Channel* c) { return c->will_push(chunk); })) {
        continue;  // it waits in our own queue
      }
      push_to_somebody({chunk, chunk + 1});
    }
    if (any && first.times < kPushedAgain) {
      unheard_.push_back({chunks, now.monotonic + kHeardBy, first.times + 1});
    }
  }
}

void LiveSwarm::push_to_somebody(ChunkRange chunks) {
  Channel* latest = nullptr;
  for (int i = 0; i < kLookedAt; ++i) {
    Channel* const other = channels_[random_.below(channels_.size())];
    // Nor to whom it is on its way yet.
    if (!other->established() || !other->has_nothing_to_send()) continue;
    if (other->answers_no_data()) continue;
    if (latest == nullptr || other->last_received_at() > latest->last_received_at()) {
      latest = other;
    }
  }
  if (latest == nullptr) return;
  latest->push(chunks);
  touch(*latest);
  live_.chunks_pushed += chunks.size();
}

// --- The end (decision 26)

Result<void> LiveSwarm::end_feed(Now now) {
  if (!source_ || end_) return fail(Errc::left, "the feed has ended");
  if (store_failed_) return fail(Errc::io, "the feed cannot be stored");
  if (source_->measuring()) {
    source_->end_measuring(now);
    if (auto begun = start_publishing(now); !begun) return begun;
  }
  const auto rest = source_->partial_chunk();
  if (!rest.empty() && rest.size() < metadata_.chunk_size) {
    if (auto stored = store_chunks(source_->next_chunk(), rest, now); !stored) return stored;
    source_->count_partial_chunk();
  }
  const ChunkIndex end = source_->next_chunk();
  if (signs_each()) {
    const std::uint64_t ntp = ntp_timestamp(now.wall);
    const auto signature = source_->sign({end, end + 1}, ntp, {}, format_);
    if (signature.empty()) return no_signature();
    end_mark_ = EndMark{end, ntp, {signature.begin(), signature.end()}};
  } else {
    const std::uint64_t in_last = end % width_;
    // A last group that is full was finished with its last chunk.
    const bool finished = in_last == 0 || tree_->has_munro(end / width_);
    if (!finished) {
      if (auto done = finish_group(end / width_, in_last, now); !done) return done;
    }
    const std::uint64_t mark = (end + width_ - 1) / width_;
    if (auto done = finish_group(mark, 0, now); !done) return done;
  }
  set_end(end, now);
  while (!withheld_.empty()) {  // nobody has to be spared any more
    announce_to_all(withheld_.front().chunks, now);
    withheld_.pop_front();
  }
  check_end(now);
  return {};
}

}  // namespace ppspp
