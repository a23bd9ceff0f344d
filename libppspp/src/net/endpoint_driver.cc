#include "net/endpoint_driver.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <utility>

#include "crypto/system_random.h"
#include "net/clock.h"

namespace ppspp {
namespace {

EndpointOptions fitting(EndpointOptions options, const UdpPort& port) {
  options.receive_buffer = port.receive_buffer();
  return options;
}

// The messages before the content. A chunk lies between one header and the next, so that the
// processor does not guess where that is.
void prefetch(std::span<const std::byte> datagram) {
  constexpr std::size_t kLine = 64;
  for (std::size_t at = 0; at < std::min(datagram.size(), 3 * kLine); at += kLine) {
    __builtin_prefetch(datagram.data() + at);
  }
}

}  // namespace

EndpointDriver::EndpointDriver(boost::asio::io_context& io, std::unique_ptr<UdpPort> port,
                               const EndpointOptions& options, unsigned threads, EventSink on_event)
    : io_(io),
      port_(std::move(port)),
      random_(make_system_random()),
      endpoint_(fitting(options, *port_), *random_, read_clocks()),
      workers_(threads - 1),
      compute_part_(
          [this](std::size_t part, std::size_t lane) { endpoint_.compute_part(part, lane); }),
      on_event_(std::move(on_event)),
      too_big_([this](const TransportAddress& to, std::size_t size) {
        endpoint_.handle_too_big(to, size, read_clocks());
      }),
      timer_(io) {}

EndpointDriver::~EndpointDriver() {
  *alive_ = false;
  stop();
}

void EndpointDriver::kick() {
  if (!running_) start();
  if (std::exchange(kicked_, true)) return;
  boost::asio::post(io_, [this, alive = alive_] {
    if (!*alive) return;
    kicked_ = false;
    if (!running_) return;
    transmit(read_clocks());
    end_turn();
  });
}

void EndpointDriver::start() {
  running_ = true;
  blocked_ = false;
  discard_stale_datagrams();
  port_->start([this](UdpPort::Version version) { on_readable(version); },
               [this] { on_writable(); });
}

void EndpointDriver::stop() {
  if (!std::exchange(running_, false)) return;
  port_->stop();  // what its lane has leaves before what follows here
  Now now = read_clocks();
  endpoint_.flush(now);
  while (fill_queue(now), !port_->queue().empty()) {
    if (port_->send(too_big_) == SendQueue::Status::would_block) break;
  }
  port_->queue().clear();
  timer_.cancel();
  armed_ = kNever;
}

// While nothing was driven, datagrams have aged in the socket's buffer, and would be taken for ones
// that were long on their way.
void EndpointDriver::discard_stale_datagrams() {
  for (const auto& address : port_->local_addresses()) {
    const auto version = address.is_v4() ? UdpPort::Version::v4 : UdpPort::Version::v6;
    for (int i = 0; i < kDiscardBatches; ++i) {
      port_->receive(version);
      if (!port_->more_to_receive()) break;
    }
  }
}

void EndpointDriver::on_readable(UdpPort::Version version) {
  begin_turn(read_clocks());
  for (int batch = 0; batch < kBatchesPerTurn; ++batch) {
    const auto datagrams = port_->receive(version);
    if (datagrams.empty()) break;
    const Now now = read_clocks();
    constexpr std::size_t kAhead = 8;
    for (std::size_t i = 0; i < datagrams.size(); ++i) {
      if (i + kAhead < datagrams.size()) prefetch(datagrams[i + kAhead].bytes);
      endpoint_.handle_datagram(datagrams[i].bytes, datagrams[i].from, now);
    }
    compute_batch(now);
    endpoint_.flush(now);
    transmit(now);
    if (!port_->more_to_receive()) break;
  }
  end_turn();
}

void EndpointDriver::on_writable() {
  const Now now = read_clocks();
  begin_turn(now);
  blocked_ = port_->send(too_big_) == SendQueue::Status::would_block;
  transmit(now);
  end_turn();
}

void EndpointDriver::on_timer() {
  const Now now = read_clocks();
  begin_turn(now);
  armed_ = kNever;
  if (endpoint_.deadline() <= now.monotonic) endpoint_.handle_deadline(now);
  transmit(now);
  end_turn();
}

// A program that was not let run, or a handler of the user's that took its time, shows as a
// deadline that is long past when we come to it.
void EndpointDriver::begin_turn(Now now) {
  ++counters_.turns;
  if (armed_ == kNever || now.monotonic - armed_ < kStall) return;
  ++counters_.stalls;
  counters_.longest_stall = std::max(counters_.longest_stall, now.monotonic - armed_);
}

void EndpointDriver::end_turn() {
  dispatch_events();
  if (running_) arm_timer();
}

// What flush() is about to need, where there are others to help.
void EndpointDriver::compute_batch(Now now) {
  if (workers_.lanes() == 1) return;
  const std::size_t parts = endpoint_.prepare_flush(workers_.lanes(), now);
  if (parts > 0) workers_.run(parts, compute_part_);
}

void EndpointDriver::transmit(Now now) {
  for (int round = 0; round < kRoundsPerTurn && !blocked_; ++round) {
    const bool more = fill_queue(now);
    if (port_->queue().empty()) return;
    blocked_ = port_->send(too_big_) == SendQueue::Status::would_block;
    if (!more) return;
    now = read_clocks();
  }
  if (!blocked_) kick();
}

// False: the endpoint has nothing more to send now.
bool EndpointDriver::fill_queue(Now now) {
  SendQueue& queue = port_->queue();
  while (!queue.full()) {
    const auto transmit = endpoint_.poll_transmit(queue.buffer(), now);
    if (!transmit) return false;
    queue.push({transmit->to, transmit->size, transmit->segment_size, transmit->probe});
  }
  return true;
}

void EndpointDriver::dispatch_events() {
  while (const auto event = endpoint_.poll_event()) on_event_(*event);
}

// A deadline that has moved away is left to fire in vain: cheaper than a timer set anew each turn.
// While the port takes nothing, what is due to be sent stays due: that is no reason to turn in
// circles until it does.
void EndpointDriver::arm_timer() {
  TimePoint deadline = endpoint_.deadline();
  if (blocked_) deadline = std::max(deadline, read_clocks().monotonic + kWhileBlocked);
  if (deadline >= armed_) return;
  armed_ = deadline;
  timer_.expires_at(std::chrono::steady_clock::time_point(deadline.time_since_epoch()));
  timer_.async_wait([this, alive = alive_](const boost::system::error_code& error) {
    if (*alive && !error && running_) on_timer();
  });
}

}  // namespace ppspp
