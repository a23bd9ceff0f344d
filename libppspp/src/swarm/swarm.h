// One content and all its channels: what to ask for, whom to serve, what is genuine (RFC 7574).
//
// Assumes that one thread calls it, through the Endpoint. It never believes a chunk before the
// verifier has, nor announces one before the store holds it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "bins/bin_set.h"
#include "channel/channel.h"
#include "channel/channel_context.h"
#include "integrity/content_verifier.h"
#include "ppspp/chunk_store.h"
#include "ppspp/random_source.h"
#include "ppspp/swarm_types.h"
#include "swarm/chunk_picker.h"
#include "swarm/known_peers.h"
#include "swarm/size_detection.h"

namespace ppspp {

class Swarm final : public ChannelContext {
 public:
  // `random` and `scratch` are the endpoint's and outlive the swarm.
  static Result<std::unique_ptr<Swarm>> create(SwarmHandle handle, const SwarmMetadata& metadata,
                                               std::unique_ptr<ChunkStore> store,
                                               const SwarmContent& content,
                                               const JoinSettings& settings, RandomSource& random,
                                               ChannelScratch& scratch);
  // Octets that the socket's receive buffer takes.
  void set_receive_buffer(std::size_t size) { receive_buffer_ = size; }

  SwarmHandle handle() const { return handle_; }
  std::unique_ptr<ChunkStore> take_store() { return std::move(store_); }
  ChunkStore* store() { return store_.get(); }

  // Channels, which the endpoint owns. A removed one gives back what it had asked for.
  void add_channel(Channel& channel, Now now);
  void remove_channel(Channel& channel, bool retry_now, Now now);
  void on_established(Channel& channel, Now now);
  std::span<Channel* const> channels() const { return channels_; }
  KnownPeers& known_peers() { return known_peers_; }
  const KnownPeers& known_peers() const { return known_peers_; }
  bool may_talk_to(const TransportAddress& peer) const;

  // The end of a receive batch: verifies and stores what has come.
  void flush(Now now);
  // Of the swarm itself, apart from those of its channels and known peers.
  TimePoint deadline() const { return size_deadline_; }
  void handle_deadline(Now now) { review_size(now); }
  void set_read_position(ChunkIndex chunk);
  void store_ready();

  // How many octets may be asked for until the next call (the download limit), and how many were.
  void set_request_allowance(std::uint64_t bytes) { request_allowance_ = bytes; }
  std::uint64_t take_requested_bytes();
  bool held_by_allowance() const { return held_by_allowance_; }

  // Channels that have something to do because of another one; to be emptied by the endpoint.
  std::vector<ChannelId>& touched() { return touched_; }
  std::vector<Event>& events() { return events_; }

  SwarmStatus status() const;
  ChunkRange verified_run(ChunkIndex chunk) const;
  void check_invariants() const;

  // ChannelContext
  const SwarmMetadata& metadata() const override { return metadata_; }
  const WireFormat& format() const override { return format_; }
  std::uint64_t chunk_count() const override { return chunk_count_; }
  const BinSet& verified() const override { return verified_; }
  ChunkRange acknowledgeable(ChunkIndex chunk) const override;
  bool complete() const override { return complete_; }
  ChannelScratch& scratch() override { return scratch_; }
  bool is_wanted(ChunkIndex chunk) const override;
  std::uint32_t note_hash(const ClaimedHash& hash) override;
  std::uint32_t next_hash_number() const override;
  void receive_chunk(Channel& from, const ReceivedChunk& chunk) override;
  ChunkRange pick(Channel& from, std::uint64_t max_chunks, Now now) override;
  void give_back(Channel& from, ChunkRange range) override;
  std::uint64_t receive_share() const override;
  bool can_serve() const override { return !store_failed_ && chunk_count_ != 0; }
  std::size_t payload_size(ChunkIndex chunk) const override;
  const MerkleTree* tree() const override;
  ReadOutcome read(std::span<const ChunkSlot> slots) override;
  void prefetch(ChunkRange range) override;
  void count_sent(std::uint64_t bytes, std::uint64_t resent_chunks) override;

 private:
  struct Received {
    Channel* from;
    ReceivedChunk chunk;
  };

  Swarm(SwarmHandle handle, const SwarmMetadata& metadata, std::unique_ptr<ChunkStore> store,
        const JoinSettings& settings, RandomSource& random, ChannelScratch& scratch);
  Result<void> begin(const SwarmContent& content);
  Result<void> begin_with_tree(const SwarmContent& content);

  // swarm_receive.cc
  bool know_peaks(const Received& received);
  Verdict verify(const Received& received);
  void accept(const Received& received, Now now);
  void refuse(const Received& received, Verdict verdict, Now now);
  void queue_write(Channel* from, ChunkIndex chunk, std::int64_t one_way_delay_us,
                   std::span<const std::byte> payload, Now now);
  void write_run(Now now);
  void on_stored(ChunkRange run, Now now);
  void check_complete();
  void forget_requests(ChunkRange range);
  void fail_store();
  std::span<const ClaimedHash> hashes_of(const ReceivedChunk& chunk, bool own_only) const;
  std::vector<ClaimedHash> with_early_hashes(const Received& received) const;

  // swarm_size.cc
  bool detects_size() const {
    return chunk_count_ == 0 && !store_failed_ && metadata_.integrity == IntegrityMethod::merkle;
  }
  void review_size(Now now);
  void drop_claim(Now now);
  ChunkRange pick_for_size(const Channel& from) const;
  void accept_for_size(const Received& received, Now now);
  void acknowledge_for_size(const Received& received);
  void learn_size(Channel& from, Now now);

  ChunkRange pick_chunks(Channel& from, std::uint64_t max_chunks, Now now);
  ChunkRange take_over(const PickQuestion& question, Now now);
  PickQuestion question(Channel& from, std::uint64_t max_chunks) const;
  bool reader_waits() const;
  std::uint64_t offset_of(ChunkIndex chunk) const { return chunk * metadata_.chunk_size; }

  SwarmHandle handle_;
  SwarmMetadata metadata_;
  WireFormat format_;
  JoinSettings settings_;
  RandomSource& random_;
  ChannelScratch& scratch_;
  std::unique_ptr<ChunkStore> store_;
  ContentVerifier verifier_;

  std::uint64_t chunk_count_ = 0;
  std::optional<std::uint64_t> length_;  // octets, exact; known when chunk_count_ is
  SizeDetection sizes_;
  TimePoint size_deadline_ = kNever;
  BinSet verified_;
  BinSet requested_;
  ChunkIndex read_position_ = 0;
  bool complete_ = false;
  bool store_failed_ = false;
  bool asked_twice_ = false;  // some chunks are outstanding at several peers

  std::vector<Channel*> channels_;
  KnownPeers known_peers_;
  std::size_t receive_buffer_ = 0;
  std::uint64_t request_allowance_ = ~std::uint64_t{0};
  std::uint64_t requested_bytes_ = 0;
  bool held_by_allowance_ = false;

  // The receive batch.
  std::vector<Received> batch_;
  ChunkRange run_;  // being gathered for one write
  std::vector<std::span<const std::byte>> run_pieces_;
  std::vector<std::pair<Channel*, std::int64_t>> run_origins_;

  std::vector<ChannelId> touched_;
  std::vector<Event> events_;
  SwarmStatus counts_;
};

}  // namespace ppspp
