// One conversation with one peer in one swarm (RFC 7574, sections 3 and 8): handshake, what the
// peer has, what we have asked of it, what it has asked of us, and the congestion control of what
// we send.
//
// Assumes that its datagrams were matched to it by channel ID and source address. Sends nothing by
// itself: `fill` is called when the socket can take a datagram. It must never trust what a peer
// says beyond the peer's own channel.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "bins/bin_set.h"
#include "bins/peaks.h"
#include "channel/channel_context.h"
#include "channel/delivery.h"
#include "channel/give_and_take.h"
#include "channel/handshake_check.h"
#include "channel/outstanding_requests.h"
#include "channel/path_search.h"
#include "channel/peer_faults.h"
#include "channel/pex_limits.h"
#include "channel/range_list.h"
#include "channel/rate_meter.h"
#include "channel/request_queue.h"
#include "channel/sent_chunks.h"
#include "congestion/ledbat.h"
#include "congestion/pacer.h"
#include "congestion/rtt_estimator.h"
#include "ppspp/transport_address.h"
#include "wire/datagram.h"

namespace ppspp {

// Keep-alives (3.12): NATs forget a mapping after 30 s.
inline constexpr Microseconds kKeepAliveEvery = std::chrono::seconds(27);
// A first datagram goes again after so long, and later with growing pauses.
inline constexpr Microseconds kFirstHandshakeResend = std::chrono::milliseconds(500);

struct ChannelOptions {
  std::size_t base_datagram_size = 1'452;
  std::size_t max_datagram_size = 65'487;
  std::size_t max_train_size = 65'507;
  std::size_t max_train_segments = 60;
  LedbatOptions ledbat;
  bool live = false;
  std::uint64_t max_queued_chunks = 0;  // that the peer may have asked for; 0: no limit
};

// Each state owns exactly what is meaningful in it, its deadline included.
struct Initiating {
  int attempts = 0;
  TimePoint resend_at;
  TimePoint began_at;
};
struct Established {
  ChannelId remote;
};
enum class CloseCause : std::uint8_t { ordinary, faults, silence, replaced };
struct Closed {
  std::string_view reason;
  bool tell_peer = false;  // a closing HANDSHAKE is owed
  ChannelId remote;        // to which; 0: unknown, nothing can be sent
  CloseCause cause = CloseCause::ordinary;
};
using ConversationState = std::variant<Initiating, Established, Closed>;

// What `fill` wrote: a datagram or a train.
struct Filled {
  std::size_t size = 0;
  std::size_t segment_size = 0;
  bool probe = false;
  bool is_all = false;  // nothing more would leave now: fill() needs not be tried again
};

class Channel {
 public:
  // `options` are kept by reference: many channels have the same.
  // We initiate: the first datagram is due at once, and it is given up after `patience`.
  Channel(ChannelId local, const TransportAddress& peer, const ChannelOptions& options,
          Microseconds patience, Now now);
  // A peer's handshake is complete (3.1.1(7)).
  Channel(ChannelId local, ChannelId remote, const TransportAddress& peer,
          const PeerCapabilities& capabilities, const ChannelOptions& options, Now now);

  ChannelId local() const { return local_; }
  const TransportAddress& peer() const { return peer_; }
  const ConversationState& state() const { return state_; }
  bool established() const { return std::holds_alternative<Established>(state_); }
  bool closed() const { return std::holds_alternative<Closed>(state_); }
  bool initiated() const { return initiated_; }
  // A number that both ends know and that differs between channels.
  std::uint32_t tag() const;
  // A small number of its own among the channels of its swarm, for the swarm's tables.
  std::uint32_t seat() const { return seat_; }
  void set_seat(std::uint32_t seat) { seat_ = seat; }
  const PeerCapabilities& capabilities() const { return capabilities_; }

