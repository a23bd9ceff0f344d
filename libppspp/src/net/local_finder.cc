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

LocalFinder::LocalFinder(asio::io_context& io, std::vector<TransportAddress> ports,
                         LocalMeans means, Sink on_found)
    : io_(io),
      ports_(std::move(ports)),
      means_(means),
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
  if (services_) services_->set_part(swarm, part);
  kick();
}

void LocalFinder::note_used(const SwarmId& swarm) {
  if (services_) services_->note_used(swarm);
}

void LocalFinder::ask_again(const SwarmId& swarm) {
  discovery_.ask_again(swarm, now());
  if (services_) services_->ask_again(swarm);
  kick();
}

void LocalFinder::remove(const SwarmId& swarm) {
  discovery_.remove(swarm);
  if (services_) services_->remove(swarm);
  if (discovery_.swarms() == 0) stop();
}

// --- Sockets and interfaces

void LocalFinder::start() {
  running_ = std::make_shared<bool>(true);
  kicked_ = false;
  for (const bool v4 : {true, false}) {
    const bool needed = std::any_of(ports_.begin(), ports_.end(),
                                    [v4](const auto& port) { return port.is_v4() == v4; });
    if (needed && means_ != LocalMeans::dns_sd) open(v4);
  }
  if (means_ != LocalMeans::multicast) open_services();
  set_questions();
  if (v4_ == nullptr && v6_ == nullptr && services_ == nullptr) return;
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

void LocalFinder::open_services() {
  services_ = ServiceFinder::open(
      io_, discovery_.instance(),
      {.on_found =
           [this](const LocalDiscovery::Service& service) {
             discovery_.handle_service(service, now());
             kick();
           },
       .on_running =
           [this](bool runs) {
             services_run_ = runs;
             log(LogLevel::info, "Avahi {}: peers on the local network are {} by DNS-SD",
                 runs ? "runs" : "does not run", runs ? "found" : "not found");
             set_questions();
             kick();
           }});
  if (means_ != LocalMeans::dns_sd || services_ == nullptr) return;
  asio::post(io_, [this, running = running_] {
    if (!*running || services_run_ || std::exchange(warned_, true)) return;
    log(LogLevel::warning,
        "Avahi does not run: nobody is found on the local network until it does");
  });
}

// Where Avahi runs on all hosts, questions of our own find nobody else; but they are what finds
// those that do not have it.
void LocalFinder::set_questions() {
  using Questions = LocalDiscovery::Questions;
  const bool can_ask = v4_ != nullptr || v6_ != nullptr;
  discovery_.set_questions(
      !can_ask ? Questions::none : (services_run_ ? Questions::rare : Questions::usual), now());
}

LocalDiscoveryCounters LocalFinder::counters() const {
  LocalDiscoveryCounters counters = discovery_.counters();
  if (services_) counters.services = services_->published();
  return counters;
}

void LocalFinder::stop() {
  if (!running_) return;
  services_.reset();
  services_run_ = false;
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
    return services_ == nullptr && (link.address.is_v4() ? v4_ : v6_) == nullptr;
  });
  if (links.size() > LocalDiscovery::kMaxLinks) links.resize(LocalDiscovery::kMaxLinks);
  if (services_) services_->set_links(links);
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
