// What stands behind the handles of one swarm: its store, its reader, its peers, and the user's
// handlers.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <latch>
#include <memory>
#include <optional>

#include "files/file_chunk_store.h"
#include "files/recording_store.h"
#include "net/content_reading.h"
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
  Result<void> publish(SigningKey key, const FeedOptions& options);
  void contact_peers_of_url();
  void on_event(const Event& event);
  bool joined() const { return handle_.value != 0; }
  SwarmHandle handle() const { return handle_; }

  // For Swarm and ContentReader.
  const SwarmUrl& url() const { return url_; }
  bool left() const { return node_ == nullptr; }
  SwarmStatus status() const;
  std::vector<ChannelStatus> channels() const;
  ContentReader& reader() { return reader_; }
  void add_peer(const TransportAddress& peer);
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
  void start_read(asio::mutable_buffer buffer, ContentReading::Done done);
  Result<void> seek(std::uint64_t offset);
  std::uint64_t position() const { return reading_.position(); }

 private:
  Result<void> open_temporary();
  void open_file(const JoinOptions& options);
  void opened(Result<OpenedDownload> download);
  Result<void> join(std::unique_ptr<FileChunkStore> store, const SwarmContent& content);
  void begin();
  void on_store_failed();

  // active_swarm_live.cc
  Result<void> follow();
  Result<void> make_feed_store(const FeedOptions& options, std::unique_ptr<ChunkStore>& store);
  Result<void> keep_width(LiveSourceSettings& settings) const;
  void reserve_numbers(ChunkIndex used);
  void on_feed_ended();
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
  bool may_read() const;
  void proceed_reading();

  asio::io_context& io_;
  ActiveNode* node_;  // null: left
  SwarmUrl url_;
  JoinSettings settings_;
  SwarmHandle handle_;  // 0: not joined yet, or left
  // The endpoint's, while joined: the store, and what it is.
  ChunkStore* store_ = nullptr;
  FileChunkStore* file_ = nullptr;
  RecordingStore* recording_ = nullptr;
  std::optional<SwarmStatus> last_status_;
  bool complete_ = false;                // and on disk
  std::shared_ptr<std::latch> syncing_;  // counts down when another thread is done with the store

  // Live.
  std::shared_ptr<FeedNumbers> numbers_;
  ChunkIndex reserved_ = 0;  // chunk numbers below it may be used
  bool reserving_ = false;
  bool width_kept_ = false;
  bool tuned_in_ = false;  // until then nobody knows where reading begins
  bool delivered_ = false;
  std::chrono::steady_clock::time_point ended_at_;
  asio::steady_timer delivery_;
  std::function<void()> on_delivered_;
  std::function<void(const event::Skipped&)> on_skipped_;

  ContentReading reading_;
  ContentReader reader_;
  std::unique_ptr<PeerContacts> contacts_;
  std::function<void()> on_first_byte_;
  std::function<void()> on_complete_;
  std::function<void(const Error&)> on_error_;
};

}  // namespace ppspp
