#include "net/udp_port.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <system_error>
#include <utility>

#include "base/log.h"

namespace ppspp {
namespace {

// So many random port numbers are tried until one is free under both IP versions.
constexpr int kPortAttempts = 16;

struct Listen {
  std::optional<TransportAddress> v4;
  std::optional<TransportAddress> v6;
  bool same_port = false;  // [::] alone: both versions, one number
};

Result<Listen> plan(std::span<const TransportAddress> addresses) {
  Listen listen;
  for (const TransportAddress& address : addresses) {
    auto& place = address.is_v4() ? listen.v4 : listen.v6;
    if (place) {
      return fail(Errc::invalid_argument,
                  fmt::format("cannot listen on both {} and {}: one address for each IP version",
                              place->to_string(), address.to_string()));
    }
    place = address;
  }
  if (addresses.empty()) listen.v6 = TransportAddress::v6({}, kDefaultPort);
  listen.same_port = listen.v6 && !listen.v4 && listen.v6->is_unspecified();
  return listen;
}

struct Sockets {
  std::optional<UdpSocket> v4;
  std::optional<UdpSocket> v6;
};

TransportAddress any_v4(std::uint16_t port) {
  return TransportAddress::v4(0, port);
}

// Both IP versions under one number.
Result<Sockets> open_pair(const TransportAddress& address, const UdpOptions& options) {
  auto v6 = UdpSocket::open(address, options);
  if (!v6) {
    if (v6.error().code != Errc::not_supported && v6.error().code != Errc::not_found) {
      return tl::unexpected(v6.error());
    }
    auto alone = UdpSocket::open(any_v4(address.port()), options);
    if (!alone) return tl::unexpected(alone.error());
    Sockets sockets;
    sockets.v4.emplace(*std::move(alone));
    return sockets;
  }
  auto v4 = UdpSocket::open(any_v4(v6->local().port()), options);
  if (!v4 && v4.error().code != Errc::not_supported) return tl::unexpected(v4.error());
  Sockets sockets;
  sockets.v6.emplace(*std::move(v6));
  if (v4) sockets.v4.emplace(*std::move(v4));
  return sockets;
}

Result<Sockets> open_any_pair(const TransportAddress& address, const UdpOptions& options) {
  for (int attempt = 1;; ++attempt) {
    auto sockets = open_pair(address, options);
    const bool taken = !sockets && sockets.error().code == Errc::exists;
    if (!taken || address.port() != 0 || attempt == kPortAttempts) return sockets;
  }
}

Result<Sockets> open_sockets(const Listen& listen, const UdpOptions& options) {
  if (listen.same_port) return open_any_pair(*listen.v6, options);
  Sockets sockets;
  if (listen.v6) {
    auto v6 = UdpSocket::open(*listen.v6, options);
    if (!v6) return tl::unexpected(v6.error());
    sockets.v6.emplace(*std::move(v6));
  }
  if (listen.v4) {
    auto v4 = UdpSocket::open(*listen.v4, options);
    if (!v4) return tl::unexpected(v4.error());
    sockets.v4.emplace(*std::move(v4));
  }
  return sockets;
}

}  // namespace

UdpPort::Side::Side(boost::asio::io_context& io, UdpSocket opened)
    : socket(std::move(opened)), readiness(io, socket.fd()) {}

UdpPort::Side::~Side() {
  readiness.release();
}

Result<std::unique_ptr<UdpPort>> UdpPort::open(boost::asio::io_context& io,
                                               std::span<const TransportAddress> listen,
                                               const UdpOptions& options) {
  const auto planned = plan(listen);
  if (!planned) return tl::unexpected(planned.error());
  auto sockets = open_sockets(*planned, options);
  if (!sockets) return tl::unexpected(sockets.error());
  std::unique_ptr<UdpPort> port(new UdpPort(io, options));
  if (sockets->v6) port->add(*std::move(sockets->v6));
  if (sockets->v4) port->add(*std::move(sockets->v4));
  port->warn_of_small_buffers(options.buffer_size);
  return port;
}

Result<std::unique_ptr<UdpPort>> UdpPort::adopt(boost::asio::io_context& io,
                                                std::span<const int> sockets,
                                                const UdpOptions& options) {
  std::vector<Result<UdpSocket>> adopted;  // all of them first: each is ours to close
  adopted.reserve(sockets.size());
  for (const int fd : sockets) adopted.push_back(UdpSocket::adopt(fd, options));
  std::unique_ptr<UdpPort> port(new UdpPort(io, options));
  for (auto& socket : adopted) {
    if (!socket) return tl::unexpected(socket.error());
    auto& place = socket->is_v4() ? port->v4_ : port->v6_;
    if (place) {
      return fail(Errc::invalid_argument,
                  fmt::format("the sockets handed over are bound to {} and {}: one for each IP "
                              "version",
                              place->socket.local().to_string(), socket->local().to_string()));
    }
    port->add(*std::move(socket));
  }
  port->warn_of_small_buffers(options.buffer_size);
  return port;
}

UdpPort::UdpPort(boost::asio::io_context& io, const UdpOptions& options)
    : io_(io), options_(options) {}

void UdpPort::add(UdpSocket socket) {
  auto& place = socket.is_v4() ? v4_ : v6_;
  place = std::make_unique<Side>(io_, std::move(socket));
}

void UdpPort::warn_of_small_buffers(std::size_t wanted) const {
  const UdpSocket& socket = v4_ ? v4_->socket : v6_->socket;
  const bool receive = socket.receive_buffer() < wanted;
  const bool send = socket.send_buffer() < wanted;
  if (!receive && !send) return;
  log(LogLevel::warning,
      "the system grants socket buffers of {} (receiving) and {} (sending) octets: for full speed "
      "raise them with: sysctl -w{}{}",
      socket.receive_buffer(), socket.send_buffer(),
      receive ? fmt::format(" net.core.rmem_max={}", wanted) : "",
      send ? fmt::format(" net.core.wmem_max={}", wanted) : "");
}

std::size_t UdpPort::receive_buffer() const {
  std::size_t least = ~std::size_t{0};
  for (const auto* side : {v4_.get(), v6_.get()}) {
    if (side != nullptr) least = std::min(least, side->socket.receive_buffer());
  }
  return least;
}

std::vector<TransportAddress> UdpPort::local_addresses() const {
  std::vector<TransportAddress> addresses;
  if (v6_) addresses.push_back(v6_->socket.local());
  if (v4_) addresses.push_back(v4_->socket.local());
  return addresses;
}

UdpSocket* UdpPort::socket(Version version) {
  Side* const owner = side(version);
  return owner != nullptr ? &owner->socket : nullptr;
}

bool UdpPort::segments(Version version) const {
  return side(version) != nullptr && side(version)->socket.segments();
}

bool UdpPort::coalesces(Version version) const {
  return side(version) != nullptr && side(version)->socket.coalesces();
}

UdpCounters UdpPort::counters() const {
  UdpCounters sum = counters_;
  if (send_lane_) ppspp::add(sum, send_lane_->counters());
  return sum;
}

void UdpPort::start(ReadHandler on_readable, Handler on_writable) {
  on_readable_ = std::move(on_readable);
  on_writable_ = std::move(on_writable);
  running_ = std::make_shared<bool>(true);
  if (v4_) wait_readable(Version::v4);
  if (v6_) wait_readable(Version::v6);
  if (!queue_->empty()) wait_writable();
}

void UdpPort::stop() {
  if (!running_) return;
  *running_ = false;
  running_.reset();
  waits_to_write_ = false;
  if (v4_) v4_->readiness.cancel();
  if (v6_) v6_->readiness.cancel();
  end_lanes();
}

// What was read ahead is lost, like all that arrives while nobody reads.
void UdpPort::end_lanes() {
  receive_lane_.reset();
  ahead_.reset();
  if (!send_lane_) return;
  send_lane_->finish();
  ppspp::add(counters_, send_lane_->counters());
  send_lane_.reset();
}

std::span<const ReceivedDatagram> UdpPort::receive(Version version) {
  if (ahead_ == version) {
    ahead_.reset();
    receive_lane_->wait();
    batch_.swap(next_batch_);
  } else {
    ++counters_.receive_calls;
    batch_->receive(*socket(version));
  }
  if (batch_->full() && !ahead_) read_ahead(version);
  counters_.datagrams_in += batch_->datagrams().size();
  return batch_->datagrams();
}

void UdpPort::read_ahead(Version version) {
  if (!options_.receive_lane || !running_) return;
  if (!receive_lane_ && !begin_receive_lane()) return;
  ahead_ = version;
  ++counters_.receive_calls;
  receive_lane_->start(*socket(version), *next_batch_);
}

bool UdpPort::begin_receive_lane() {
  if (!next_batch_) next_batch_ = std::make_unique<ReceiveBatch>();
  try {
    receive_lane_ = std::make_unique<ReceiveLane>();
  } catch (const std::system_error&) {  // no more threads: it goes without
    options_.receive_lane = false;
  }
  return receive_lane_ != nullptr;
}

SendQueue::Status UdpPort::send(const SendQueue::TooBig& too_big) {
  if (send_lane_) send_lane_->report(too_big);
  if (for_lane()) {
    return send_lane_->take(queue_) ? SendQueue::Status::done : SendQueue::Status::would_block;
  }
  const auto status = queue_->send(socket(Version::v4), socket(Version::v6), counters_, too_big);
  if (status == SendQueue::Status::would_block) wait_writable();
  return status;
}

// Little is sent at once, which costs no time that matters, unless it would overtake what the lane
// has.
bool UdpPort::for_lane() {
  if (queue_->empty()) return false;
  if (send_lane_ && !send_lane_->idle()) return true;
  if (!options_.send_lane || !running_ || queue_->octets() < options_.lane_from) return false;
  if (!send_lane_) begin_send_lane();
  return send_lane_ != nullptr;
}

void UdpPort::begin_send_lane() {
  const auto on_news = [this, running = running_] {
    boost::asio::post(io_, [this, running] {
      if (*running) on_writable_();
    });
  };
  try {
    send_lane_ = std::make_unique<SendLane>(socket(Version::v4), socket(Version::v6), on_news);
  } catch (const std::system_error&) {  // no more threads: it goes without
    options_.send_lane = false;
  }
}

void UdpPort::wait_readable(Version version) {
  auto& readiness = side(version)->readiness;
  readiness.async_wait(boost::asio::posix::descriptor_base::wait_read,
                       [this, version, running = running_](const boost::system::error_code&) {
                         if (*running) read_on(version);
                       });
}

// The socket may be empty while what it had waits in the batch that was read ahead.
void UdpPort::read_on(Version version) {
  const auto running = running_;
  on_readable_(version);
  if (!*running) return;
  if (ahead_ != version) return wait_readable(version);
  boost::asio::post(io_, [this, version, running] {
    if (*running) read_on(version);
  });
}

// The queue is sent in order, so it is the socket of its front that has to be waited for.
void UdpPort::wait_writable() {
  if (waits_to_write_ || !running_) return;
  waits_to_write_ = true;
  const Version version = queue_->front().to.is_v4() ? Version::v4 : Version::v6;
  auto& readiness = side(version)->readiness;
  readiness.async_wait(boost::asio::posix::descriptor_base::wait_write,
                       [this, running = running_](const boost::system::error_code&) {
                         if (!*running) return;
                         waits_to_write_ = false;
                         on_writable_();
                       });
}

}  // namespace ppspp
