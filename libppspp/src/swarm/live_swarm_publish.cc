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
// Who has others to ask hears of a chunk from them by then.
constexpr Microseconds kWithholdFor = std::chrono::milliseconds(250);

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
    queued += channel->pushed_chunks();
    const bool interested = now.monotonic - channel->last_interest_at() < kInterestLasts;
    const bool keeps_up = channel->pushed_chunks() <= 2 * std::max(width_, std::uint64_t{32});
    if (interested && keeps_up) candidates_.push_back(channel);
  }
  offers_.clear();
  const bool to_all = first_offers_.divide(fresh, candidates_.size(), queued, offers_);
  for (const FirstOffers::Offer& offer : offers_) {
    candidates_[offer.peer]->push(offer.chunks);
    touch(*candidates_[offer.peer]);
    live_.chunks_pushed += offer.chunks.size();
  }
  if (to_all) return announce_to_all(fresh, now);
  withheld_.push_back({fresh, now.monotonic + kWithholdFor});
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
  while (!withheld_.empty() && now.monotonic >= withheld_.front().until) {
    const ChunkRange chunks =
        intersection(withheld_.front().chunks, {window_begin(), extent().end});
    withheld_.pop_front();
    if (!chunks.empty()) announce_to_all(chunks, now);
  }
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