  // Input. Afterwards: closed()? deadline()? fill()!
  void handle_datagram(std::span<const std::byte> datagram, ChannelContext& context, Now now);
  void handle_deadline(ChannelContext& context, Now now);
  void learn_round_trip(Microseconds rtt, Now now);  // of the handshake
  void learn_have(ChunkRange range, ChannelContext& context, Now now) {
    on_have(range, context, now);  // as minor payload of a first datagram
  }
  void handle_too_big(std::size_t size, Now now) { path_.on_too_big(size, now.monotonic); }
  void close(std::string_view reason, bool tell_peer, CloseCause cause = CloseCause::ordinary);
  // Gives back what is still asked for, when the channel ends.
  void release(ChannelContext& context) { take_back_requests(context); }

  // Gives back what it owes beyond what it is likely to bring soon, so that others can be asked.
  // False: it owes no more than that.
  bool trim_requests(ChannelContext& context, Now now);

  // Writes the next datagram or train, of at most `allowance` octets of DATA datagrams (the upload
  // limit; control messages are free). Nothing: call again after an input or at deadline().
  std::optional<Filled> fill(std::span<std::byte> buffer, std::size_t allowance,
                             ChannelContext& context, Now now);
  TimePoint deadline(const ChannelContext& context) const;
  // The closing HANDSHAKE of a channel in state Closed; 0 octets if none is owed.
  std::size_t write_closing(std::span<std::byte> buffer);
  // Whether DATA waits only for the upload limit.
  bool held_by_allowance() const { return held_by_allowance_; }

  // From the swarm.
  // Chunks in a row, with the sample of the last.
  void on_verified(ChunkRange chunks, std::int64_t one_way_delay_us, std::uint64_t bytes, Now now);
  void on_duplicate(ChunkIndex chunk, std::int64_t one_way_delay_us);
  void on_wrong_chunk(const ChannelContext& context, Now now);
  void on_bad_signature() { faults_.add(PeerFault::bad_signature); }
  bool has_too_many_faults() const { return faults_.too_many(); }
  std::uint32_t bad_signatures_left() const { return faults_.bad_signatures_left(); }
  // It came without the hashes that prove it. Its peer sends it again when it hears no ACK; if it
  // does not, we ask again, but not at once.
  void on_unverifiable(ChunkIndex chunk, bool still_wanted, const ChannelContext& context, Now now);
  // Of a feed: little of what it is asked for comes in time.
  bool delivers_little() const { return delivery_.is_poor(); }
  // What it sends is of no use: others should be asked for what it owes.
  bool doubtful() const { return refused_in_a_row_ > 1; }
  // HAVE is due. Whether it is to be filled, to find out when; else it is going to be.
  bool announce(ChunkRange range, Now now);
  void take_late(ChunkRange range, Now now);           // asked of another one instead
  void cancel(ChunkRange range);                       // here from another peer: CANCEL is due
  void on_store_ready() { store_retry_at_ = kNever; }  // what it could not read is there now
  // Whether we choke the peer (3.9). One that cannot be told is served slowly instead.
  void set_choking(bool choking);
  GiveAndTake& give_and_take() { return give_and_take_; }
  const GiveAndTake& give_and_take() const { return give_and_take_; }
  // Live.
  void push(ChunkRange range) { wanted_.add_pushed(range); }  // what was not asked for (3.7 #154)
  // It has the munro, and all before it, for it sent it to us.
  void on_peer_knows(Bin munro) { peer_munro_end_ = std::max(peer_munro_end_, munro.chunks().end); }
  // The rightmost munro is to be told although nothing else is: the feed has ended.
  void tell_munro(Now now) { tell_munro_at_ = now.monotonic, munros_told_ = 0; }

  // Peer exchange (3.10): a PEX_REQ is due; our certificate is.
  bool may_ask_for_peers(Now now) const;
  TimePoint ask_for_peers_at() const { return pex_.ask_at(); }
  void ask_for_peers(Now now);
  void show_certificate();

