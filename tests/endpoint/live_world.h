// A live feed on the simulated network: a source that is fed at a constant rate, and viewers that
// read what they get as a player does.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "endpoint/world.h"
#include "ppspp/signing_key.h"

namespace ppspp::test {

// Always the same, so that runs are repeatable.
std::unique_ptr<Signer> test_signer();
SwarmMetadata live_metadata(SwarmMetadata metadata = {});

// The octet of the feed at this offset: told by the offset alone, and different everywhere.
std::byte feed_octet(std::uint64_t offset);

// Reads from an endpoint as ContentReader does.
class Viewer {
 public:
  Viewer(Node& node, const SwarmMetadata& metadata, const LiveSettings& settings);

  Node& node() { return node_; }
  SwarmHandle swarm() const { return swarm_; }
  void add_peer(const Node& peer) { node_.add_peer(swarm_, peer); }
  void read();

  LiveStatus live() { return *node_.endpoint().status(swarm_)->live; }
  std::uint64_t position() const { return position_; }
  std::uint64_t octets() const { return octets_; }  // read so far
  std::uint64_t gaps() const { return gaps_; }      // octets that were stepped over
  bool tuned_in() const { return tuned_in_; }
  std::uint64_t started_at() const { return started_at_; }  // offset
  bool wrong() const { return wrong_; }                     // an octet was not the feed's
  bool at_end();
  bool gone = false;  // crashed: not to be looked at any more

 private:
  void follow_events();

  Node& node_;
  std::uint32_t chunk_size_;
  SwarmHandle swarm_;
  std::size_t next_event_ = 0;
  std::uint64_t position_ = 0;
  std::uint64_t started_at_ = 0;
  std::uint64_t octets_ = 0;
  std::uint64_t gaps_ = 0;
  bool tuned_in_ = false;
  bool wrong_ = false;
};

class LiveWorld {
 public:
  explicit LiveWorld(std::uint64_t seed, const LinkOptions& link = {});

  World& world() { return world_; }
  Node& source() { return *source_; }
  SwarmHandle feed() const { return feed_; }
  const SwarmMetadata& metadata() const { return metadata_; }

  // Octets per second.
  void publish(std::uint64_t rate, SwarmMetadata metadata = {},
               const LiveSourceSettings& settings = {}, const EndpointOptions& options = {});
  void restart_source(const LiveSourceSettings& settings);
  Viewer& add_viewer(const LiveSettings& settings = {}, const EndpointOptions& options = {});
  std::vector<std::unique_ptr<Viewer>>& viewers() { return viewers_; }

  // Feeds, and lets everybody read, in steps of 10 ms.
  void run_for(Microseconds time);
  bool run_until(const std::function<bool()>& condition, Microseconds most);
  void pause_feed(bool paused) { paused_ = paused; }
  void end_feed();
  std::uint64_t fed() const { return fed_; }  // octets
  LiveStatus source_status() { return *source_->endpoint().status(feed_)->live; }

 private:
  void step();

  World world_;
  Node* source_ = nullptr;
  SwarmMetadata metadata_;
  SwarmHandle feed_;
  std::uint64_t rate_ = 0;
  std::uint64_t owed_ = 0;  // millionths of an octet
  std::uint64_t fed_ = 0;
  bool paused_ = false;
  std::vector<std::unique_ptr<Viewer>> viewers_;
};

}  // namespace ppspp::test
