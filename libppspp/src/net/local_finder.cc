#include "net/local_finder.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/post.hpp>
#include <chrono>
#include <utility>

#include "base/log.h"
#include "crypto/system_random.h"
#include "net/clock.h"
#include "net/local_links.h"

namespace ppspp {
namespace {

namespace asio = boost::asio;

// Changes come in flocks. Without word from the system we look ourselves.
constexpr auto kSettling = std::chrono::milliseconds(200);
constexpr auto kLookAgain = std::chrono::seconds(15);

TimePoint now() {
  return read_clocks().monotonic;
}

// -1: the system does not tell.
int open_change_socket() {
  const int fd = ::socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (fd < 0) return -1;
  sockaddr_nl address = {};
  address.nl_family = AF_NETLINK;
  address.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR;
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return fd;
  ::close(fd);
  return -1;
}

}  // namespace

LocalFinder::Side::Side(asio::io_context& io, MulticastSocket opened)
    : socket(std::move(opened)), readiness(io, socket.fd()) {}

LocalFinder::Side::~Side() {
  readiness.release();
}

LocalFinder::LocalFinder(asio::io_context& io, std::vector<TransportAddress> ports, Sink on_found)
    : io_(io),
      ports_(std::move(ports)),
      on_found_(std::move(on_found)),
      random_(make_system_random()),
      discovery_(*random_),
      timer_(io),
      links_timer_(io) {}

LocalFinder::~LocalFinder() {
  stop();
}

void LocalFinder::set_part(const SwarmId& swarm, Part part) {
  if (!running_) start();
  discovery_.set_part(swarm, part, now());
  kick();
}

void LocalFinder::ask_again(const SwarmId& swarm) {
  discovery_.ask_again(swarm, now());
  kick();
}

void LocalFinder::remove(const SwarmId& swarm) {
  discovery_.remove(swarm);
  if (discovery_.swarms() == 0) stop();
}

// --- Sockets and interfaces

void LocalFinder::start() {
  running_ = std::make_shared<bool>(true);
  kicked_ = false;
  for (const bool v4 : {true, false}) {
    const bool needed = std::any_of(ports_.begin(), ports_.end(),
                                    [v4](const auto& port) { return port.is_v4() == v4; });
    if (needed) open(v4);
  }
  if (v4_ == nullptr && v6_ == nullptr) return;
  watch_interfaces();
  update_links();
}

void LocalFinder::open(bool v4) {
  auto socket = MulticastSocket::open(v4);
  if (!socket) {
    if (!std::exchange(warned_, true)) {
      log(LogLevel::warning, "peers on the local network are not looked for over {}: {}",
          v4 ? "IPv4" : "IPv6", socket.error().context);
    }
    return;
  }
  auto& side = v4 ? v4_ : v6_;
  side = std::make_unique<Side>(io_, *std::move(socket));
  wait_readable(*side);
}

void LocalFinder::stop() {
  if (!running_) return;
  *running_ = false;
  running_.reset();
  v4_.reset();
  v6_.reset();
  changes_.reset();
  timer_.cancel();
  links_timer_.cancel();
  discovery_.set_links({}, now());
}

void LocalFinder::watch_interfaces() {
  const int fd = open_change_socket();
  if (fd < 0) return;
  changes_.emplace(io_, fd);
  wait_for_change();
}

void LocalFinder::wait_for_change() {
  changes_->async_wait(
      asio::posix::stream_descriptor::wait_read,
      [this, running = running_](const boost::system::error_code& error) {
        if (!*running || error) return;
        std::array<std::byte, 8192> news;  // what has changed we see when we look
        for (int i = 0; i < 64; ++i) {
          if (::recv(changes_->native_handle(), news.data(), news.size(), 0) < 0) break;
        }
        links_timer_.expires_after(kSettling);
        links_timer_.async_wait([this, running](const boost::system::error_code& cancelled) {
          if (*running && !cancelled) update_links();
        });
        wait_for_change();
      });
}

void LocalFinder::update_links() {
  auto links = local_links(ports_);
  std::erase_if(links, [this](const LocalLink& link) {
    return (link.address.is_v4() ? v4_ : v6_) == nullptr;
  });
  if (links.size() > LocalDiscovery::kMaxLinks) links.resize(LocalDiscovery::kMaxLinks);
  for (Side* side : {v4_.get(), v6_.get()}) {
    if (side != nullptr) side->socket.join(links);
  }
  discovery_.set_links(std::move(links), now());
  kick();
  if (changes_) return;
  links_timer_.expires_after(kLookAgain);
  links_timer_.async_wait([this, running = running_](const boost::system::error_code& error) {
    if (*running && !error) update_links();
  });
}

// --- Datagrams and time

void LocalFinder::wait_readable(Side& side) {
  side.readiness.async_wait(
      asio::posix::stream_descriptor::wait_read,
      [this, &side, running = running_](const boost::system::error_code& error) {
        if (!*running || error) return;
        on_readable(side);
        wait_readable(side);
      });
}

void LocalFinder::on_readable(Side& side) {
  std::array<std::byte, LocalMessage::kMaxSize> buffer;
  for (int i = 0; i < kDatagramsPerTurn; ++i) {
    const auto received = side.socket.receive(buffer);
    if (!received) break;
    discovery_.handle_datagram(std::span(buffer).first(received->size), received->from,
                               received->interface, now());
  }
  turn();
}

void LocalFinder::kick() {
  if (!running_ || std::exchange(kicked_, true)) return;
  asio::post(io_, [this, running = running_] {
    if (!*running) return;
    kicked_ = false;
    turn();
  });
}

void LocalFinder::turn() {
  std::array<std::byte, LocalMessage::kMaxSize> buffer;
  for (int i = 0; i < kSendsPerTurn; ++i) {
    const auto transmit = discovery_.poll_transmit(buffer, now());
    if (!transmit) break;
    send(*transmit, std::span(buffer).first(transmit->size));
  }
  while (const auto found = discovery_.poll_found()) on_found_(found->swarm, found->peer);
  arm_timer();
}

// What an interface does not take is lost, as it may be on the network.
void LocalFinder::send(const LocalDiscovery::Transmit& transmit,
                       std::span<const std::byte> datagram) {
  Side* const side = (transmit.link.address.is_v4() ? v4_ : v6_).get();
  if (side == nullptr) return;
  if (const int error = side->socket.send(transmit.link, datagram); error != 0) {
    log(LogLevel::debug, "cannot ask for peers on interface {}: {}", transmit.link.interface,
        std::generic_category().message(error));
  }
}

void LocalFinder::arm_timer() {
  const TimePoint deadline = discovery_.deadline();
  if (!running_ || deadline == kNever) {
    timer_.cancel();
    return;
  }
  timer_.expires_at(std::chrono::steady_clock::time_point(
      std::max(deadline, now() + Microseconds(1'000)).time_since_epoch()));
  timer_.async_wait([this, running = running_](const boost::system::error_code& error) {
    if (*running && !error) turn();
  });
}

}  // namespace ppspp
