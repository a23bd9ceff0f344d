// The swarm of a static content: its size, its hash tree, and what is still missing of it (RFC
// 7574, section 5).
#pragma once

#include <algorithm>
#include <memory>

#include "channel/range_list.h"
#include "swarm/choker.h"
#include "swarm/chunk_picker.h"
#include "swarm/rarest_first.h"
#include "swarm/read_windows.h"
#include "swarm/size_detection.h"
#include "swarm/super_seeding.h"
#include "swarm/swarm.h"

namespace ppspp {

class StaticSwarm final : public Swarm {
 public:
  // `random` and `scratch` are the endpoint's and outlive the swarm.
  static Result<std::unique_ptr<Swarm>> create(SwarmHandle handle, const SwarmMetadata& metadata,
                                               std::unique_ptr<ChunkStore> store,
                                               const SwarmContent& content,
                                               const JoinSettings& settings, RandomSource& random,
                                               ChannelScratch& scratch);

  void add_channel(Channel& channel, Now now) override;
  void remove_channel(Channel& channel, bool retry_now, Now now) override;
  void prepare_flush(Now now) override;
  void flush(Now now) override;
  void on_established(Channel& channel, Now now) override;
  TimePoint deadline() const override;
  void handle_deadline(Now now) override;
  void set_read_position(ChunkIndex chunk) override;
  void set_read_windows(std::span<const ReadWindow> windows) override;
  SwarmStatus status() const override;

  // ChannelContext
  std::uint64_t chunk_count() const override { return chunk_count_; }
  ChunkRange extent() const override;
  ChunkRange acknowledgeable(ChunkIndex chunk) const override;
  bool complete() const override { return complete_; }
  bool is_wanted(ChunkIndex chunk) const override;
  void on_peer_has(Channel& from, ChunkRange range, Now now) override;
  Microseconds lazy_have_delay() const override { return lazy_have_delay_; }
  bool is_scarce_source(const Channel& peer) const override;
  bool can_serve() const override { return !store_failed_ && chunk_count_ != 0; }
  std::size_t payload_size(ChunkIndex chunk) const override;
  Bin proof_top(ChunkIndex chunk) const override;
  std::span<const std::byte> hash(Bin bin) const override { return verifier_.tree().node(bin); }
  void count_sent(std::uint64_t bytes, std::uint64_t resent_chunks) override;
  const BinSet* spread_to_others(const Channel& to) const override {
    return sharing_ != nullptr ? sharing_->super_seeding.spread_to_others(to) : nullptr;
  }
  bool makes_way(const Channel& channel, Now now) override;
  void note_sent(Channel& to, ChunkIndex chunk, Now now) override {
    if (sharing_ != nullptr) sharing_->super_seeding.note_sent(to, chunk, chunk_count_, now);
  }

 private:
  StaticSwarm(SwarmHandle handle, const SwarmMetadata& metadata, std::unique_ptr<ChunkStore> store,
              const JoinSettings& settings, RandomSource& random, ChannelScratch& scratch);
  Result<void> begin(const SwarmContent& content);
  Result<void> begin_with_tree(const SwarmContent& content);

  ChunkRange pick_chunks(Channel& from, std::uint64_t max_chunks, Now now) override;
  void start_picking();
  void seat(Channel& channel);
  ChunkRange pick_by_policy(const PickQuestion& question);
  bool near_end() const;
  void on_changed(ChunkRange range, bool again) override;
  void offer_again(ChunkRange range, const Channel* but) override;
  bool sources_are_scarce() const;
  void spare_sources(ChunkRange announced, Now now);
  void set_lazy_have_delay();
  void wake_hungry(ChunkRange range, std::size_t most, const Channel* but);
  void schedule_review(Now now);
  void review_requests(Now now);
  bool uploads_little() const;
  Microseconds have_round() const;
  void tell_stored(ChunkRange run, Now now) override;
  std::span<const ChunkRange> take_announceable();  // in scratch_
  void announce_pending(Now now);
  ChunkRange pick_late_chunks(const PickQuestion& question, Now now);
  ChunkRange take_over(const Takeover& takeover);
  ReadWindow window_from(ChunkIndex chunk) const;
  void cancel_unwanted();

  void prove_runs();
  void prove_run(std::span<Received> run);
  bool know_peaks(const Received& received);
  std::size_t accept_front(std::span<const Received> batch, Now now);
  void accept(const Received& received, Now now);
  bool matches(ChunkIndex chunk, std::span<const std::byte> payload) override;
  void check_complete(Now now);
  void tell_complete(Now now);

  // static_swarm_share.cc
  ChokeCounts choke_counts() const override;
  Choker::Scene scene() const;
  TimePoint sharing_deadline() const {
    return sharing_ != nullptr ? sharing_->choker.deadline() : kNever;
  }
  void share_upload(Now now);

  // static_swarm_size.cc
  bool detects_size() const {
    return chunk_count_ == 0 && !store_failed_ && metadata_.integrity == IntegrityMethod::merkle;
  }
  void review_size(Now now);
  void drop_claim(Now now);
  ChunkRange pick_for_size(const Channel& from) const;
  void accept_for_size(const Received& received, Now now);
  void acknowledge_for_size(const Received& received);
  void learn_size(Channel& from, Now now);

  ContentVerifier verifier_;
  std::uint64_t chunk_count_ = 0;
  std::optional<std::uint64_t> length_;  // octets, exact; known when chunk_count_ is
  SizeDetection sizes_;
  TimePoint size_deadline_ = kNever;
  ReadWindows windows_;
  std::unique_ptr<RarestFirst> rarest_;  // while something is missing
  std::size_t turn_ = 0;                 // where looks at some of the channels begin
  TimePoint review_at_ = kNever;
  RangeList pending_haves_{256};  // stored since the last round of HAVEs
  TimePoint announce_at_ = kNever;
  std::uint32_t rounds_ = 0;
  Microseconds lazy_have_delay_{0};
  double download_rate_ = 0;  // octets per second, over some seconds
  std::uint64_t downloaded_at_review_ = 0;
  std::vector<Channel*> sources_;  // that have everything
  // From the first peer on: an idle swarm is small.
  struct Sharing {
    Choker choker;
    SuperSeeding super_seeding;
  };
  std::unique_ptr<Sharing> sharing_;
  bool complete_ = false;
};

}  // namespace ppspp
