// What stands behind the handles of one swarm: its store, its readers, its peers, and the user's
// handlers. Small as long as little of that is used: thousands of files may be hosted.
#pragma once

#include <atomic>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <latch>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "files/file_chunk_store.h"
#include "files/recording_store.h"
#include "net/active_reader.h"
#include "net/peer_contacts.h"
#include "ppspp/ppspp.h"

namespace ppspp {

class ActiveSwarm : public std::enable_shared_from_this<ActiveSwarm> {
 public:
  ActiveSwarm(ActiveNode& node, SwarmUrl url, const JoinSettings& settings);
  ~ActiveSwarm();
  ActiveSwarm(const ActiveSwarm&) = delete;
  ActiveSwarm& operator=(const ActiveSwarm&) = delete;

  // For the node: how the swarm begins, what the endpoint says of it.
  void open(const JoinOptions& options);
  Result<void> seed(HashedFile&& file);
  void host(const HostedFile& file);
  Result<void> publish(SigningKey key, const FeedOptions& options);
  void contact_peers_of_url();
  void on_event(const Event& event);
  // Of a hosted file: somebody wants it; nobody does any more, and has not for so long.
  void wake();
  bool sleeping() const { return hosted_ != nullptr && !joined() && !left(); }
  bool sleep_if_idle(std::chrono::steady_clock::time_point now, std::chrono::milliseconds after);
  bool joined() const { return handle_.value != 0; }
  bool complete() const { return complete_; }
  bool publishes() const { return live_ != nullptr && live_->publishes; }
  SwarmHandle handle() const { return handle_; }

  // For Swarm and ContentReader.
  const SwarmUrl& url() const { return url_; }
  bool left() const { return node_ == nullptr; }
  SwarmStatus status() const;
  std::vector<ChannelStatus> channels() const;
  std::vector<TrackerStatus> trackers() const;
  ContentReader& reader();
  std::shared_ptr<ContentReader> open_reader(const ReaderOptions& options);
  std::size_t reader_count() const;
  void set_limits(const SwarmLimits& limits);
  const SwarmLimits& limits() const { return settings_.limits; }
  std::optional<FileStamp> file_stamp() const;
  std::vector<std::uint8_t> availability(std::size_t buckets) const;
  void add_peer(const TransportAddress& peer, PeerSource source);
  Result<void> add_peer(std::string_view host_and_port);
  void on_first_byte(std::function<void()> handler);
  void on_complete(std::function<void()> handler);
  void on_error(std::function<void(const Error&)> handler);
  void leave();

  // For LiveFeed.
  Result<void> append(asio::const_buffer content);
  void end_feed();
  void on_delivered(std::function<void()> handler);
  void on_skipped(std::function<void(const event::Skipped&)> handler);
  // Of a feed that has ended and was recorded: `done` with the file as static content.
  void finish_recording(std::function<void(Result<HashedFile>)> done);

  asio::io_context& io() { return io_; }
  void add_reader(ActiveReader& reader);
  void remove_reader(ActiveReader& reader);
  // A read has begun, or begins elsewhere now.
  void proceed_reading(ActiveReader& reader);

 private:
  // Of live swarms only.
  struct Live {
    explicit Live(asio::io_context& io) : delivery(io) {}

    std::shared_ptr<FeedNumbers> numbers;
    ChunkIndex reserved = 0;  // chunk numbers below it may be used
    bool reserving = false;
    bool width_kept = false;
    bool publishes = false;
    bool tuned_in = false;  // until then nobody knows where reading begins
    std::uint64_t first_position = 0;
    bool delivered = false;
    std::chrono::steady_clock::time_point ended_at;
    asio::steady_timer delivery;
    std::function<void()> on_delivered;
    std::function<void(const event::Skipped&)> on_skipped;
  };
  // Of hosted files only. Names as strings, which take less than paths.
  struct Hosted {
    std::string file;
    std::string tree;
    std::optional<FileStamp> stamp;
    bool waking = false;
    bool tree_checked = false;
    std::chrono::steady_clock::time_point used_at;  // when it last had channels or readers
    // Counts of the times before it slept.
    std::uint64_t uploaded_bytes = 0;
    std::uint64_t chunks_retransmitted = 0;
    std::uint64_t chunks_rotten = 0;
    std::size_t peers_seen = 0;
  };

  Result<void> open_temporary();
  void open_file(const JoinOptions& options);
  void opened(Result<OpenedDownload> download);
  Result<void> join(std::unique_ptr<FileChunkStore> store, const SwarmContent& content);
  void begin();
  void on_store_failed();
  PeerContacts& contacts();

  // active_swarm_hosted.cc
  void add_times_before(SwarmStatus& status) const;
  void awake(Result<std::unique_ptr<FileChunkStore>> store);
  void sleep_on(const Error& error);
  void check_tree();
  void sleep();

  // active_swarm_live.cc
  Result<void> follow();
  Result<void> make_feed_store(const FeedOptions& options, std::unique_ptr<ChunkStore>& store);
  Result<void> keep_width(LiveSourceSettings& settings) const;
  void reserve_numbers(ChunkIndex used);
  void on_feed_ended();
  void announce_skipped(const event::Skipped& skipped);
  void wait_for_delivery();
  void announce_delivered();
  StoreReady store_ready_poster();
  void on_store_ready();
  void on_length(std::uint64_t length);
  void on_content_complete();
  void announce_first_byte();
  void finish_file();
  void announce_complete();
  void fail_with(const Error& error);
  void close_store(std::unique_ptr<ChunkStore> store);

  // active_swarm_readers.cc
  bool may_read() const;
  void proceed_reading();
  void proceed(ActiveReader& reader);
  void tune_readers_in(ChunkIndex chunk);
  void tune_in(ActiveReader& reader);
  void tell_windows();

  asio::io_context& io_;
  ActiveNode* node_;  // null: left
  SwarmUrl url_;
  JoinSettings settings_;
  SwarmHandle handle_;  // 0: not joined yet, or left
  // The endpoint's, while joined: the store, and what it is.
  ChunkStore* store_ = nullptr;
  FileChunkStore* file_ = nullptr;
  RecordingStore* recording_ = nullptr;
  std::unique_ptr<SwarmStatus> last_status_;
  bool complete_ = false;  // and on disk
  bool content_changed_ = false;
  std::shared_ptr<std::latch> syncing_;  // counts down when another thread is done with the store
  std::filesystem::path keep_tree_;      // of a download
  std::shared_ptr<std::atomic<bool>> opening_;  // while its check goes on; set: give it up

  std::unique_ptr<Live> live_;
  std::unique_ptr<Hosted> hosted_;
  std::vector<ActiveReader*> readers_;  // those that exist
  std::vector<ReadWindow> windows_;     // that the endpoint was told of
  std::unique_ptr<ContentReader> reader_;
  std::unique_ptr<PeerContacts> contacts_;  // when there is somebody to be contacted
  std::function<void()> on_first_byte_;
  std::function<void()> on_complete_;
  std::function<void(const Error&)> on_error_;
};

}  // namespace ppspp