  const BinSet& peer_has() const { return peer_has_; }
  ChunkIndex peer_end() const { return peer_end_; }  // one past the newest chunk that it announced
  // Chunks that it waits for, or that have left for it and are not acknowledged.
  std::uint64_t waiting_chunks() const { return wanted_.chunks(); }
  std::uint64_t pushed_chunks() const { return wanted_.pushed_chunks(); }  // that have not left yet
  bool will_push(ChunkIndex chunk) const { return wanted_.has_pushed(chunk); }
  // What was sent to it is not acknowledged, nor was what was sent again.
  bool answers_no_data() const { return timeouts_in_a_row_ > 0 || probes_in_a_row_ > 1; }
  bool has_nothing_to_send() const { return wanted_.empty() && sent_.empty(); }
  bool has_fresh_requests() const { return wanted_.has_fresh(); }       // but for what was deferred
  std::uint64_t chunks_delivered() const { return chunks_delivered_; }  // and acknowledged
  // Chunks that it has and that were not acknowledged to us: others gave it those.
  std::uint64_t chunks_from_others() const {
    return peer_has_.count() - std::min(peer_has_.count(), chunks_delivered_);
  }
  // Whether what was sent to it lately tells of a queue on the way, or of losses; none: nothing was
  // acknowledged lately.
  std::optional<bool> feels_crowded(Now now) const;
  TimePoint last_interest_at() const {
    return last_interest_at_;
  }  // REQUEST, or ACK of what we sent
  bool peer_complete(std::uint64_t chunk_count) const;
  bool choked() const { return choked_by_peer_; }
  bool choking() const { return choking_; }
  const OutstandingRequests& requests() const { return requests_; }
  // What it owes of `range` and has hardly sent yet.
  std::vector<ChunkRange> owed_later(ChunkRange range, std::uint32_t chunk_size, Now now) const;
  bool stalled() const { return stalls_ > 0; }
  // Nothing has come for so long, although asked for, that the peer may have forgotten us.
  bool looks_forgotten(Now now) const;
  std::uint64_t receive_rate(Now now) const { return received_.rate(now.monotonic); }
  std::uint64_t send_rate(Now now) const { return sent_rate_.rate(now.monotonic); }
  // How long until all that is asked of this peer is here, as it delivers now.
  Microseconds time_to_finish(std::uint64_t more_bytes, std::uint32_t chunk_size, Now now) const;

  const LedbatController& ledbat() const { return ledbat_; }
  const RttEstimator& rtt() const { return rtt_; }
  std::size_t datagram_size() const { return path_.size(); }
  std::uint64_t bytes_received() const { return bytes_received_; }
  std::uint64_t bytes_sent() const { return bytes_sent_; }
  std::uint64_t decode_errors() const { return decode_errors_; }
  std::uint64_t chunks_rejected() const { return chunks_rejected_; }
  std::uint64_t requests_refused() const { return requests_refused_; }  // chunks, over the limit
  TimePoint established_at() const { return established_at_; }          // if it ever was
  // The queueing delay of the newest ACK with a sample since the last call.
  std::optional<Microseconds> take_delay_sample() { return std::exchange(delay_sample_, {}); }
  TimePoint last_received_at() const { return last_received_at_; }

  // Unverified hashes that came in datagrams without DATA (5.3 #98), for chunks that follow.
  std::span<const ClaimedHash> early_hashes() const { return early_hashes_; }

  void check_invariants() const;

 private:
  // The proof that the next chunk needs: a signed munro, then hashes; and what of it was sent
  // ahead.
  struct Plan {
    std::optional<ChunkIndex> chunk;
    std::optional<Bin> munro;    // to be sent with its signature
    bool munro_is_near = false;  // it is not sent, because it stands in this datagram already
    std::vector<Bin> peaks;
    std::vector<Bin> uncles;
    std::size_t sent = 0;  // of the hashes
    void forget();         // and keeps its room
    void release();        // gives it back, if there is no plan
    std::size_t size() const { return peaks.size() + uncles.size(); }
    std::size_t left() const { return size() - sent; }
    std::size_t octets_left(const WireFormat& format) const;
    Bin next() const { return sent < peaks.size() ? peaks[sent] : uncles[sent - peaks.size()]; }
  };

