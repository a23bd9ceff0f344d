// The swarm's side of serving: chunks from the store, checked where the store is suspect.
#include <algorithm>

#include "base/log.h"
#include "swarm/swarm.h"

namespace ppspp {

ReadOutcome Swarm::read(std::span<const ChunkSlot> slots) {
  auto& pieces = scratch_.pieces;
  for (std::size_t i = 0; i < slots.size();) {
    pieces.clear();
    const std::size_t first = i;
    do {
      pieces.push_back(slots[i].payload);
      ++i;
    } while (i < slots.size() && slots[i].chunk == slots[i - 1].chunk + 1);
    const StoreStatus status = store_->read(offset_of(slots[first].chunk), pieces);
    if (status == StoreStatus::not_yet) return ReadOutcome::not_yet;
    if (status == StoreStatus::failed) {
      fail_store();
      return ReadOutcome::failed;
    }
  }
  // Asked after the read, so that a change which the read has seen is known.
  if (!store_->content_suspect()) return ReadOutcome::done;
  bool genuine = true;
  for (const ChunkSlot& slot : slots) genuine = still_genuine(slot.chunk, slot.payload) && genuine;
  return genuine ? ReadOutcome::done : ReadOutcome::not_yet;
}

bool Swarm::still_genuine(ChunkIndex chunk, std::span<const std::byte> payload) {
  if (matches(chunk, payload)) return true;
  log(LogLevel::debug, "chunk {} on disk is no longer what was verified", chunk);
  verified_.erase({chunk, chunk + 1});
  on_changed({chunk, chunk + 1}, true);
  ++counts_.chunks_rotten;
  return false;
}

void Swarm::prefetch(ChunkRange range) {
  if (!store_failed_) store_->prefetch(offset_of(range.begin), range.size() * metadata_.chunk_size);
}

void Swarm::count_sent(std::uint64_t bytes, std::uint64_t resent_chunks) {
  counts_.uploaded_bytes += bytes;
  counts_.chunks_retransmitted += resent_chunks;
}

void Swarm::fail_store() {
  if (store_failed_) return;
  store_failed_ = true;
  events_.push_back({handle_, event::StoreFailed{}});
  for (Channel* channel : channels_) {
    channel->release(*this);
    channel->set_choking(true);
    touched_.push_back(channel->local());
  }
}

}  // namespace ppspp
