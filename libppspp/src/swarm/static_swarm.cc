#include "swarm/static_swarm.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/log.h"

namespace ppspp {
namespace {

// What a reader that tells its position only needs next.
constexpr std::uint64_t kUrgentOctets = std::uint64_t{1} << 20;
constexpr std::size_t kMostProved = std::size_t{1} << ContentVerifier::kMaxHeight;

std::uint64_t chunks_of(std::uint64_t length, std::uint32_t chunk_size) {
  return length / chunk_size + (length % chunk_size != 0 ? 1 : 0);
}

}  // namespace

StaticSwarm::StaticSwarm(SwarmHandle handle, const SwarmMetadata& metadata,
                         std::unique_ptr<ChunkStore> store, const JoinSettings& settings,
                         RandomSource& random, ChannelScratch& scratch)
    : Swarm(handle, metadata, std::move(store), settings, random, scratch),
      verifier_(metadata),
      sizes_(metadata) {
  verifier_.set_write_nodes([this](std::size_t offset, std::span<const std::byte> nodes) {
    return store_->write_tree(offset, nodes);
  });
  if (settings.policy == PickPolicy::in_order) set_read_position(0);
}

Result<std::unique_ptr<Swarm>> StaticSwarm::create(SwarmHandle handle,
                                                   const SwarmMetadata& metadata,
                                                   std::unique_ptr<ChunkStore> store,
                                                   const SwarmContent& content,
                                                   const JoinSettings& settings,
                                                   RandomSource& random, ChannelScratch& scratch) {
  if (auto valid = metadata.validate(); !valid) return Unexpected{valid.error()};
  std::unique_ptr<StaticSwarm> swarm(
      new StaticSwarm(handle, metadata, std::move(store), settings, random, scratch));
  if (auto begun = swarm->begin(content); !begun) return Unexpected{begun.error()};
  return swarm;
}

Result<void> StaticSwarm::begin(const SwarmContent& content) {
  const bool known = content.state != SwarmContent::State::unknown;
  if (known && metadata_.content_length && *metadata_.content_length != content.length) {
    return fail(Errc::content_changed,
                fmt::format("the content has {} bytes, but the swarm's has {}", content.length,
                            *metadata_.content_length));
  }
  length_ = known ? std::optional(content.length) : metadata_.content_length;
  if (!length_) return {};  // size detection
  chunk_count_ = chunks_of(*length_, metadata_.chunk_size);
  if (chunk_count_ == 0) return fail(Errc::invalid_argument, "empty content has no swarm");
  if (store_->set_content_length(*length_) != StoreStatus::done) {
    return fail(Errc::io, "the content cannot be stored");
  }
  if (metadata_.integrity == IntegrityMethod::merkle) {
    if (auto begun = begin_with_tree(content); !begun) return begun;
  }
  if (content.state == SwarmContent::State::complete) {
    verified_.insert({0, chunk_count_});
  } else if (content.state == SwarmContent::State::partial) {
    for (const ChunkRange range : content.verified) {
      verified_.insert(intersection(range, {0, chunk_count_}));
    }
  }
  complete_ = verified_.count() == chunk_count_;
  return {};
}

Result<void> StaticSwarm::begin_with_tree(const SwarmContent& content) {
  const auto memory = store_->tree_memory(MerkleTree::memory_size(chunk_count_, metadata_.hash));
  if (memory.empty()) return fail(Errc::no_space, "there is no room for the hash tree");
  verifier_.start(chunk_count_, memory);
  if (content.state == SwarmContent::State::complete) {
    const auto root = verifier_.tree().root();
    if (!root || !std::ranges::equal(root->octets(), metadata_.id.octets())) {
      return fail(Errc::integrity, "the content is not that of the swarm: its root hash differs");
    }
  } else if (content.state == SwarmContent::State::partial &&
             !verifier_.tree().check(metadata_.id.octets())) {
    return fail(Errc::integrity, "the hashes kept for the content are not those of the swarm");
  }
  return {};
}

void StaticSwarm::remove_channel(Channel& channel, bool retry_now, Now now) {
  if (sharing_ != nullptr) {
    sharing_->super_seeding.remove_channel(channel);
    sharing_->choker.remember(channel);
  }
  if (rarest_ != nullptr) rarest_->remove_peer(channel.seat());
  std::erase(sources_, &channel);
  Swarm::remove_channel(channel, retry_now, now);
  if (sizes_.turn() == &channel) sizes_.end_turn();
  review_size(now);
}

SwarmStatus StaticSwarm::status() const {
  SwarmStatus status = Swarm::status();
  status.content_length = length_;
  status.complete = complete_;
  if (length_ && verified_.contains(chunk_count_ - 1)) {
    status.verified_bytes -= chunk_count_ * metadata_.chunk_size - *length_;
  }
  return status;
}

// --- What to ask for

// Without an end: what follows is wanted in order.
ReadWindow StaticSwarm::window_from(ChunkIndex chunk) const {
  const std::uint64_t urgent = std::max<std::uint64_t>(1, kUrgentOctets / metadata_.chunk_size);
  return {chunk, chunk + urgent, kMaxChunks};
}

void StaticSwarm::set_read_position(ChunkIndex chunk) {
  const ReadWindow window = window_from(chunk);
  set_read_windows(std::span(&window, 1));
}

void StaticSwarm::set_read_windows(std::span<const ReadWindow> windows) {
  const bool jumped = windows_.set(windows);
  if (complete_ || store_failed_ || chunk_count_ == 0) return;
  if (jumped) cancel_unwanted();
  // Peers of whom nothing was wanted may be asked now.
  for (const Channel* channel : channels_) {
    if (jumped || channel->requests().empty()) touched_.push_back(channel->local());
  }
}

// Nobody wants the rest of these now, or others wait for what comes behind it.
void StaticSwarm::cancel_unwanted() {
  const bool in_the_way = windows_.lacks_urgent(verified_, requested_, chunk_count_);
  if (settings_.policy != PickPolicy::on_demand && !in_the_way) return;
  std::vector<ChunkRange> unwanted;
  for (Channel* channel : channels_) {
    unwanted.clear();
    channel->requests().for_each(
        [&](ChunkRange range) { windows_.subtract_from(range, unwanted); });
    for (const ChunkRange range : unwanted) {
      cancel_at(*channel, range);
      forget_requests(range);
    }
  }
}

ChunkRange StaticSwarm::pick_chunks(Channel& from, std::uint64_t max_chunks, Now now) {
  if (chunk_count_ == 0) return pick_for_size(from);
  schedule_review(now);
  const PickQuestion q{.from = from,
                       .channels = channels_,
                       .turn = turn_++,
                       .verified = verified_,
                       .requested = requested_,
                       .chunk_count = chunk_count_,
                       .max_chunks = max_chunks};
  if (const ChunkRange late = pick_late_chunks(q, now); !late.empty()) return late;
  if (const ChunkRange urgent = windows_.pick_urgent(q); !urgent.empty()) return urgent;
  if (const ChunkRange ahead = windows_.pick_ahead(q); !ahead.empty()) return ahead;
  if (const ChunkRange range = pick_by_policy(q); !range.empty()) return range;
  if (rarest_ != nullptr && !near_end()) return {};
  return take_over(pick_takeover(q, metadata_.chunk_size, now));
}

// All that is missing has been asked for.
bool StaticSwarm::near_end() const {
  return verified_.count() + requested_.count() >= chunk_count_;
}

ChunkRange StaticSwarm::pick_by_policy(const PickQuestion& q) {
  switch (settings_.policy) {
    case PickPolicy::in_order:
      return pick_in_order(q);
    case PickPolicy::rarest_first:
      return rarest_->pick({.seat = q.from.seat(),
                            .peer_has = q.from.peer_has(),
                            .verified = verified_,
                            .requested = requested_,
                            .max_chunks = q.max_chunks},
                           random_);
    case PickPolicy::on_demand:
      return {};
  }
  return {};
}

// What a reader waits for has been asked for and is not here.
ChunkRange StaticSwarm::pick_late_chunks(const PickQuestion& q, Now now) {
  if (windows_.empty() || channels_.size() < 2) return {};
  const auto late = windows_.next_late(verified_, requested_, chunk_count_);
  return late ? take_over(pick_late(q, *late, metadata_.chunk_size, now)) : ChunkRange{};
}

ChunkRange StaticSwarm::take_over(const Takeover& takeover) {
  if (takeover.chunks.empty()) return {};
  if (takeover.cancel) {
    cancel_at(*takeover.from, takeover.chunks);
    touch(*takeover.from);
  } else {
    twice_.insert(takeover.chunks);
  }
  return takeover.chunks;
}

// --- What has come

bool StaticSwarm::is_wanted(ChunkIndex chunk) const {
  if (complete_ || store_failed_ || verified_.contains(chunk)) return false;
  return chunk_count_ == 0 ? chunk < kMaxChunks : chunk < chunk_count_;
}

void StaticSwarm::flush(Now now) {
  if (batch_.empty()) return review_size(now);
  if (verifier_.has_tree()) {  // its own chunks may begin it
    gather_hashes(0);
    scratch_.work.finish_hashes();
    prove_runs();
  }
  for (std::span rest(batch_); !rest.empty();) rest = rest.subspan(accept_front(rest, now));
  write_run(now);
  batch_.clear();
  check_complete(now);
  if (complete_) release_batch();
  review_size(now);
}

void StaticSwarm::prepare_flush(Now) {
  if (verifier_.has_tree()) gather_hashes(BatchWork::kLeastOctets);
}

// Most chunks come in the order of the content: those under one node make its hash, which one proof
// is enough for.
void StaticSwarm::prove_runs() {
  if (detects_size() || !know_peaks(batch_.front())) return;
  const std::size_t digest = digest_size(metadata_.hash);
  for (std::size_t i = 0; i < batch_.size();) {
    std::size_t count = 1;
    for (; i + count < batch_.size() && batch_[i].work != BatchWork::kNone; ++count) {
      const Received& next = batch_[i + count];
      const bool follows = next.chunk.chunk == batch_[i].chunk.chunk + count &&
                           next.work == batch_[i].work + count * digest;
      if (!follows) break;
    }
    prove_run(std::span(batch_).subspan(i, count));
    i += count;
  }
}

void StaticSwarm::prove_run(std::span<Received> run) {
  while (run.size() > 1) {
    const ChunkIndex first = run.front().chunk.chunk;
    const ChunkRange most = {first, first + std::min<std::size_t>(run.size(), kMostProved)};
    const Bin top = first_bin_of(most);
    const std::size_t count = top.chunk_count();
    if (count > 1) {
      const std::span leaf_hashes(hash_of(run.front()), count * digest_size(metadata_.hash));
      const auto claims = hashes_of(run.front().chunk, false);
      if (verifier_.verify_all(top, leaf_hashes, claims) == Verdict::verified) {
        for (std::size_t i = 0; i < count; ++i) {
          run[i].proved = static_cast<std::uint32_t>(count - i);
        }
      }
    }
    run = run.subspan(count);
  }
}

// Takes the first of these, and what was proved with it. Returns how many.
std::size_t StaticSwarm::accept_front(std::span<const Received> batch, Now now) {
  const Received& first = batch.front();
  const ChunkRange together{first.chunk.chunk, first.chunk.chunk + first.proved};
  if (first.proved > 1 && !may_be_here(together)) {
    queue_writes(batch.first(first.proved), now);
    return first.proved;
  }
  constexpr std::size_t kAhead = 6;
  if (kAhead < batch.size()) {
    const auto hashes = hashes_of(batch[kAhead].chunk, true);
    if (!hashes.empty()) __builtin_prefetch(hashes.front().hash.data());
  }
  accept(first, now);
  return 1;
}

void StaticSwarm::accept(const Received& received, Now now) {
  if (take_duplicate(received)) return;
  if (detects_size()) return accept_for_size(received, now);
  const ReceivedChunk& chunk = received.chunk;
  if (received.proved != 0) {
    return queue_write(received.from, chunk.chunk, chunk.one_way_delay_us, chunk.payload, now);
  }
  Verdict verdict = Verdict::missing_hash;
  if (know_peaks(received)) {
    const std::byte* const hash = hash_of(received);
    verdict = verify_with_hashes(received, [&](std::span<const ClaimedHash> hashes) {
      return hash != nullptr ? verifier_.verify(chunk.chunk, chunk.payload, hash, hashes)
                             : verifier_.verify(chunk.chunk, chunk.payload, hashes);
    });
  }
  if (verdict != Verdict::verified) return refuse(received, verdict, now);
  queue_write(received.from, chunk.chunk, chunk.one_way_delay_us, chunk.payload, now);
}

// Whether the tree has its peaks, now that this chunk's datagram has been seen.
bool StaticSwarm::know_peaks(const Received& received) {
  if (metadata_.integrity == IntegrityMethod::none) return chunk_count_ != 0;
  if (!verifier_.has_tree()) return false;
  if (verifier_.has_peaks()) return true;
  // Peaks that did not fit into this datagram came in those before it.
  return verifier_.accept_peaks(hashes_of(received.chunk, false)) ||
         verifier_.accept_peaks(with_early_hashes(received));
}

void StaticSwarm::check_complete(Now now) {
  if (complete_ || !length_ || verified_.count() != chunk_count_) return;
  complete_ = true;
  twice_.clear();
  rarest_.reset();
  sources_.clear();
  for (Channel* channel : channels_) cancel_at(*channel, {0, chunk_count_});
  tell_complete(now);
  events_.push_back({handle_, event::Complete{}});
}

// --- What is given to others

std::size_t StaticSwarm::payload_size(ChunkIndex chunk) const {
  if (!length_ || chunk + 1 != chunk_count_) return metadata_.chunk_size;
  return static_cast<std::size_t>(*length_ - offset_of(chunk));
}

ChunkRange StaticSwarm::extent() const {
  return {0, chunk_count_ == 0 ? kMaxChunks : chunk_count_};
}

Bin StaticSwarm::proof_top(ChunkIndex chunk) const {
  return verifier_.has_tree() ? peak_of(chunk, chunk_count_) : Bin::none();
}

bool StaticSwarm::matches(ChunkIndex chunk, std::span<const std::byte> payload) {
  return !verifier_.has_tree() || verifier_.matches(chunk, payload);
}

}  // namespace ppspp