  void set_state(ConversationState state) { state_ = std::move(state); }
  void count_sent_datagram(Now now);
  void give_memory_back(Now now);
  void update_rate(Now now);

  // channel_handshake.cc
  bool on_handshake(const Handshake& message, ChannelContext& context, Now now);
  void confirm_again(Now now);
  TimePoint keep_alive_at() const { return last_sent_at_ + kKeepAliveEvery; }
  std::optional<Filled> fill_handshake(std::span<std::byte> buffer, ChannelContext& context,
                                       Now now);

  // channel_receive.cc
  bool handle_messages(DatagramReader& reader, std::uint32_t datagram_hashes,
                       ChannelContext& context, Now now);
  void on_data(const Data& message, std::uint32_t datagram_hashes, ChannelContext& context,
               Now now);
  void on_chunk(ChunkIndex chunk, const Data& message, std::span<const std::byte> payload,
                std::uint32_t datagram_hashes, ChannelContext& context, Now now);
  void on_integrity(const Integrity& message, ChannelContext& context);
  ChunkRange believable(ChunkRange named, const ChannelContext& context) const;
  // Returns how many are new.
  std::uint64_t note_peer_has(ChunkRange range, ChannelContext& context, Now now);
  void on_ack(const Ack& message, ChannelContext& context, Now now);
  Microseconds least_rtt(std::int64_t one_way_delay_us) const;
  void look_for_losses(Now now);
  void on_have(ChunkRange range, ChannelContext& context, Now now);
  void on_choke(ChannelContext& context, Now now);
  void on_unchoke();
  void note_stall(const ChannelContext& context, Now now);
  void note_refused(const ChannelContext& context, Now now);
  void keep_early_hashes(std::uint32_t begin, ChannelContext& context);
  void make_room_for_early_hash();
  void note_ack_due(ChunkRange chunks, std::int64_t one_way_delay_us);
  void take_back_requests(ChannelContext& context);

  // channel_serve.cc
  void on_request(ChunkRange range, ChannelContext& context, Now now);
  bool queue_lacking(ChunkRange range, const ChannelContext& context, Now now);
  void doubt(Now now);
  bool queue_request(ChunkRange range);
  void on_cancel(ChunkRange range);
  bool cannot_be_choked() const;
  void say_unchoke_again(Now now);
  void note_interest(Now now);
  void tell_path(const SentChunks::Lost& lost, Now now);
  void handle_lost(const SentChunks::Lost& lost, Now now);
  void handle_send_timers(Now now);
  TimePoint probe_timeout_at() const;
  TimePoint timeout_at() const;
  TimePoint send_deadline() const;

  // channel_control.cc
  void fill_control(ByteWriter& out, ChannelContext& context, Now now);
  void fill_acks(ByteWriter& out, ChannelContext& context, Now now);
  void repeat_acks(ByteWriter& out, const WireFormat& format);
  void fill_haves(ByteWriter& out, ChannelContext& context, Now now);
  void repeat_haves(ByteWriter& out, ChannelContext& context, Now now);
  TimePoint repeat_haves_at() const;
  TimePoint ask_again_at() const;
  void ask_again(ByteWriter& out, const ChannelContext& context);
  void fill_munro(ByteWriter& out, ChannelContext& context, Now now);
  bool write_munro(ByteWriter& out, std::size_t limit, const SignedMunro& munro,
                   const WireFormat& format);
  void fill_requests(ByteWriter& out, ChannelContext& context, Now now);
  std::uint64_t request_budget(ChannelContext& context, Now now) const;
  std::uint64_t least_requested(ChannelContext& context, Now now) const;
  std::uint64_t delivery_rate(Now now) const;
  bool acks_due(Now now) const;
  TimePoint ack_deadline() const;
  static constexpr std::size_t kMostHavesWait = 128;
  static constexpr std::size_t kManyLive = 8;  // neighbours in a live swarm
  Microseconds have_delay(const ChannelContext& context) const;
  bool haves_wait() const;
  Microseconds short_delay() const;  // how long an ACK or HAVE may wait (decision 5)

