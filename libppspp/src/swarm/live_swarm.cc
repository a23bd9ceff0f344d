#include "swarm/live_swarm.h"

#include <algorithm>

#include "base/assert.h"
#include "base/log.h"
#include "swarm/live_window.h"
#include "wire/signed_content.h"

namespace ppspp {

LiveSwarm::LiveSwarm(SwarmHandle handle, const SwarmMetadata& metadata,
                     std::unique_ptr<ChunkStore> store, const JoinSettings& settings,
                     RandomSource& random, ChannelScratch& scratch)
    : Swarm(handle, metadata, std::move(store), settings, random, scratch),
      key_(VerifyingKey::from_dnskey(metadata.id.octets())),
      window_(settings.live.discard_window != 0 ? settings.live.discard_window
                                                : default_window(metadata.chunk_size)),
      playout_(settings.live) {}

Result<std::unique_ptr<LiveSwarm>> LiveSwarm::follow(
    SwarmHandle handle, const SwarmMetadata& metadata, std::unique_ptr<ChunkStore> store,
    const JoinSettings& settings, RandomSource& random, ChannelScratch& scratch) {
  if (auto valid = metadata.validate(); !valid) return Unexpected{valid.error()};
  std::unique_ptr<LiveSwarm> swarm(
      new LiveSwarm(handle, metadata, std::move(store), settings, random, scratch));
  if (!swarm->key_) {
    return fail(Errc::invalid_argument, "the swarm ID is no public key that can be used");
  }
  if (swarm->signs_each() && !swarm->shape(1)) {
    return fail(Errc::no_space, "there is no room for the window of the live feed");
  }
  return swarm;
}

// --- The window

// Where the width is not what it should be, or there is no room for the window, nothing is begun.
bool LiveSwarm::shape(std::uint64_t width) {
  const bool keeps_all = window_ == LiveSourceSettings::kKeepAll;
  // The window may begin and end within a group.
  const std::uint64_t groups = keeps_all ? UnifiedMerkleTree::kAll : window_ / width + 2;
  // The store also holds the group that is not signed yet.
  const std::uint64_t octets =
      keeps_all ? ~std::uint64_t{0} : (groups + 1) * width * metadata_.chunk_size;
  if (store_->set_window(octets) != StoreStatus::done) {
    fail_store();
    return false;
  }
  width_ = width;
  playout_.set_width(width, window_);
  const std::size_t signature = format_.signature_size;
  if (signs_each()) {
    signatures_.emplace(keeps_all ? ChunkSignatures::kAll : groups, signature);
  } else {
    tree_.emplace(UnifiedMerkleTree::Shape{.hash = metadata_.hash,
                                           .chunk_size = metadata_.chunk_size,
                                           .chunks_per_signature = width,
                                           .signature_size = signature,
                                           .subtrees = groups});
  }
  return true;
}

ChunkIndex LiveSwarm::window_begin() const {
  if (!shaped() || window_ == LiveSourceSettings::kKeepAll) return 0;
  if (tree_) return tree_->first_subtree() * width_;
  const std::uint64_t end = signatures_->newest().value_or(0) + 1;
  return end - std::min(end, window_ + 2);
}

// One past the newest chunk that may be here.
ChunkIndex LiveSwarm::newest_end() const {
  if (tree_) return tree_->newest_munro() ? (*tree_->newest_munro() + 1) * width_ : 0;
  return signatures_ && signatures_->newest() ? *signatures_->newest() + 1 : 0;
}

// Chunks and hashes are forgotten together (6.2).
void LiveSwarm::slide_window() {
  const ChunkIndex begin = window_begin();
  if (begin == 0) return;
  if (playout_.playing() && playout_.playhead() < begin) {
    count_given_up({playout_.playhead(), begin});
    playout_.skip_to(begin);
  }
  const ChunkRange gone{0, begin};
  for (BinSet* set : {&verified_, &requested_, &announced_, &asked_again_, &twice_}) {
    set->erase(gone);
  }
  for (Channel* channel : channels_) channel->cancel(gone);
}

ChunkRange LiveSwarm::extent() const {
  return {0, max_chunk_count(metadata_.addressing, metadata_.chunk_size)};
}

std::size_t LiveSwarm::payload_size(ChunkIndex chunk) const {
  if (short_chunk_ && short_chunk_->first == chunk) return short_chunk_->second;
  return metadata_.chunk_size;
}

// --- What proves a chunk

Bin LiveSwarm::proof_top(ChunkIndex chunk) const {
  return tree_ ? tree_->munro_bin(tree_->subtree_of(chunk)) : Bin::none();
}

std::optional<SignedMunro> LiveSwarm::signature_for(ChunkIndex chunk) const {
  if (tree_) {
    const std::uint64_t group = tree_->subtree_of(chunk);
    if (!tree_->has_munro(group)) return std::nullopt;
    return tree_->munro(group);
  }
  const auto own = signatures_ ? signatures_->get(chunk) : std::nullopt;
  if (!own) return std::nullopt;
  return SignedMunro{Bin::leaf(chunk), {}, own->ntp_timestamp, own->signature};
}

std::optional<SignedMunro> LiveSwarm::rightmost_munro() const {
  if (end_mark_) {
    return SignedMunro{Bin::leaf(end_mark_->chunk), {}, end_mark_->ntp, end_mark_->signature};
  }
  if (!tree_ || tree_->end_subtree() == 0 || !tree_->has_munro(tree_->end_subtree() - 1)) {
    return std::nullopt;
  }
  return tree_->munro(tree_->end_subtree() - 1);
}

std::optional<std::uint64_t> LiveSwarm::ntp_of(ChunkIndex chunk) const {
  const auto munro = signature_for(chunk);
  if (!munro) return std::nullopt;
  return munro->ntp_timestamp;
}

bool LiveSwarm::matches(ChunkIndex chunk, std::span<const std::byte> payload) {
  if (!tree_) return true;  // who asks will check the signature
  Hasher hasher(metadata_.hash);
  const Digest digest = hasher.hash(payload);
  return std::ranges::equal(digest.octets(), tree_->node(Bin::leaf(chunk)));
}

// --- Playing

void LiveSwarm::touch_all() {
  for (const Channel* channel : channels_) touch(*channel);
}

void LiveSwarm::play_on(Now now) {
  if (source_ || !shaped()) return;
  if (!playout_.playing()) {
    if (playout_.begins_at() == kNever) return;
    offered_.clear();
    for (const Channel* channel : channels_) {
      for (ChunkRange run = channel->peer_has().next_run(0); !run.empty();
           run = channel->peer_has().next_run(run.end)) {
        offered_.insert(run);
      }
    }
    begin_at_ = playout_.begins_at() > now.monotonic ? playout_.begins_at() : kNever;
    if (!playout_.begin(offered_, now)) return;
    begin_at_ = kNever;
    live_.tuned_in = true;
    measured_from_ = newest_end();
    events_.push_back({handle_, event::TunedIn{playout_.playhead()}});
    touch_all();
  } else if (playout_.begin_again(verified_, now)) {
    log(LogLevel::debug, "tuned in to the past; beginning again at {}", playout_.playhead());
    events_.push_back({handle_, event::TunedIn{playout_.playhead()}});
    touch_all();
  }
  playout_.advance(verified_);
  give_up_late_chunks(now);
  check_end(now);
}

// What is too late is not waited for (and not asked for), so that the rest is in time.
void LiveSwarm::give_up_late_chunks(Now now) {
  for (;;) {
    const ChunkRange late = playout_.give_up(verified_, now);
    if (late.empty()) return;
    count_given_up(late);
    requested_.erase(late);
    twice_.erase(late);
    for (Channel* channel : channels_) {
      cancel_at(*channel, late);
      touch(*channel);
    }
  }
}

// Missing is what there was: a source that started again leaves numbers out (decision 28), so that
// only what is signed or what somebody has announced counts.
void LiveSwarm::count_given_up(ChunkRange chunks) {
  BinSet there;
  for (const Channel* channel : channels_) {
    for (ChunkRange run = channel->peer_has().next_run(chunks.begin);
         !run.empty() && run.begin < chunks.end; run = channel->peer_has().next_run(run.end)) {
      there.insert(intersection(run, chunks));
    }
  }
  // Numbers that are left out are many, and none of them is signed.
  const ChunkIndex last = std::min(chunks.end, chunks.begin + kMostGroupsGivenUp * width_);
  for (ChunkIndex group = chunks.begin / width_ * width_; group < last; group += width_) {
    if (ntp_of(group)) there.insert(intersection({group, group + width_}, chunks));
  }
  for (ChunkRange run = verified_.next_run(chunks.begin); !run.empty() && run.begin < chunks.end;
       run = verified_.next_run(run.end)) {
    there.erase(intersection(run, chunks));
  }
  const std::uint64_t missing = there.count();
  live_.chunks_skipped += missing;
  log(LogLevel::debug, "chunks {} to {} are given up: {} are missing", chunks.begin, chunks.end - 1,
      missing);
  events_.push_back({handle_, event::Skipped{chunks, missing}});
}

// --- The end of the feed (decision 26)

void LiveSwarm::set_end(std::optional<ChunkIndex> end, Now now) {
  if (end_ == end) return;
  end_ = end;
  playout_.set_end(end, now);
  if (!end) return;
  for (Channel* channel : channels_) {
    channel->tell_munro(now);
    touch(*channel);
  }
}

void LiveSwarm::check_end(Now now) {
  if (tree_) {
    // The mark of an end before which the source started again does not count.
    set_end(tree_->end_of_feed() ? tree_->end_of_feed() : tree_->empty_from(), now);
  }
  if (!end_ || ended_ || (!source_ && !playout_.at_end())) return;
  ended_ = true;
  events_.push_back({handle_, event::FeedEnded{*length()}});
  touch_all();
}

std::optional<std::uint64_t> LiveSwarm::length() const {
  if (!ended_) return std::nullopt;
  return *end_ == 0 ? 0 : offset_of(*end_ - 1) + payload_size(*end_ - 1);
}

bool LiveSwarm::everybody_has_all(Now now) const {
  if (!ended_) return false;
  return std::all_of(channels_.begin(), channels_.end(), [&](const Channel* channel) {
    return !channel->established() || has_all(*channel, now);
  });
}

// A peer came in at a chunk of its own choice: it has all if there is no hole behind that, or if it
// has not asked for what is in the hole for a while.
bool LiveSwarm::has_all(const Channel& channel, Now now) const {
  if (!channel.has_nothing_to_send()) return false;
  if (*end_ == 0) return true;
  const BinSet& has = channel.peer_has();
  if (!has.contains(*end_ - 1)) return false;
  const bool has_hole = has.next_run(0).end < *end_;
  return !has_hole || now.monotonic - channel.last_interest_at() > kQuiet;
}

// --- For the reader

// A short last chunk can be told from a full one once the end is known to all.
ChunkRange LiveSwarm::verified_run(ChunkIndex chunk) const {
  ChunkRange run = Swarm::verified_run(chunk);
  if (short_chunk_ && !ended_ && run.contains(short_chunk_->first)) run.end = short_chunk_->first;
  return run;
}

ChunkIndex LiveSwarm::next_readable(ChunkIndex chunk) const {
  if (!playout_.playing() || verified_.contains(chunk) || chunk >= playout_.playhead()) {
    return chunk;
  }
  return std::min(verified_.next_in(chunk).value_or(playout_.playhead()), playout_.playhead());
}

SwarmStatus LiveSwarm::status() const {
  SwarmStatus status = Swarm::status();
  LiveStatus live = live_;
  live.source = source_ != nullptr;
  live.chunks_per_signature = width_;
  live.discard_window = window_;
  live.window = {window_begin(), std::max(window_begin(), newest_end())};
  live.position = playout_.playhead();
  live.ended = ended_;
  live.latency = latencies_.summary();
  status.complete = ended_;
  status.live = live;
  return status;
}

// --- Time

TimePoint LiveSwarm::deadline() const {
  TimePoint first = std::min({urgent_at_, fresh_at_, begin_at_, announce_at_, late_at_});
  if (playout_.playing() && !ended_) first = std::min(first, playout_.due_at());
  if (source_) first = std::min(first, source_->measured_at());
  if (!withheld_.empty()) first = std::min(first, withheld_.front().until);
  if (!unheard_.empty()) first = std::min(first, unheard_.front().until);
  if (!early_.empty() && !end_) first = std::min(first, early_.front().since + kEndMarkAfter);
  return first;
}

void LiveSwarm::handle_deadline(Now now) {
  if (source_) {
    if (source_->measuring() && now.monotonic >= source_->measured_at()) {
      source_->end_measuring(now);
      if (!start_publishing(now)) fail_store();
    }
    return release_withheld(now);
  }
  if (now.monotonic >= announce_at_) announce_pending(now);
  look_for_late(now);
  look_for_end_mark(now);
  const bool more_to_ask = now.monotonic >= std::min(urgent_at_, fresh_at_);
  play_on(now);
  if (more_to_ask) {
    schedule_picks(now);
    touch_all();
  }
}

void LiveSwarm::remove_channel(Channel& channel, bool retry_now, Now now) {
  std::erase_if(noted_, [&](const NotedSignature& noted) { return noted.from == &channel; });
  std::erase(told_first_, &channel);
  std::erase(alone_, &channel);
  std::erase(told_all_, &channel);
  Swarm::remove_channel(channel, retry_now, now);
}

void LiveSwarm::check_invariants() const {
  Swarm::check_invariants();
  if (tree_) tree_->check_invariants();
  if (!shaped()) return;
  const auto first = verified_.next_in(0);
  PPSPP_ASSERT(!first || *first >= window_begin());
}

}  // namespace ppspp
