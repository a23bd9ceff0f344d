// What a receive batch brought: verified together, stored in runs, then acknowledged and announced
// (RFC 7574, 5.2, 5.3, 5.6.2, 4.3).
#include <algorithm>
#include <utility>

#include "base/log.h"
#include "swarm/swarm.h"

namespace ppspp {
namespace {

constexpr std::size_t kMaxRunPieces = 512;  // of one write

}  // namespace

ReceivedChunk& Swarm::receive_chunk(Channel& from, ChunkIndex chunk, bool asked) {
  Received& received = batch_.emplace_back();
  received.from = &from;
  received.chunk.chunk = chunk;
  received.chunk.asked = asked;
  // Late, and perhaps asked of another peer meanwhile.
  if (!asked) twice_.insert({chunk, chunk + 1});
  note_owing(from);
  return received.chunk;
}

std::span<const ClaimedHash> Swarm::hashes_of(const ReceivedChunk& chunk, bool own_only) const {
  const std::uint32_t begin = own_only ? chunk.hashes_own : chunk.hashes_begin;
  return std::span<const ClaimedHash>(scratch_.hashes).subspan(begin, chunk.hashes_end - begin);
}

// Hashing is most of what receiving costs, and costs less for many chunks of one length.
void Swarm::gather_hashes(std::size_t least_octets) {
  const auto is_due = [&](const Received& received) {
    return is_full(received) && received.work == BatchWork::kNone;
  };
  const auto count = static_cast<std::size_t>(std::ranges::count_if(batch_, is_due));
  if (count == 0 || count * metadata_.chunk_size < least_octets) return;
  BatchWork& work = scratch_.work;
  work.begin_chunks(metadata_.hash, metadata_.chunk_size);
  for (Received& received : batch_) {
    if (is_due(received)) received.work = work.add_chunk(received.chunk.payload.data());
  }
  work.end_chunks();
}

// A chunk that is here already: twice in one batch, from two peers.
bool Swarm::take_duplicate(const Received& received) {
  const ReceivedChunk& chunk = received.chunk;
  if (!verified_.contains(chunk.chunk) && !run_.contains(chunk.chunk)) return false;
  ++counts_.chunks_duplicate;
  received.from->on_duplicate(chunk.chunk, chunk.one_way_delay_us);
  return true;
}

void Swarm::refuse(const Received& received, Verdict verdict, Now now) {
  const ChunkIndex chunk = received.chunk.chunk;
  if (verdict == Verdict::missing_hash) {
    ++counts_.chunks_unverifiable;
    // Once only, though it came twice in this batch; and not for what another peer was asked for.
    const bool still_wanted = received.chunk.asked && requested_.contains(chunk);
    received.from->on_unverifiable(chunk, still_wanted, *this, now);
    if (received.from->doubtful()) offer_again({chunk, chunk + 1}, received.from);
    return;
  }
  // To be asked for again, of anybody.
  ++counts_.chunks_rejected;
  received.from->on_wrong_chunk(*this, now);
  forget_requests({chunk, chunk + 1});
  offer_again({chunk, chunk + 1}, nullptr);
}

std::vector<ClaimedHash> Swarm::with_early_hashes(const Received& received) const {
  const auto early = received.from->early_hashes();
  const auto own = hashes_of(received.chunk, false);
  std::vector<ClaimedHash> all(early.begin(), early.end());
  all.insert(all.end(), own.begin(), own.end());
  return all;
}

void Swarm::queue_write(Channel* from, ChunkIndex chunk, std::int64_t one_way_delay_us,
                        std::span<const std::byte> payload, Now now) {
  extend_run(chunk, 1, now);
  run_pieces_.push_back(payload);
  note_origin(from, 1, one_way_delay_us);
}

bool Swarm::may_be_here(ChunkRange range) const {
  return verified_.intersects(range) || run_.intersects(range);
}

void Swarm::queue_writes(std::span<const Received> chunks, Now now) {
  extend_run(chunks.front().chunk.chunk, chunks.size(), now);
  for (const Received& received : chunks) run_pieces_.push_back(received.chunk.payload);
  while (!chunks.empty()) {
    Channel* const from = chunks.front().from;
    const auto other = std::ranges::find_if(
        chunks, [from](const Received& received) { return received.from != from; });
    const auto count = static_cast<std::size_t>(other - chunks.begin());
    note_origin(from, count, chunks[count - 1].chunk.one_way_delay_us);
    chunks = chunks.subspan(count);
  }
}

// Where the run cannot go on with these, it is written, and they begin another.
void Swarm::extend_run(ChunkIndex first, std::size_t chunks, Now now) {
  if (run_.end != first || run_pieces_.size() + chunks > kMaxRunPieces) write_run(now);
  if (run_.empty()) run_ = {first, first};
  run_.end += chunks;
}

void Swarm::note_origin(Channel* from, std::uint64_t chunks, std::int64_t one_way_delay_us) {
  if (run_origins_.empty() || run_origins_.back().from != from) {
    run_origins_.push_back({from, 0, 0});
  }
  run_origins_.back().chunks += chunks;
  run_origins_.back().one_way_delay_us = one_way_delay_us;
}

void Swarm::release_batch() {
  std::vector<Received>().swap(batch_);
  std::vector<std::span<const std::byte>>().swap(run_pieces_);
  std::vector<Origin>().swap(run_origins_);
}

void Swarm::write_run(Now now) {
  if (run_.empty()) return;
  const ChunkRange run = std::exchange(run_, {});
  const StoreStatus status =
      store_failed_ ? StoreStatus::failed : store_->write(offset_of(run.begin), run_pieces_);
  if (status == StoreStatus::done) {
    on_stored(run, now);
    ChunkIndex begin = run.begin;
    for (const Origin& origin : run_origins_) {
      const ChunkRange chunks{begin, begin + origin.chunks};
      begin = chunks.end;
      if (origin.from == nullptr) continue;
      origin.from->on_verified(chunks, origin.one_way_delay_us, octets_of(chunks), now);
    }
  } else {
    forget_requests(run);
    if (status == StoreStatus::failed) fail_store();
  }
  run_pieces_.clear();
  run_origins_.clear();
}

void Swarm::on_stored(ChunkRange run, Now now) {
  verified_.insert(run);
  requested_.erase(run);
  chunks_stored_ += run.size();
  counts_.downloaded_bytes += octets_of(run);
  auto* last = events_.empty() ? nullptr : std::get_if<event::ChunksVerified>(&events_.back().what);
  if (last != nullptr && last->chunks.end == run.begin) {
    last->chunks.end = run.end;
  } else {
    events_.push_back({handle_, event::ChunksVerified{run}});
  }
  on_changed(run, false);
  cancel_twice_asked(run);
  tell_stored(run, now);
}

void Swarm::tell_stored(ChunkRange run, Now now) {
  for (Channel* channel : channels_) {
    if (!channel->established()) continue;
    if (!channel->peer_complete(chunk_count())) channel->announce(run, now);
    touch(*channel);
  }
}

}  // namespace ppspp