  // channel_pex.cc
  void on_pex_request(ChannelContext& context, Now now);
  void on_pex_address(const TransportAddress& address, ChannelContext& context, Now now);
  void on_pex_certificate(std::span<const std::byte> certificate, ChannelContext& context, Now now);
  void take_told(ChannelContext::Told told, ChannelContext& context, Now now);
  void fill_pex(ByteWriter& out, ChannelContext& context, Now now);

  // channel_fill.cc
  std::optional<Filled> fill_train(std::span<std::byte> buffer, std::size_t control_size,
                                   std::size_t allowance, ChannelContext& context, Now now);
  std::size_t data_allowance(std::size_t needed, std::size_t one_chunk, std::size_t all,
                             std::size_t allowance, Now now);
  std::optional<Filled> lay_out_train(std::span<std::byte> buffer, std::size_t control_size,
                                      std::size_t limit, std::size_t room, ChannelContext& context,
                                      Now now);
  // DATA with its hashes, behind what `out` holds; or, where they do not fit together, hashes
  // alone.
  void fill_data(ByteWriter& out, std::size_t limit, bool may_exceed, ChannelContext& context);
  void plan_next(ChunkIndex chunk, ChannelContext& context);
  void plan_munro(ChunkIndex chunk, ChannelContext& context);
  bool peer_can_prove(ChunkRange range) const;
  bool proves_alone() const;
  bool believes_nothing() const;
  bool silent_in_vain() const;
  void forget_plan_of_last_datagram();
  void write_hashes(ByteWriter& out, std::size_t limit, ChannelContext& context);
  bool read_payloads(std::size_t datagrams, ChannelContext& context, Now now);
  void commit_train(const Filled& filled, ChannelContext& context, Now now);
  bool choose_next(ChannelContext& context, Now now);
  Microseconds stall_timeout() const;
  TimePoint silent_since() const;  // so long that it is greeted anew

  ChannelId local_;
  TransportAddress peer_;
  const ChannelOptions& options_;
  Microseconds patience_;  // of the handshake
  std::uint32_t seat_ = 0;
  ConversationState state_;
  PeerCapabilities capabilities_;
  bool initiated_;
  bool answer_now_ = false;  // 12.1.2: the second datagram is answered at once
  // The third datagram is sent again then. Until it arrives the peer has no channel, and we may
  // have nothing else to say.
  TimePoint confirm_at_ = kNever;
  int confirmed_ = 0;

  // The peer.
  BinSet peer_has_;
  ChunkIndex peer_end_ = 0;  // live: one past the newest chunk that it announced
  PeerFaults faults_;
  TimePoint last_received_at_;
  TimePoint last_sent_at_;
  TimePoint last_fill_at_;
  int sent_since_received_ = 0;
  std::uint64_t decode_errors_ = 0;
  std::uint64_t chunks_rejected_ = 0;
  TimePoint established_at_;

  // Receiving.
  OutstandingRequests requests_;
  bool choked_by_peer_ = false;
  bool unchoked_in_vain_ = false;  // and nothing has come since
  int stalls_ = 0;                 // times in a row that all was taken back
  Delivery delivery_;
  TimePoint last_data_at_;         // or when requests began to be outstanding
  TimePoint asked_again_after_{};  // last_data_at_, when what is outstanding was last said again
  TimePoint retry_at_;             // no request before, after a stall
  int refused_in_a_row_ = 0;       // times that chunks came and none was of use
  TimePoint refused_at_ = kNever;
  TimePoint busy_since_;                 // requests have been outstanding without a pause
  std::uint64_t rate_before_pause_ = 0;  // what it delivered then
  RateMeter received_;
  std::uint64_t unsolicited_credit_ = 64;  // late chunks of requests that were taken back
  std::uint64_t bytes_received_ = 0;
  std::uint32_t hashes_used_ = 0;  // of the batch: those up to the last chunk of this channel
  std::vector<ClaimedHash> early_hashes_;
  std::vector<std::byte> early_octets_;  // what they are views of, a place for each
  std::size_t next_early_ = 0;           // the place of the next one

