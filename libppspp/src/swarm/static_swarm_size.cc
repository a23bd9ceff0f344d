// A content whose length the metadata do not tell (RFC 7574, 5.6): nothing of it is stored before
// one peer has proved how long it is.
#include <utility>

#include "base/log.h"
#include "swarm/static_swarm.h"

namespace ppspp {

// Ends the turn of a peer that did not prove its claim in time, and begins another's.
void StaticSwarm::review_size(Now now) {
  size_deadline_ = kNever;
  if (!detects_size()) return;
  if (sizes_.turn() != nullptr && sizes_.is_over(channels_, now)) drop_claim(now);
  if (sizes_.turn() == nullptr) {
    if (const Channel* next = sizes_.begin_turn(channels_, now)) touched_.push_back(next->local());
  }
  size_deadline_ = sizes_.deadline(channels_, now);
}

void StaticSwarm::drop_claim(Now now) {
  Channel* const from = sizes_.turn();
  log(LogLevel::debug, "{} has not proved the size of the content", from->peer().to_string());
  const bool believes_us = sizes_.was_acknowledged();
  sizes_.end_failed_turn(now);
  from->release(*this);
  // It would not send again what proves the chunk that it was told we have.
  if (believes_us) from->close("the size of the content was not proved", true);
  touched_.push_back(from->local());
}

ChunkRange StaticSwarm::pick_for_size(const Channel& from) const {
  if (sizes_.turn() != &from) return {};
  const auto chunk = sizes_.next_chunk();
  if (!chunk || requested_.contains(*chunk)) return {};
  return {*chunk, *chunk + 1};
}

// A chunk before the size is known: only that of the peer whose turn it is counts.
void StaticSwarm::accept_for_size(const Received& received, Now now) {
  const ReceivedChunk& chunk = received.chunk;
  if (sizes_.turn() != received.from) return refuse(received, Verdict::missing_hash, now);
  if (sizes_.claim().holds(chunk.chunk)) {
    ++counts_.chunks_duplicate;
    return acknowledge_for_size(received);
  }
  Verdict verdict = sizes_.add(chunk, hashes_of(chunk, false), now);
  if (verdict == Verdict::missing_hash && !received.from->early_hashes().empty()) {
    verdict = sizes_.add(chunk, with_early_hashes(received), now);
  }
  if (verdict != Verdict::verified) {
    refuse(received, verdict, now);
    if (verdict == Verdict::wrong) drop_claim(now);
    return;
  }
  const ChunkRange own{chunk.chunk, chunk.chunk + 1};
  cancel_twice_asked(own);
  requested_.erase(own);
  if (sizes_.claim().proved()) return learn_size(*received.from, now);
  acknowledge_for_size(received);
  touched_.push_back(received.from->local());
}

// A chunk that is held has been verified, so it may be acknowledged (3.4 #79); without that a
// sender whose window is small would send it again and again instead of the last one.
void StaticSwarm::acknowledge_for_size(const Received& received) {
  if (!sizes_.may_acknowledge(received.chunk.chunk)) return;
  received.from->on_duplicate(received.chunk.chunk, received.chunk.one_way_delay_us);
  sizes_.on_acknowledged();
}

// The number of chunks and the exact length are proved (5.6.2 #117, #118).
void StaticSwarm::learn_size(Channel& from, Now now) {
  const SizeClaim& claim = sizes_.claim();
  const auto memory =
      store_->tree_memory(MerkleTree::memory_size(claim.chunk_count(), metadata_.hash));
  if (memory.empty() || store_->set_content_length(claim.length()) != StoreStatus::done) {
    sizes_.end_turn();
    return fail_store();
  }
  chunk_count_ = claim.chunk_count();
  length_ = claim.length();
  const auto hashes = claim.hashes();
  verifier_.start(chunk_count_, memory, hashes);
  events_.push_back({handle_, event::SizeKnown{*length_}});
  start_picking();
  const auto held = sizes_.take_held();
  for (const SizeDetection::Held& h : held) {
    if (verifier_.verify(h.chunk, h.octets, hashes) != Verdict::verified) continue;
    queue_write(&from, h.chunk, h.one_way_delay_us, h.octets, now);
    write_run(now);
  }
  sizes_.end_turn();
  for (const Channel* channel : channels_) touched_.push_back(channel->local());
}

ChunkRange StaticSwarm::acknowledgeable(ChunkIndex chunk) const {
  if (sizes_.may_acknowledge(chunk)) return {chunk, chunk + 1};
  return verified_.run_around(chunk);
}

}  // namespace ppspp
