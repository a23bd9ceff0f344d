#include "swarm/swarm.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/assert.h"
#include "base/log.h"

namespace ppspp {
namespace {

std::uint64_t chunks_of(std::uint64_t length, std::uint32_t chunk_size) {
  return length / chunk_size + (length % chunk_size != 0 ? 1 : 0);
}

}  // namespace

Swarm::Swarm(SwarmHandle handle, const SwarmMetadata& metadata, std::unique_ptr<ChunkStore> store,
             const JoinSettings& settings, RandomSource& random, ChannelScratch& scratch)
    : handle_(handle),
      metadata_(metadata),
      format_(wire_format(metadata)),
      settings_(settings),
      random_(random),
      scratch_(scratch),
      store_(std::move(store)),
      verifier_(metadata),
      sizes_(metadata) {}

Result<std::unique_ptr<Swarm>> Swarm::create(SwarmHandle handle, const SwarmMetadata& metadata,
                                             std::unique_ptr<ChunkStore> store,
                                             const SwarmContent& content,
                                             const JoinSettings& settings, RandomSource& random,
                                             ChannelScratch& scratch) {
  if (auto valid = metadata.validate(); !valid) return Unexpected{valid.error()};
  if (metadata.live) return fail(Errc::not_supported, "live swarms are not yet available");
  std::unique_ptr<Swarm> swarm(
      new Swarm(handle, metadata, std::move(store), settings, random, scratch));
  if (auto begun = swarm->begin(content); !begun) return Unexpected{begun.error()};
  return swarm;
}

Result<void> Swarm::begin(const SwarmContent& content) {
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

Result<void> Swarm::begin_with_tree(const SwarmContent& content) {
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

// Without integrity protection only those may take part whom one can trust (decision on errata
// 4880), unless the user wants it otherwise.
bool Swarm::may_talk_to(const TransportAddress& peer) const {
  return metadata_.integrity != IntegrityMethod::none || settings_.allow_unprotected ||
         peer.is_internal();
}

void Swarm::add_channel(Channel& channel, Now now) {
  channels_.push_back(&channel);
  known_peers_.on_connecting(channel.peer(), channel.local());
  if (channel.established()) on_established(channel, now);
}

void Swarm::on_established(Channel& channel, Now) {
  ++counts_.peers_seen;
  if (store_failed_) channel.set_choking(true);
  known_peers_.on_established(channel.peer());
  events_.push_back({handle_, event::PeerJoined{channel.peer()}});
}

void Swarm::remove_channel(Channel& channel, bool retry_now, Now now) {
  channel.release(*this);
  std::erase(channels_, &channel);
  // What it brought in this batch is lost with it.
  std::erase_if(batch_, [&](const Received& received) {
    if (received.from != &channel) return false;
    forget_requests({received.chunk.chunk, received.chunk.chunk + 1});
    return true;
  });
  if (sizes_.turn() == &channel) sizes_.end_turn();
  review_size(now);
  known_peers_.on_closed(channel.peer(), channel.local(), retry_now, now.monotonic);
}

void Swarm::set_read_position(ChunkIndex chunk) {
  settings_.policy = PickPolicy::in_order;
  read_position_ = chunk;
}

void Swarm::store_ready() {
  for (Channel* channel : channels_) channel->on_store_ready();
}

std::uint64_t Swarm::take_requested_bytes() {
  held_by_allowance_ = false;
  return std::exchange(requested_bytes_, 0);
}

PickQuestion Swarm::question(Channel& from, std::uint64_t max_chunks) const {
  return {.from = from,
          .channels = channels_,
          .verified = verified_,
          .requested = requested_,
          .chunk_count = chunk_count_,
          .read_position = settings_.policy == PickPolicy::in_order ? read_position_ : 0,
          .max_chunks = max_chunks};
}

ChunkRange Swarm::pick(Channel& from, std::uint64_t max_chunks, Now now) {
  if (complete_ || store_failed_) return {};
  if (request_allowance_ <= requested_bytes_) {
    held_by_allowance_ = true;
    return {};
  }
  // A limit may be overdrawn by one chunk, or a large one would never be asked for.
  const std::uint64_t allowed =
      std::max<std::uint64_t>(1, (request_allowance_ - requested_bytes_) / metadata_.chunk_size);
  const ChunkRange range = pick_chunks(from, std::min(max_chunks, allowed), now);
  requested_.insert(range);
  requested_bytes_ += range.size() * metadata_.chunk_size;
  return range;
}

ChunkRange Swarm::pick_chunks(Channel& from, std::uint64_t max_chunks, Now now) {
  if (chunk_count_ == 0) return pick_for_size(from);
  const PickQuestion q = question(from, max_chunks);
  if (reader_waits()) {
    if (const ChunkRange late = take_over(q, now); !late.empty()) return late;
  }
  const ChunkRange range =
      settings_.policy == PickPolicy::in_order ? pick_in_order(q) : pick_rarest_first(q, random_);
  if (!range.empty()) return range;
  // A reader that jumped ahead: the rest of the content, once it has what it reads.
  if (q.read_position != 0) {
    PickQuestion rest = q;
    rest.read_position = 0;
    if (const ChunkRange before = pick_in_order(rest); !before.empty()) return before;
  }
  return take_over(q, now);
}

// The chunk at the read position has been asked for and is not here.
bool Swarm::reader_waits() const {
  return settings_.policy == PickPolicy::in_order && channels_.size() > 1 &&
         requested_.contains(verified_.next_out(read_position_));
}

ChunkRange Swarm::take_over(const PickQuestion& q, Now now) {
  const bool urgent = reader_waits();
  const Takeover takeover = pick_takeover(q, metadata_.chunk_size, urgent, now);
  if (takeover.chunks.empty()) return {};
  if (takeover.cancel) {
    takeover.from->cancel(takeover.chunks);
    touched_.push_back(takeover.from->local());
  } else {
    asked_twice_ = true;
  }
  return takeover.chunks;
}

void Swarm::give_back(Channel& from, ChunkRange range) {
  forget_requests(range);
  for (const Channel* channel : channels_) {
    if (channel != &from) touched_.push_back(channel->local());
  }
}

// To be asked for again, but for what is still outstanding elsewhere.
void Swarm::forget_requests(ChunkRange range) {
  requested_.erase(range);
  if (!asked_twice_) return;
  for (const Channel* channel : channels_) {
    channel->requests().for_each([&](ChunkRange other) {
      if (other.intersects(range)) requested_.insert(intersection(other, range));
    });
  }
}

// Half of the buffer, since it counts more than the octets of the content.
std::uint64_t Swarm::receive_share() const {
  const auto active = std::count_if(channels_.begin(), channels_.end(), [](const Channel* channel) {
    return !channel->requests().empty();
  });
  return receive_buffer_ / 2 / static_cast<std::uint64_t>(std::max<std::ptrdiff_t>(1, active));
}

SwarmStatus Swarm::status() const {
  SwarmStatus status = counts_;
  status.content_length = length_;
  status.complete = complete_;
  status.store_failed = store_failed_;
  status.channels = static_cast<std::size_t>(std::count_if(
      channels_.begin(), channels_.end(), [](const Channel* c) { return c->established(); }));
  status.verified_bytes = verified_.count() * metadata_.chunk_size;
  if (length_ && verified_.contains(chunk_count_ - 1)) {
    status.verified_bytes -= chunk_count_ * metadata_.chunk_size - *length_;
  }
  return status;
}

ChunkRange Swarm::verified_run(ChunkIndex chunk) const {
  const ChunkRange run = verified_.run_around(chunk);
  return run.empty() ? run : ChunkRange{chunk, run.end};
}

void Swarm::check_invariants() const {
  verified_.check_invariants();
  requested_.check_invariants();
  for (const Channel* channel : channels_) {
    channel->check_invariants();
    channel->requests().for_each(
        [&](ChunkRange range) { PPSPP_ASSERT(requested_.contains(range)); });
  }
}

}  // namespace ppspp
