// The swarm of a live feed (RFC 7574, section 6): followed, or published by us. Two methods of
// authentication, Unified Merkle Tree and Sign All, differ in what is signed: a group of chunks, by
// its munro, or each chunk. With Sign All a group is one chunk.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "channel/range_list.h"
#include "crypto/verifying_key.h"
#include "integrity/chunk_signatures.h"
#include "integrity/unified_merkle_tree.h"
#include "swarm/first_offers.h"
#include "swarm/latency_histogram.h"
#include "swarm/live_source.h"
#include "swarm/playout.h"
#include "swarm/signature_budget.h"
#include "swarm/swarm.h"

namespace ppspp {

class LiveSwarm final : public Swarm {
 public:
  // Follows a feed. `random` and `scratch` are the endpoint's and outlive the swarm.
  static Result<std::unique_ptr<LiveSwarm>> follow(SwarmHandle handle,
                                                   const SwarmMetadata& metadata,
                                                   std::unique_ptr<ChunkStore> store,
                                                   const JoinSettings& settings,
                                                   RandomSource& random, ChannelScratch& scratch);
  // Publishes one.
  static Result<std::unique_ptr<LiveSwarm>> publish(SwarmHandle handle,
                                                    const SwarmMetadata& metadata,
                                                    std::unique_ptr<ChunkStore> store,
                                                    std::unique_ptr<Signer> signer,
                                                    const LiveSourceSettings& settings,
                                                    RandomSource& random, ChannelScratch& scratch);

  // Of the source: see Endpoint.
  Result<void> append(std::span<const std::byte> content, Now now);
  Result<void> end_feed(Now now);

  bool everybody_has_all(Now now) const;
  ChunkIndex next_readable(ChunkIndex chunk) const;
  ChunkRange verified_run(ChunkIndex chunk) const override;
  // Octets, once the feed has ended and all that will come is here.
  std::optional<std::uint64_t> length() const;

  void remove_channel(Channel& channel, bool retry_now, Now now) override;
  void prepare_flush(Now now) override;
  void flush(Now now) override;
  TimePoint deadline() const override;
  void handle_deadline(Now now) override;
  void set_read_position(ChunkIndex) override {}  // the playhead goes by the feed's time
  LiveSwarm* as_live() override { return this; }
  SwarmStatus status() const override;
  std::uint64_t chunks_skipped() const override { return live_.chunks_skipped; }
  ChunkRange pictured() const override {
    return {window_begin(), std::max(window_begin(), newest_end())};
  }
  void check_invariants() const override;

  // ChannelContext
  std::uint64_t chunk_count() const override { return 0; }
  ChunkRange extent() const override;
  bool complete() const override { return source_ != nullptr || ended_; }
  const BinSet& announced() const override { return source_ ? announced_ : verified_; }
  const BinSet& announced_to(const Channel& peer) const override;
  std::uint64_t discard_window() const override { return window_; }
  bool is_wanted(ChunkIndex chunk) const override;
  void receive_signature(Channel& from, const SignedIntegrity& message,
                         std::uint32_t hashes_begin) override;
  bool can_serve() const override { return !store_failed_; }
  std::size_t payload_size(ChunkIndex chunk) const override;
  Bin proof_top(ChunkIndex chunk) const override;
  std::span<const std::byte> hash(Bin bin) const override { return tree_->node(bin); }
  std::optional<SignedMunro> signature_for(ChunkIndex chunk) const override;
  std::optional<SignedMunro> rightmost_munro() const override;
  bool makes_way(const Channel& channel, Now now) override;
  void note_sent(Channel& to, ChunkIndex chunk, Now now) override;
  Microseconds munro_pause() const override;
  std::uint64_t least_owed() const override;

 private:
  struct NotedSignature {  // of the batch
    Channel* from;
    ChunkRange chunks;
    std::uint64_t ntp;
    std::span<const std::byte> signature;
    std::uint32_t hashes_begin;
    std::uint32_t hashes_end;
  };
  struct EarlySignature {  // of a chunk that has not come yet, or of the end (Sign All)
    ChannelId from;
    ChunkIndex chunk;
    std::uint64_t ntp;
    std::vector<std::byte> signature;
    TimePoint since;
  };
  struct ChunkSignatureFound {
    std::uint64_t ntp = 0;
    std::span<const std::byte> signature;  // empty: there is none
  };
  struct EndMark {  // Sign All
    ChunkIndex chunk;
    std::uint64_t ntp;
    std::vector<std::byte> signature;
  };
  struct Withheld {
    ChunkRange chunks;
    TimePoint until;
    bool again = false;
  };
  struct Unheard {  // pushed, and announced by nobody yet
    ChunkRange chunks;
    TimePoint until;
    int times = 1;
  };

