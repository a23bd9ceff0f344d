// A UDP port: one socket for each IP version under one number, driven by an io_context.
//
// The owner is told when datagrams wait and when the sockets take datagrams again, and then calls
// receive() and send(). No allocation per datagram, nothing known of the protocol. Where the
// options say so and much is under way, the kernel does its part on threads ("lanes") of the port's
// own: all functions are for the io_context's thread all the same.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/descriptor.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "net/receive_batch.h"
#include "net/receive_lane.h"
#include "net/send_lane.h"
#include "net/send_queue.h"
#include "net/udp_options.h"
#include "net/udp_socket.h"
#include "ppspp/node_statistics.h"
#include "ppspp/result.h"
#include "ppspp/transport_address.h"

namespace ppspp {

inline constexpr std::uint16_t kDefaultPort = 6778;  // IANA's for PPSPP (RFC 7574, section 10)

class UdpPort {
 public:
  enum class Version { v4, v6 };
  using Handler = std::function<void()>;
  using ReadHandler = std::function<void(Version)>;

  // At most one address of each IP version. [::] alone means both versions, with the same port
  // number also when it is to be any (port 0), and IPv4 alone where the system has no IPv6. None:
  // [::]:6778.
  static Result<std::unique_ptr<UdpPort>> open(boost::asio::io_context& io,
                                               std::span<const TransportAddress> listen,
                                               const UdpOptions& options = {});

  // Takes over bound UDP sockets, at most one of each IP version; they are closed if that fails.
  static Result<std::unique_ptr<UdpPort>> adopt(boost::asio::io_context& io,
                                                std::span<const int> sockets,
                                                const UdpOptions& options = {});

  ~UdpPort() { stop(); }
  UdpPort(const UdpPort&) = delete;
  UdpPort& operator=(const UdpPort&) = delete;

  std::vector<TransportAddress> local_addresses() const;
  UdpCounters counters() const;
  std::size_t receive_buffer() const;  // octets that the system granted, the least of the sockets
  bool segments(Version version) const;
  bool coalesces(Version version) const;

  // Begins to wait, and goes on until stop(), from when on no handler is called. on_readable must
  // call receive(). A running port keeps the io_context's run() from returning.
  void start(ReadHandler on_readable, Handler on_writable);
  void stop();

  // One batch. The views hold until the next call of either version. When a batch is full the next
  // one is read while the owner works on it, where there is a lane.
  std::span<const ReceivedDatagram> receive(Version version);
  bool more_to_receive() const { return batch_->full(); }

  SendQueue& queue() { return *queue_; }
  // Sends what is queued, or hands it to the lane; when they take no more, on_writable is called
  // once they do. It is also called when the lane has found datagrams too big, and send() tells.
  SendQueue::Status send(const SendQueue::TooBig& too_big);

 private:
  struct Side {
    Side(boost::asio::io_context& io, UdpSocket opened);
    ~Side();
    UdpSocket socket;
    boost::asio::posix::stream_descriptor readiness;  // borrows the socket's descriptor
  };

  UdpPort(boost::asio::io_context& io, const UdpOptions& options);
  void add(UdpSocket socket);
  Side* side(Version version) { return (version == Version::v4 ? v4_ : v6_).get(); }
  const Side* side(Version version) const { return (version == Version::v4 ? v4_ : v6_).get(); }
  UdpSocket* socket(Version version);
  bool for_lane();
  void begin_send_lane();
  bool begin_receive_lane();
  void end_lanes();
  void read_ahead(Version version);
  void read_on(Version version);
  void wait_readable(Version version);
  void wait_writable();
  void warn_of_small_buffers(std::size_t wanted) const;

  boost::asio::io_context& io_;
  std::unique_ptr<Side> v4_;
  std::unique_ptr<Side> v6_;
  UdpOptions options_;
  std::unique_ptr<ReceiveBatch> batch_ = std::make_unique<ReceiveBatch>();
  std::unique_ptr<SendQueue> queue_ = std::make_unique<SendQueue>();
  UdpCounters counters_;  // without the lane's
  ReadHandler on_readable_;
  Handler on_writable_;
  bool waits_to_write_ = false;
  // Handlers that were cancelled may still run once: they compare this, through a copy of the
  // pointer, since the port may be gone by then.
  std::shared_ptr<bool> running_;

  // Begun when there is something for them, ended by stop().
  std::unique_ptr<SendLane> send_lane_;
  std::unique_ptr<ReceiveBatch> next_batch_;
  std::optional<Version> ahead_;  // whose next batch is being read into next_batch_
  std::unique_ptr<ReceiveLane> receive_lane_;
};

}  // namespace ppspp
