// What stands behind a Node: the driver of its endpoint, and its swarms.
#pragma once

#include <memory>
#include <vector>

#include "net/active_swarm.h"
#include "net/background.h"
#include "net/endpoint_driver.h"
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

  Result<Swarm> join(const SwarmUrl& url, const JoinOptions& options);
  Result<LiveFeed> feed(SigningKey key, const FeedOptions& options);
  void seed_recording(ActiveSwarm& feed, SeedDone done);
  void seed(std::filesystem::path file, SeedOptions options, SeedDone done);
  void set_limits(std::optional<std::uint64_t> upload, std::optional<std::uint64_t> download);
  void forget(ActiveSwarm& swarm, SwarmHandle handle);  // it was left

  // A progress function for another thread that calls `progress` in the io_context.
  Progress progress_poster(const Progress& progress);

 private:
  struct Seeding;

  void hashed(Seeding& seeding);
  Result<Swarm> start_seeding(Seeding& seeding);
  bool has(const SwarmId& id) const;
  void on_event(const Event& event);

  asio::io_context& io_;
  EndpointDriver driver_;
  std::vector<std::shared_ptr<ActiveSwarm>> swarms_;
  std::vector<std::shared_ptr<Seeding>> seedings_;  // files that are being hashed
  Background background_;                           // goes first, and waits for its threads
};

}  // namespace ppspp
