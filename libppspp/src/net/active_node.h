// What stands behind a Node: the driver of its endpoint, and its swarms.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "net/active_swarm.h"
#include "net/background.h"
#include "net/endpoint_driver.h"
#include "net/local_finder.h"
#include "net/trackers.h"
#include "ppspp/ppspp.h"

namespace ppspp {

class ActiveNode {
 public:
  using SeedDone = detail::Completion<Result<Swarm>>;

  ActiveNode(asio::io_context& io, std::unique_ptr<UdpPort> port, const NodeOptions& options);
  ~ActiveNode();
  ActiveNode(const ActiveNode&) = delete;
  ActiveNode& operator=(const ActiveNode&) = delete;

  asio::io_context& io() { return io_; }
  EndpointDriver& driver() { return driver_; }
  const EndpointDriver& driver() const { return driver_; }
  Background& background() { return background_; }
  Trackers& trackers() { return trackers_; }
  const Trackers& trackers() const { return trackers_; }
  unsigned threads() const { return threads_; }  // as in NodeOptions
  // How many move content by that option.
  static unsigned threads_to_use(unsigned option);
  const std::shared_ptr<StoreCounters>& store_counters() const { return store_counters_; }

  Result<Swarm> join(const SwarmUrl& url, const JoinOptions& options);
  Result<LiveFeed> feed(SigningKey key, const FeedOptions& options);
  void seed_recording(ActiveSwarm& feed, SeedDone done);
  void seed(std::filesystem::path file, SeedOptions options, SeedDone done);
  Result<Swarm> host(const HostedFile& file);
  void set_limits(std::optional<std::uint64_t> upload, std::optional<std::uint64_t> download);
  NodeStatistics statistics() const;
  std::optional<Swarm> find(const SwarmId& id) const;
  std::vector<Swarm> awake() const;

  // For the swarms.
  void note_hosted(const ActiveSwarm& swarm);  // it sleeps from the start
  // It has a handle, and takes part so far.
  void note_joined(ActiveSwarm& swarm, LocalFinder::Part part);
  void note_complete(const ActiveSwarm& swarm);
  void note_awake(ActiveSwarm& swarm);  // of a hosted file: look after it until it sleeps
  void note_sleeps(ActiveSwarm& swarm, SwarmHandle handle);
  void forget(ActiveSwarm& swarm, SwarmHandle handle);  // it was left

  // A progress function for another thread that calls `progress` in the io_context.
  Progress progress_poster(const Progress& progress);

 private:
  struct Seeding;

  static Result<void> keep_tree_of(Seeding& seeding);
  void hashed(Seeding& seeding);
  Result<Swarm> start_seeding(Seeding& seeding);
  bool has(const SwarmId& id) const { return swarms_.contains(id); }
  std::shared_ptr<ActiveSwarm> add(const SwarmUrl& url, const JoinSettings& settings);
  void on_event(const Event& event);
  void look_after_awake();
  void look_for_others(const Event& event, const ActiveSwarm& swarm);

  // active_node_trackers.cc
  TrackerSink tracker_sink();
  void announce(ActiveSwarm& swarm);
  void look_after_trackers();
  void take_certificates(const SwarmId& id, const std::vector<tracker::Octets>& certificates);
  std::vector<tracker::StreamStats> stream_stats() const;

  asio::io_context& io_;
  EndpointDriver driver_;
  std::unique_ptr<LocalFinder> local_;  // null: not wanted
  std::unordered_map<SwarmId, std::shared_ptr<ActiveSwarm>> swarms_;
  std::unordered_map<std::uint64_t, ActiveSwarm*> by_handle_;
  std::vector<std::weak_ptr<ActiveSwarm>> awake_;  // of hosted files
  asio::steady_timer awake_timer_;
  bool awake_timer_runs_ = false;
  Trackers trackers_;
  asio::steady_timer tracker_timer_;
  bool tracker_timer_runs_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // for handlers under way
  std::chrono::milliseconds sleep_after_;
  unsigned threads_;  // as in NodeOptions
  std::shared_ptr<StoreCounters> store_counters_ = std::make_shared<StoreCounters>();
  std::vector<std::shared_ptr<Seeding>> seedings_;  // files that are being hashed
  Background background_;                           // goes first, and waits for its threads
};

}  // namespace ppspp
