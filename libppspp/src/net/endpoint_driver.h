// Drives an Endpoint: datagrams from a UdpPort, one timer, and time.
//
// Never calls the user's code: events go to one sink, which must not destroy the driver.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>

#include "net/udp_port.h"
#include "net/worker_pool.h"
#include "ppspp/endpoint.h"
#include "ppspp/random_source.h"
#include "ppspp/time.h"

namespace ppspp {

struct DriverCounters {
  std::uint64_t turns = 0;   // wake-ups
  std::uint64_t stalls = 0;  // wake-ups later than due by kStall or more
  Microseconds longest_stall{0};
};

class EndpointDriver {
 public:
  using EventSink = std::function<void(const Event&)>;

  // A delay that LEDBAT's 60 ms target would notice.
  static constexpr Microseconds kStall{20'000};

  // `threads`: how many may move content at once, the calling one included; at least 1.
  EndpointDriver(boost::asio::io_context& io, std::unique_ptr<UdpPort> port,
                 const EndpointOptions& options, unsigned threads, EventSink on_event);
  ~EndpointDriver();
  EndpointDriver(const EndpointDriver&) = delete;
  EndpointDriver& operator=(const EndpointDriver&) = delete;

  Endpoint& endpoint() { return endpoint_; }
  const Endpoint& endpoint() const { return endpoint_; }
  const UdpPort& port() const { return *port_; }
  const DriverCounters& counters() const { return counters_; }

  // Call after each command to the endpoint: what it has to send and to tell follows in a turn of
  // its own. Begins to drive if it does not yet.
  void kick();
  // Sends what there is to send and stops: the io_context has nothing to do for us any more. What
  // arrives from now on is thrown away at the next start.
  void stop();

 private:
  // Batches and rounds per turn, so that neither receiving nor sending keeps the other, or the
  // program's own handlers, from their turn: 4 MiB each.
  static constexpr int kBatchesPerTurn = 4;
  static constexpr int kRoundsPerTurn = 4;
  static constexpr int kDiscardBatches = 64;
  static constexpr Microseconds kWhileBlocked{5'000};  // what is not about sending may wait so long

  void start();
  void discard_stale_datagrams();
  void on_readable(UdpPort::Version version);
  void on_writable();
  void on_timer();
  void begin_turn(Now now);
  void end_turn();
  void compute_batch(Now now);
  void transmit(Now now);
  bool fill_queue(Now now);
  void dispatch_events();
  void arm_timer();

  boost::asio::io_context& io_;
  std::unique_ptr<UdpPort> port_;
  std::unique_ptr<RandomSource> random_;
  Endpoint endpoint_;
  WorkerPool workers_;  // help to check what was received
  WorkerPool::Work compute_part_;
  EventSink on_event_;
  SendQueue::TooBig too_big_;
  boost::asio::steady_timer timer_;
  TimePoint armed_ = kNever;  // when the timer will fire
  bool running_ = false;
  bool blocked_ = false;  // the port waits for its socket to take more
  DriverCounters counters_;
  // Handlers that are on their way when we go compare this.
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  bool kicked_ = false;
};

}  // namespace ppspp
