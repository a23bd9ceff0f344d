// Who is served of a static content, and with what first (RFC 7574, 3.9, 9.2).
#include "swarm/static_swarm.h"

namespace ppspp {

Choker::Scene StaticSwarm::scene() const {
  return {.channels = channels_,
          .have = verified_,
          .chunk_count = chunk_count_,
          .chunk_size = metadata_.chunk_size,
          .uploaded = counts_.uploaded_bytes,
          .seeding = complete_};
}

Swarm::ChokeCounts StaticSwarm::choke_counts() const {
  if (sharing_ == nullptr) return {};
  const Choker::Counts& counts = sharing_->choker.counts();
  return {counts.chokes, counts.optimistic_unchokes};
}

void StaticSwarm::on_established(Channel& channel, Now now) {
  Swarm::on_established(channel, now);
  if (store_failed_) return;
  if (sharing_ == nullptr) sharing_ = std::make_unique<Sharing>();
  sharing_->choker.admit(channel, scene(), now);
}

void StaticSwarm::share_upload(Now now) {
  if (now.monotonic < sharing_deadline()) return;
  auto& [choker, super_seeding] = *sharing_;
  if (store_failed_) return choker.rest();
  choker.review(scene(), random_, touched_, now);
  super_seeding.review(scene(), choker, now);
}

void StaticSwarm::count_sent(std::uint64_t bytes, std::uint64_t resent_chunks) {
  Swarm::count_sent(bytes, resent_chunks);
  if (sharing_ != nullptr && channels_.size() > 1) sharing_->choker.stir(channels_.size());
}

bool StaticSwarm::makes_way(const Channel& channel, Now now) {
  return sharing_ != nullptr &&
         sharing_->super_seeding.makes_way(channel, scene(), sharing_->choker, now);
}

}  // namespace ppspp
