// Endpoints around one bottleneck whose times are exact to a fraction of a datagram: what LEDBAT,
// pacing and acknowledgements do on paths of 100 microseconds as well as of 100 milliseconds. The
// link is that of tests/congestion, so that loss-based flows can be put beside them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "congestion/bottleneck.h"
#include "ppspp/endpoint.h"
#include "ppspp/random_source.h"

namespace ppspp::sim {

class PathWorld;

// What left one host back to back: without a gap in which the wire behind it, a hundred times as
// fast as the bottleneck, would have been idle.
class BurstMeter {
 public:
  explicit BurstMeter(double wire_rate) : wire_rate_(wire_rate) {}
  // Datagrams that leave together; `rate`: octets per second that the sender paces to, all
  // channels.
  void add(std::size_t octets, std::size_t datagrams, double rate, TimePoint now);
  void reset() { longest_ = longest_octets_ = 0; }

  // The longest run of more datagrams than there were channels to send them, in microseconds of the
  // rate that was the sender's when it began.
  double longest_us() const { return longest_; }
  std::size_t longest_octets() const { return static_cast<std::size_t>(longest_octets_); }

 private:
  double wire_rate_;
  double run_octets_ = 0;
  std::size_t run_datagrams_ = 0;
  double run_rate_ = 1;
  TimePoint run_ends_{};
  double longest_ = 0;
  double longest_octets_ = 0;
};

// One host with one endpoint.
class PathHost {
 public:
  PathHost(PathWorld& world, std::size_t index, bool behind_bottleneck, std::uint64_t seed,
           const EndpointOptions& options);

  void join(bool seeder);
  void add_peer(const PathHost& peer);
  const TransportAddress& address() const { return address_; }
  Endpoint& endpoint() { return *endpoint_; }
  SwarmHandle swarm() const { return swarm_; }
  Now now() const;
  // It is not let run until then: what comes is kept, and what is due is late.
  void stall(TimePoint until);
  void receive(std::vector<std::byte> datagram, const TransportAddress& from);
  void pump();
  std::vector<ChannelStatus> channels() const { return endpoint_->channels(swarm_, now()); }

  BurstMeter bursts;
  std::uint64_t wire_in = 0;        // octets that came, with headers of IPv4 and UDP
  std::uint64_t datagrams_out = 0;  // and of those that said something else than DATA
  std::uint64_t trains_out = 0;
  TimePoint spoke_at{};  // when one left last
  Microseconds longest_silence{0};

 private:
  struct Arrived {
    std::vector<std::byte> octets;
    TransportAddress from;
  };
  void arm();
  double paced_rate() const;

  PathWorld& world_;
  bool behind_bottleneck_;  // what it sends goes through the queue
  TransportAddress address_;
  Rng random_;
  std::int64_t clock_offset_us_;
  std::int64_t wall_offset_us_;
  std::unique_ptr<Endpoint> endpoint_;
  SwarmHandle swarm_;
  std::vector<Arrived> inbox_;
  bool pump_due_ = false;
  TimePoint stalled_until_{};
  TimePoint wake_at_ = kNever;
};

struct PathCase {
  test::LinkConfig link;
  std::size_t mtu = 1'472;  // octets of UDP payload; larger datagrams are lost
  std::uint32_t chunk_size = 1'024;
  EndpointOptions endpoint = {.pex = false};
  // How far the wall clocks of hosts are apart at most; none: they have nothing in common.
  std::optional<Microseconds> clocks_agree = Microseconds(20'000);
  std::uint64_t seed = 1;
};

class PathWorld {
 public:
  explicit PathWorld(const PathCase& path);

  PathHost& add_seeder();
  PathHost& add_leecher();
  void introduce(PathHost& leecher, const PathHost& seeder, TimePoint when);
  test::Simulation& simulation() { return simulation_; }
  const PathCase& path() const { return path_; }
  std::uint64_t dropped() const { return dropped_; }  // datagrams that found the queue full

 private:
  friend class PathHost;
  void send(const PathHost& from, const TransportAddress& to, std::span<const std::byte> datagram,
            bool through_bottleneck);
  PathHost& add(bool seeder);

  PathCase path_;
  test::Simulation simulation_;
  std::vector<std::unique_ptr<PathHost>> hosts_;
  std::uint64_t dropped_ = 0;
  std::vector<std::byte> buffer_;
  std::vector<std::vector<std::byte>> spare_;  // buffers for datagrams under way
};

}  // namespace ppspp::sim
