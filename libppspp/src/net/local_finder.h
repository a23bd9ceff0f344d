// Drives LocalDiscovery: two sockets, one timer, and word of interfaces that come and go; and
// DNS-SD beside it.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "discovery/local_discovery.h"
#include "net/multicast_socket.h"
#include "net/service_finder.h"
#include "ppspp/local_means.h"
#include "ppspp/random_source.h"

namespace ppspp {

class LocalFinder {
 public:
  using Part = LocalDiscovery::Part;
  using Sink = std::function<void(const SwarmId& swarm, const TransportAddress& peer)>;

  // `ports`: the addresses of our UDP sockets. `on_found` must not destroy the finder.
  LocalFinder(boost::asio::io_context& io, std::vector<TransportAddress> ports, LocalMeans means,
              Sink on_found);
  ~LocalFinder();
  LocalFinder(const LocalFinder&) = delete;
  LocalFinder& operator=(const LocalFinder&) = delete;

  // While there is a swarm, the io_context has something to do.
  void set_part(const SwarmId& swarm, Part part);
  void note_used(const SwarmId& swarm);  // of one that sleeps
  void ask_again(const SwarmId& swarm);
  void remove(const SwarmId& swarm);

  LocalDiscoveryCounters counters() const;

 private:
  struct Side {
    Side(boost::asio::io_context& io, MulticastSocket opened);
    ~Side();
    MulticastSocket socket;
    boost::asio::posix::stream_descriptor readiness;  // borrows the socket's descriptor
  };

  // Datagrams in one turn, so that who floods does not keep the program from its work.
  static constexpr int kDatagramsPerTurn = 64;
  static constexpr int kSendsPerTurn = 128;

  void start();
  void stop();
  void open(bool v4);
  void open_services();
  void set_questions();
  void watch_interfaces();
  void wait_for_change();
  void update_links();
  void wait_readable(Side& side);
  void on_readable(Side& side);
  void kick();
  void turn();
  void send(const LocalDiscovery::Transmit& transmit, std::span<const std::byte> datagram);
  void arm_timer();

  boost::asio::io_context& io_;
  std::vector<TransportAddress> ports_;
  LocalMeans means_;
  Sink on_found_;
  std::unique_ptr<RandomSource> random_;
  LocalDiscovery discovery_;
  std::unique_ptr<Side> v4_;
  std::unique_ptr<Side> v6_;
  std::unique_ptr<ServiceFinder> services_;  // null: not wanted, or not built in
  bool services_run_ = false;
  std::optional<boost::asio::posix::stream_descriptor> changes_;  // of the system's interfaces
  boost::asio::steady_timer timer_;
  boost::asio::steady_timer links_timer_;
  bool kicked_ = false;
  bool warned_ = false;
  // While it runs; handlers that are on their way when it stops compare it.
  std::shared_ptr<bool> running_;
};

}  // namespace ppspp
