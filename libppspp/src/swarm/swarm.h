// One content and all its channels: what to ask for, whom to serve, what is genuine (RFC 7574).
// What static content and live feeds have in common; each is a class of its own.
//
// Assumes that one thread calls it, through the Endpoint. It never believes a chunk before it was
// verified, nor announces one before the store holds it.
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
#include "discovery/address_book.h"
#include "discovery/certificates.h"
#include "integrity/content_verifier.h"
#include "ppspp/chunk_store.h"
#include "ppspp/random_source.h"
#include "ppspp/swarm_types.h"

namespace ppspp {

class LiveSwarm;

class Swarm : public ChannelContext {
 public:
  // Octets that the socket's receive buffer takes.
  void set_receive_buffer(std::size_t size) { receive_buffer_ = size; }

  // How many channels it should have, where there are peers for them.
  void set_neighbours(std::size_t channels);

  SwarmHandle handle() const { return handle_; }
  std::unique_ptr<ChunkStore> take_store() { return std::move(store_); }
  ChunkStore* store() { return store_.get(); }

  // Channels, which the endpoint owns. A removed one gives back what it had asked for.
  virtual void add_channel(Channel& channel, Now now);
  virtual void remove_channel(Channel& channel, bool retry_now, Now now);
  virtual void on_established(Channel& channel, Now now);
  std::span<Channel* const> channels() const { return channels_; }
  AddressBook& address_book() { return address_book_; }
  const AddressBook& address_book() const { return address_book_; }
  // False: it was known, or there is no room for it.
  bool add_peer(const TransportAddress& peer, PeerSource source, Now now,
                const TransportAddress& teller = {});
  bool may_talk_to(const TransportAddress& peer) const;

  // Peer exchange (3.10). `on_internet`: bare addresses are told to and believed of public peers,
  // too.
  struct PexOptions {
    bool enabled = true;
    bool on_internet = false;
  };
  void set_pex(const PexOptions& options) { pex_ = options; }
  // Our membership certificate, which is shown to all peers from now on. Errors: there is no
  // authority, or it did not sign this for the swarm and now.
  Result<void> set_certificate(std::span<const std::byte> der, Now now);
  // Whether peers are few, and all that are known have been tried.
  bool wants_more_peers(Now now) const;
  // Asks one channel that may be asked; when the next one may.
  TimePoint ask_for_peers(Now now);

  // Before that: tells what flush will have to compute, if it is much (BatchWork).
  virtual void prepare_flush(Now now) = 0;
  // The end of a receive batch: verifies and stores what has come.
  virtual void flush(Now now) = 0;
  // Of the swarm itself, apart from those of its channels and addresses.
  virtual TimePoint deadline() const = 0;
  virtual void handle_deadline(Now now) = 0;
  virtual void set_read_position(ChunkIndex chunk) = 0;
  virtual void set_read_windows(std::span<const ReadWindow>) {}
  virtual LiveSwarm* as_live() { return nullptr; }
  void store_ready();

  // How many octets may be asked for until the next call (the download limit), and how many were.
  void set_request_allowance(std::uint64_t bytes) { request_allowance_ = bytes; }
  std::uint64_t take_requested_bytes();
  bool held_by_allowance() const { return held_by_allowance_; }

  // Channels that have something to do because of another one; to be emptied by the endpoint.
  std::vector<ChannelId>& touched() { return touched_; }
  std::vector<Event>& events() { return events_; }

  virtual SwarmStatus status() const;
  // What status() counts, without what it has to work out.
  struct ChokeCounts {
    std::uint64_t chokes = 0;
    std::uint64_t optimistic_unchokes = 0;
  };
  virtual ChokeCounts choke_counts() const { return {}; }
  const SwarmStatus& counts() const { return counts_; }
  std::uint64_t chunks_stored() const { return chunks_stored_; }  // in this run
  virtual std::uint64_t chunks_skipped() const { return 0; }      // live: given up
  // The chunks that there may be, for a picture of what is here; empty: not known.
  virtual ChunkRange pictured() const { return {0, chunk_count()}; }
  // From the chunk on, what a reader may have.
  virtual ChunkRange verified_run(ChunkIndex chunk) const;
  virtual void check_invariants() const;

  // ChannelContext
  const SwarmMetadata& metadata() const override { return metadata_; }
  const WireFormat& format() const override { return format_; }
  const BinSet& verified() const override { return verified_; }
  ChannelScratch& scratch() override { return scratch_; }
  ReceivedChunk& receive_chunk(Channel& from, ChunkIndex chunk, bool asked) override;
  ChunkRange pick(Channel& from, std::uint64_t max_chunks, Now now) override;
  void give_back(Channel& from, ChunkRange range) override;
  std::uint64_t receive_share() const override;
  std::size_t neighbours() const override { return channels_.size(); }
  ReadOutcome read(std::span<const ChunkSlot> slots) override;
  // Whether what the store gave is still the chunk; if not, it is taken out of verified().
  bool still_genuine(ChunkIndex chunk, std::span<const std::byte> payload);
  void prefetch(ChunkRange range) override;
  void count_sent(std::uint64_t bytes, std::uint64_t resent_chunks) override;

  // swarm_pex.cc
  void collect_peers(const Channel& asking, std::vector<PeerToTell>& peers, Now now) override;
  std::span<const std::byte> certificate_of(const TransportAddress& peer, Now now) const override;
  Told receive_address(Channel& from, const TransportAddress& address, Now now) override;
  Told receive_certificate(Channel& from, std::span<const std::byte> der, Now now) override;

 protected:
  struct Received {
    Channel* from = nullptr;
    ReceivedChunk chunk;
    std::uint32_t work = BatchWork::kNone;  // its hash, or signature
    // Shown to be genuine together with those that follow it in the batch and in the content: so
    // many, itself included.
    std::uint32_t proved = 0;
  };