  // Due to be said.
  RangeList acks_{64};
  RangeList acks_said_{16};  // live: in the last datagram with ACKs, to be said once more
  std::int64_t ack_delay_sample_ = 0;
  int datagrams_to_ack_ = 0;
  TimePoint ack_since_ = kNever;
  TimePoint last_ack_at_;
  RangeList haves_{256};
  TimePoint have_since_ = kNever;
  ChunkIndex have_cursor_ = 0;  // availability from here on was not announced yet
  bool announcing_ = true;
  // HAVE may have been lost, and nothing would show that: it is said again to who does not ask.
  bool repeat_haves_ = false;
  int haves_repeated_ = 0;            // since the peer asked for something
  TimePoint haves_said_at_ = kNever;  // the newest
  ChunkIndex repeat_cursor_ = 0;      // where the next repetition goes on
  RangeList cancels_{64};
  bool choking_ = false;
  bool say_choke_ = false;
  bool say_unchoke_ = false;
  bool told_choke_ = false;              // it was said, and not taken back
  TimePoint unchoke_again_at_ = kNever;  // it may have been lost, and nothing else would show that
  int unchokes_said_ = 0;
  TimePoint trickle_at_{};  // to a peer that ought to be choked and cannot be told
  GiveAndTake give_and_take_;

  // Peer exchange.
  PexLimits pex_;
  bool ask_for_peers_ = false;
  std::vector<PeerToTell> to_tell_;

  // Live: what was signed.
  ChunkIndex peer_munro_end_ = 0;  // it has told us of a munro that ends here
  Bin munro_told_;                 // the rightmost one that we told it of
  TimePoint munro_again_at_;       // not before
  TimePoint munro_told_at_{};
  TimePoint tell_munro_at_ = kNever;
  int munros_told_ = 0;    // with nothing else to say
  Bin munro_in_datagram_;  // of the datagram that is being filled

  // Serving.
  RequestQueue wanted_;
  std::uint64_t requests_refused_ = 0;
  std::uint64_t repeated_ = 0;         // chunks that it asked for again
  std::uint64_t had_from_others_ = 0;  // that it said it has, and that we had not sent it
  std::uint64_t sent_in_spite_ = 0;    // of those, asked of us all the same
  TimePoint doubted_until_ = {};       // it lacked what it was taken to have
  RateMeter sent_rate_;
  std::optional<Microseconds> delay_sample_;
  TimePoint last_interest_at_;
  SentChunks sent_;
  Plan plan_;
  bool in_datagram_ = false;  // one with chunks is being filled, and is the last of sent_
  bool peaks_sent_ = false;
  std::size_t plan_sent_before_ = 0;  // plan_.sent when the datagram was begun
  std::uint64_t resent_chunks_ = 0;   // in the train that is being filled
  bool sent_began_ = false;           // something was sent
  TimePoint store_retry_at_ = kNever;
  bool read_one_ = false;  // the store did not have all that was wanted: go on with less
  bool held_by_allowance_ = false;
  TimePoint lossy_until_{};  // hashes that much hangs on are sent twice until then
  LedbatController ledbat_;
  RttEstimator rtt_;
  TokenBucket pacer_;
  std::size_t worth_waking_ = 0;  // octets that pacing lets gather, so that they leave as one train
  PathSearch path_;
  TimePoint last_progress_at_;
  int probes_in_a_row_ = 0;
  int timeouts_in_a_row_ = 0;
  int probes_allowed_ = 0;  // datagrams that may exceed the window
  bool acked_ = false;      // by the datagram that is being read
  bool halving_may_be_spurious_ = false;
  TimePoint paced_until_ = kNever;
  TimePoint way_made_since_ = kNever;  // for others, who ask for what nobody was sent yet
  std::uint64_t bytes_sent_ = 0;
  std::uint64_t chunks_delivered_ = 0;  // sent and acknowledged
};

}  // namespace ppspp