  // A signature without a chunk is looked at again then: it may be that of the end (Sign All).
  static constexpr Microseconds kEndMarkAfter{100'000};
  // A peer that asked for nothing for so long, when the feed has ended, wants nothing.
  static constexpr Microseconds kQuiet{1'000'000};
  static constexpr std::uint64_t kMostGroupsGivenUp = 4'096;  // that are looked at one by one
  static constexpr double kFirstFlight = 32'000;
  static constexpr double kMostSentAhead = 64;   // chunks
  static constexpr std::size_t kToldAtOnce = 8;  // with so many channels HAVEs go out at once

  LiveSwarm(SwarmHandle handle, const SwarmMetadata& metadata, std::unique_ptr<ChunkStore> store,
            const JoinSettings& settings, RandomSource& random, ChannelScratch& scratch);

  // live_swarm.cc
  bool signs_each() const { return metadata_.integrity == IntegrityMethod::sign_all; }
  bool shaped() const { return width_ != 0; }
  bool shape(std::uint64_t width);  // how many chunks are signed at once is known now
  ChunkIndex window_begin() const;
  ChunkIndex newest_end() const;
  void slide_window();
  std::optional<std::uint64_t> ntp_of(ChunkIndex chunk) const;
  void play_on(Now now);
  void give_up_late_chunks(Now now);
  void count_given_up(ChunkRange chunks);
  void check_end(Now now);
  bool has_all(const Channel& channel, Now now) const;
  void set_end(std::optional<ChunkIndex> end, Now now);
  void touch_all();

  // live_swarm_receive.cc
  void take_signatures(Now now);
  void take_munro(const NotedSignature& noted, Now now);
  std::span<const std::byte> find_hash(const NotedSignature& noted, Bin bin) const;
  ChunkIndex wanted_end() const;
  bool may_be_width(std::uint64_t width) const;
  bool has_right_age(std::uint64_t ntp, Now now) const;
  // `from`: whose fault it is if not; null: nobody's. `work`: the number of what was computed.
  Verdict check_signature(Channel* from, ChunkRange chunks, std::uint64_t ntp,
                          std::span<const std::byte> content, std::span<const std::byte> signature,
                          std::uint32_t work, Now now);
  void accept(const Received& received, Now now);
  Verdict verify(const Received& received, Now now);
  Verdict verify_signed_chunk(const Received& received, Now now);
  ChunkSignatureFound signature_of(const Received& received) const;
  void prepare_signatures(Now now);
  std::uint32_t account_of(Channel& from);
  void keep_early_signatures(Now now);
  void look_for_end_mark(Now now);
  bool matches(ChunkIndex chunk, std::span<const std::byte> payload) override;
  void on_stored(ChunkRange run, Now now) override;
  void on_group(std::uint64_t group, std::uint64_t ntp, Now now);

  // live_swarm_pick.cc
  ChunkRange pick_chunks(Channel& from, std::uint64_t max_chunks, Now now) override;
  ChunkRange pick_to_tune_in(const Channel& from) const;
  ChunkRange pick_urgent(const Channel& from, std::uint64_t max_chunks, Now now);
  bool may_ask_twice(std::uint64_t chunks);
  void look_for_late(Now now);
  void take_from_others(ChunkRange chunks, Now now);
  bool owed_by_somebody_good(ChunkRange chunks) const;
  ChunkRange pick_late(const Channel& from, std::uint64_t max_chunks, Now now);
  ChunkRange pick_fresh(const Channel& from, std::uint64_t max_chunks, Now now);
  ChunkRange pick_beyond(const Channel& from) const;
  ChunkIndex pick_end(Now now) const;
  TimePoint pushes_end_at() const;
  bool is_only_source(const Channel& from) const;
  Microseconds urgency() const;
  void schedule_picks(Now now);

  // live_swarm_tell.cc
  void tell_stored(ChunkRange run, Now now) override;
  void announce_pending(Now now);
  std::size_t neighbours_with(ChunkIndex chunk) const;
  void announce_to(Channel& channel, const RangeList& runs, Now now);
  double feed_rate() const;
  Microseconds have_round(std::size_t peers) const;
  std::size_t most_told_first() const;
  bool among_many() const { return channels_.size() > kToldAtOnce; }
  void choose_told_first(Now now);
  void review_flight(Now now);
  bool short_of_upload() const;
  bool is_crowded(Now now) const;

  // live_swarm_publish.cc
  Result<void> take_content(std::span<const std::byte> content, Now now);
  Result<void> start_publishing(Now now);
  Result<void> store_chunks(ChunkIndex first, std::span<const std::byte> octets, Now now);
  Result<void> sign_chunk(ChunkIndex chunk, std::span<const std::byte> payload, Now now);
  Result<void> finish_group(std::uint64_t group, std::uint64_t chunks, Now now);
  Result<void> make_room_for(std::uint64_t group);
  void publish_chunks(ChunkRange fresh, std::uint64_t ntp, Now now);
  void offer(ChunkRange fresh, Now now);
  void announce_to_all(ChunkRange chunks, Now now);
  void release_withheld(Now now);
  void note_known(ChunkRange chunks);
  void push_unheard(Now now);
  void push_to_somebody(ChunkRange chunks);
  FirstOffers::Link link_now(Now now);
  void announce_where_needed(ChunkRange chunks, Now now);
  bool seems_alone(const Channel& channel, ChunkRange chunks) const;

  std::optional<VerifyingKey> key_;
  std::uint64_t window_;     // chunks
  std::uint64_t width_ = 0;  // of a group; 0: not known
  std::optional<UnifiedMerkleTree> tree_;
  std::optional<ChunkSignatures> signatures_;  // Sign All
  std::optional<EndMark> end_mark_;            // Sign All
  std::optional<std::uint64_t> newest_ntp_;    // of what was verified
  std::vector<std::byte> plaintext_;
  std::vector<VerifyingKey> lane_keys_;   // the same as key_, for each that computes BatchWork
  std::vector<const Channel*> accounts_;  // whose signatures are prepared; the first: strangers
  BinSet prepared_;
  SignatureBudget budget_;
  std::vector<NotedSignature> noted_;
  std::deque<EarlySignature> early_;
  BinSet offered_;  // what peers have announced, before we tune in

  Playout playout_;
  std::optional<ChunkIndex> end_;                                  // nothing is from here on
  std::optional<std::pair<ChunkIndex, std::size_t>> short_chunk_;  // the last one, and its octets
  bool ended_ = false;
  TimePoint begin_at_ = kNever;   // when enough was waited for to tune in
  TimePoint urgent_at_ = kNever;  // when what is missing will be asked for twice
  TimePoint fresh_at_ = kNever;   // when what may be pushed will be asked for
  BinSet asked_again_;
  BinSet late_;                 // asked for long ago, to be asked of another one
  TimePoint late_at_ = kNever;  // when what is late will be looked for
  double twice_credit_ = 8;     // chunks that may be asked for twice, among many
  std::uint64_t twice_counted_ = 0;
  double pushed_share_ = 0;  // of the chunks that came lately
  LatencyHistogram latencies_;
  ChunkIndex measured_from_ = 0;  // what was signed before we tuned in came as late as we did

  std::unique_ptr<LiveSource> source_;  // null: we follow
  BinSet announced_;                    // of the source
  std::uint64_t tree_memory_size_ = 0;  // octets, of a tree that is kept whole
  FirstOffers first_offers_;
  TimePoint change_at_{};  // what is pushed is not changed before that
  TimePoint crowded_until_{};
  // Of all channels together, among many: octets that may be in flight, and are.
  double flight_allowed_ = kFirstFlight;
  double in_flight_ = 0;
  bool flight_held_ = false;    // something waited since it was changed
  bool flight_doubles_ = true;  // until the first queue
  TimePoint flight_counted_at_{};
  TimePoint flight_changed_at_{};
  double may_send_ = 0;                   // chunks, what is pushed and what is asked for
  std::vector<const Channel*> alone_;     // they got hardly anything of others lately
  std::vector<const Channel*> told_all_;  // of what is released: these, and some by turns
  BinSet known_;                          // of what is released: what peers have
  std::deque<Withheld> withheld_;
  std::deque<Unheard> unheard_;
  std::vector<FirstOffers::Offer> offers_;
  std::vector<Channel*> candidates_;

  // What peers are to be told of, among many of them, and when.
  RangeList pending_haves_{256};
  RangeList pending_for_rest_{256};  // those who do not hear first
  std::vector<Channel*> told_first_;
  TimePoint announce_at_ = kNever;
  TimePoint choose_at_{};
  TimePoint tell_rest_at_{};

  LiveStatus live_;
};

}  // namespace ppspp