  Swarm(SwarmHandle handle, const SwarmMetadata& metadata, std::unique_ptr<ChunkStore> store,
        const JoinSettings& settings, RandomSource& random, ChannelScratch& scratch);

  // What the kinds of content do differently: which chunks to ask this peer for, within all limits;
  // whether the store still holds what was verified; what else becomes of chunks that were stored.
  virtual ChunkRange pick_chunks(Channel& from, std::uint64_t max_chunks, Now now) = 0;
  virtual bool matches(ChunkIndex chunk, std::span<const std::byte> payload) = 0;
  virtual void on_stored(ChunkRange run, Now now);
  // Peers are to hear of what was stored.
  virtual void tell_stored(ChunkRange run, Now now);
  // What may be asked for again: others than `but` are to look at it.
  virtual void offer_again(ChunkRange range, const Channel* but);
  // verified_ or requested_ have changed there; `again`: there is more to be asked for.
  virtual void on_changed(ChunkRange range, bool again) {
    static_cast<void>(range);
    static_cast<void>(again);
  }

  // swarm_receive.cc
  bool is_full(const Received& received) const {
    return received.chunk.payload.size() == metadata_.chunk_size;
  }
  void gather_hashes(std::size_t least_octets);
  // Of the chunk, if it was computed with those of others; else null.
  const std::byte* hash_of(const Received& received) const {
    return received.work == BatchWork::kNone ? nullptr : scratch_.work.hash(received.work);
  }
  bool take_duplicate(const Received& received);
  void release_batch();  // nothing more will come: the room that it took is given back
  void refuse(const Received& received, Verdict verdict, Now now);
  void queue_write(Channel* from, ChunkIndex chunk, std::int64_t one_way_delay_us,
                   std::span<const std::byte> payload, Now now);
  bool may_be_here(ChunkRange range) const;  // some of it
  // Chunks in a row, not too many for one write, which are not here yet.
  void queue_writes(std::span<const Received> chunks, Now now);
  void write_run(Now now);
  void forget_requests(ChunkRange range);
  void cancel_at(Channel& channel, ChunkRange range);
  void cancel_twice_asked(ChunkRange range);
  void note_owing(const Channel& channel);
  std::span<const ClaimedHash> hashes_of(const ReceivedChunk& chunk, bool own_only) const;
  std::vector<ClaimedHash> with_early_hashes(const Received& received) const;
  // Tries `verify` with more and more of the hashes that may belong to the chunk.
  template <typename Verify>
  Verdict verify_with_hashes(const Received& received, const Verify& verify);

  void fail_store();
  void update_goal();
  void occupy_address(const TransportAddress& peer);
  bool is_benign(const TransportAddress& peer) const;
  bool looks_for_peers() const;
  Told take_peer(Channel& from, const TransportAddress& address, PeerSource source, Now now);
  void touch(const Channel& channel) { touched_.push_back(channel.local()); }
  std::uint64_t offset_of(ChunkIndex chunk) const { return chunk * metadata_.chunk_size; }
  // Of chunks that are there: only the last of a content can be short.
  std::uint64_t octets_of(ChunkRange range) const {
    return (range.size() - 1) * metadata_.chunk_size + payload_size(range.end - 1);
  }

  SwarmHandle handle_;
  SwarmMetadata metadata_;
  WireFormat format_;
  JoinSettings settings_;
  RandomSource& random_;
  ChannelScratch& scratch_;
  std::unique_ptr<ChunkStore> store_;

  BinSet verified_;
  BinSet requested_;
  bool store_failed_ = false;
  BinSet twice_;  // chunks that may be outstanding at several peers

  // What is known of each channel here; by its seat.
  struct Seat {
    bool owing = false;   // something is outstanding
    bool hungry = false;  // it might be asked for more, but there was nothing to ask
  };
  std::vector<Channel*> channels_;
  std::vector<Seat> seats_;
  std::size_t owing_ = 0;
  AddressBook address_book_;
  Certificates certificates_;
  std::vector<Received> batch_;  // what has come since the last flush

  std::vector<ChannelId> touched_;
  std::vector<Event> events_;
  SwarmStatus counts_;
  std::uint64_t chunks_stored_ = 0;

 private:
  std::vector<std::uint32_t> free_seats_;
  std::size_t receive_buffer_ = 0;
  std::size_t neighbours_ = 0;
  PexOptions pex_;
  std::uint64_t request_allowance_ = ~std::uint64_t{0};
  std::uint64_t requested_bytes_ = 0;
  bool held_by_allowance_ = false;

  // Chunks in a row that came from one peer.
  struct Origin {
    Channel* from;                  // null: it has gone
    std::uint64_t chunks;
    std::int64_t one_way_delay_us;  // of the last
  };
  void extend_run(ChunkIndex first, std::size_t chunks, Now now);
  void note_origin(Channel* from, std::uint64_t chunks, std::int64_t one_way_delay_us);

  ChunkRange run_;  // being gathered for one write
  std::vector<std::span<const std::byte>> run_pieces_;
  std::vector<Origin> run_origins_;
};

template <typename Verify>
Verdict Swarm::verify_with_hashes(const Received& received, const Verify& verify) {
  const ReceivedChunk& chunk = received.chunk;
  Verdict verdict = verify(hashes_of(chunk, true));
  if (verdict == Verdict::missing_hash && chunk.hashes_own != chunk.hashes_begin) {
    verdict = verify(hashes_of(chunk, false));
  }
  if (verdict == Verdict::missing_hash && !received.from->early_hashes().empty()) {
    verdict = verify(std::span<const ClaimedHash>(with_early_hashes(received)));
  }
  return verdict;
}

}  // namespace ppspp
