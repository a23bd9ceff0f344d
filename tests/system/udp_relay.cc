// udp_relay: a bad network between two programs on one machine.
//
// Listens on a UDP port and forwards to a target and back, with a socket of its own for each client
// so that the target tells them apart. Both directions have the same faults unless an option with
// -up (to the target) or -down says otherwise. The first line on standard output is the port, the
// last one, at SIGTERM, what was done to the datagrams, as JSON.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <queue>
#include <random>
#include <string>
#include <unordered_map>
#include <vector>

#include "ppspp/transport_address.h"
#include "system/link_model.h"

namespace ppspp::test {
namespace {

constexpr std::size_t kBatch = 32;
constexpr std::size_t kMaxDatagram = 65'536;
constexpr std::size_t kMaxClients = 900;  // below the usual limit of open files
constexpr int kSocketBuffer = 4 << 20;

[[noreturn]] void die(const char* what) {
  std::perror(what);
  std::exit(1);
}

struct SocketAddress {
  sockaddr_storage storage = {};
  socklen_t size = sizeof(sockaddr_storage);

  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  std::string key() const { return {reinterpret_cast<const char*>(&storage), size}; }
};

SocketAddress to_socket_address(const TransportAddress& address) {
  SocketAddress result;
  if (address.is_v4()) {
    sockaddr_in in = {};
    in.sin_family = AF_INET;
    in.sin_port = htons(address.port());
    in.sin_addr.s_addr = htonl(address.v4_address());
    std::memcpy(&result.storage, &in, sizeof in);
    result.size = sizeof in;
    return result;
  }
  sockaddr_in6 in = {};
  in.sin6_family = AF_INET6;
  in.sin6_port = htons(address.port());
  in.sin6_scope_id = address.scope_id();
  std::memcpy(&in.sin6_addr, address.bytes().data(), address.bytes().size());
  std::memcpy(&result.storage, &in, sizeof in);
  result.size = sizeof in;
  return result;
}

class Socket {
 public:
  explicit Socket(int family)
      : fd_(::socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
    if (fd_ < 0) die("udp_relay: socket");
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &kSocketBuffer, sizeof kSocketBuffer);
    ::setsockopt(fd_, SOL_SOCKET, SO_SNDBUF, &kSocketBuffer, sizeof kSocketBuffer);
  }
  ~Socket() { ::close(fd_); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  int fd() const { return fd_; }

 private:
  int fd_;
};

// A client and the socket that stands for it at the target.
struct Flow {
  Flow(const SocketAddress& from, int family) : client(from), upstream(family) {}
  SocketAddress client;
  Socket upstream;
};

struct Pending {
  LinkTime at;
  std::uint64_t sequence;  // first come, first served among equals
  Flow* flow;
  bool up;
  std::vector<std::byte> bytes;

  friend bool operator<(const Pending& a, const Pending& b) {  // the earliest on top
    return a.at != b.at ? a.at > b.at : a.sequence > b.sequence;
  }
};

// The buffers of recvmmsg, for one batch.
class Receiver {
 public:
  Receiver() : memory_(kBatch * kMaxDatagram) {
    for (std::size_t i = 0; i < kBatch; ++i) {
      vectors_[i] = {&memory_[i * kMaxDatagram], kMaxDatagram};
      headers_[i].msg_hdr.msg_iov = &vectors_[i];
      headers_[i].msg_hdr.msg_iovlen = 1;
    }
  }

  std::size_t receive(int fd) {
    for (std::size_t i = 0; i < kBatch; ++i) {
      senders_[i] = {};
      headers_[i].msg_hdr.msg_name = &senders_[i].storage;
      headers_[i].msg_hdr.msg_namelen = sizeof(sockaddr_storage);
    }
    const int count = ::recvmmsg(fd, headers_.data(), kBatch, MSG_DONTWAIT, nullptr);
    return count < 0 ? 0 : static_cast<std::size_t>(count);
  }
  std::span<std::byte> datagram(std::size_t i) {
    return {&memory_[i * kMaxDatagram], headers_[i].msg_len};
  }
  SocketAddress sender(std::size_t i) const {
    SocketAddress address = senders_[i];
    address.size = headers_[i].msg_hdr.msg_namelen;
    return address;
  }

 private:
  std::vector<std::byte> memory_;
  std::array<iovec, kBatch> vectors_ = {};
  std::array<mmsghdr, kBatch> headers_ = {};
  std::array<SocketAddress, kBatch> senders_ = {};
};

struct RelayOptions {
  TransportAddress listen;
  TransportAddress target;
  LinkOptions up;
  LinkOptions down;
  std::uint64_t seed = 0;
};

class Relay {
 public:
  explicit Relay(const RelayOptions& options)
      : target_(to_socket_address(options.target)),
        listener_(options.listen.is_v4() ? AF_INET : AF_INET6),
        up_(options.up, options.seed),
        down_(options.down, options.seed ^ 0x9e37'79b9'7f4a'7c15) {
    const SocketAddress local = to_socket_address(options.listen);
    if (::bind(listener_.fd(), local.get(), local.size) != 0) die("udp_relay: bind");
    watch(listener_.fd(), nullptr);
    watch_signals();
  }

  std::uint16_t port() const {
    SocketAddress local;
    ::getsockname(listener_.fd(), local.get(), &local.size);
    const bool v4 = local.storage.ss_family == AF_INET;
    return ntohs(v4 ? reinterpret_cast<const sockaddr_in*>(&local.storage)->sin_port
                    : reinterpret_cast<const sockaddr_in6*>(&local.storage)->sin6_port);
  }

  // Until SIGTERM or SIGINT.
  void run() {
    std::array<epoll_event, 64> events = {};
    while (!stopped_) {
      const int count = wait(events);
      for (int i = 0; i < count; ++i) handle(events[static_cast<std::size_t>(i)].data.ptr);
      deliver_due(LinkClock::now());
    }
  }

  void print_statistics() const {
    std::printf("{\"clients\": %zu, \"refused\": %llu, ", flows_.size(), refused_);
    print("up", up_.statistics());
    std::printf(", ");
    print("down", down_.statistics());
    std::printf("}\n");
  }

 private:
  static void print(const char* name, const LinkStatistics& s) {
    const auto number = [](std::uint64_t value) { return static_cast<unsigned long long>(value); };
    std::printf(
        "\"%s\": {\"datagrams_in\": %llu, \"bytes_in\": %llu, \"datagrams_out\": %llu, "
        "\"bytes_out\": %llu, \"lost\": %llu, \"overflowed\": %llu, \"duplicated\": %llu, "
        "\"reordered\": %llu, \"corrupted\": %llu}",
        name, number(s.datagrams_in), number(s.bytes_in), number(s.datagrams_out),
        number(s.bytes_out), number(s.lost), number(s.overflowed), number(s.duplicated),
        number(s.reordered), number(s.corrupted));
  }

  void watch(int fd, void* what) {
    epoll_event event = {};
    event.events = EPOLLIN;
    event.data.ptr = what;
    if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0) die("udp_relay: epoll_ctl");
  }

  void watch_signals() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, nullptr);
    const int fd = ::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (fd < 0) die("udp_relay: signalfd");
    watch(fd, this);
  }

  int wait(std::span<epoll_event> events) const {
    timespec timeout = {};
    if (!pending_.empty()) {
      const auto left = std::chrono::nanoseconds(pending_.top().at - LinkClock::now()).count();
      if (left > 0) timeout = {left / 1'000'000'000, left % 1'000'000'000};
    }
    return ::epoll_pwait2(epoll_, events.data(), static_cast<int>(events.size()),
                          pending_.empty() ? nullptr : &timeout, nullptr);
  }

  void handle(void* what) {
    if (what == this) {
      stopped_ = true;
    } else if (what == nullptr) {
      receive_from_clients();
    } else {
      receive_from_target(*static_cast<Flow*>(what));
    }
  }

  void receive_from_clients() {
    const std::size_t count = receiver_.receive(listener_.fd());
    const LinkTime now = LinkClock::now();
    for (std::size_t i = 0; i < count; ++i) {
      Flow* flow = flow_of(receiver_.sender(i));
      if (flow != nullptr) pass(*flow, true, receiver_.datagram(i), now);
    }
  }

  void receive_from_target(Flow& flow) {
    const std::size_t count = receiver_.receive(flow.upstream.fd());
    const LinkTime now = LinkClock::now();
    for (std::size_t i = 0; i < count; ++i) pass(flow, false, receiver_.datagram(i), now);
  }

  Flow* flow_of(const SocketAddress& client) {
    const std::string key = client.key();
    if (const auto found = flows_.find(key); found != flows_.end()) return found->second.get();
    if (flows_.size() >= kMaxClients) {
      ++refused_;
      return nullptr;
    }
    auto flow = std::make_unique<Flow>(client, target_.storage.ss_family);
    // Connected: what others send to this port is none of the client's business.
    if (::connect(flow->upstream.fd(), target_.get(), target_.size) != 0) die("udp_relay: connect");
    watch(flow->upstream.fd(), flow.get());
    return flows_.emplace(key, std::move(flow)).first->second.get();
  }

  void pass(Flow& flow, bool up, std::span<std::byte> datagram, LinkTime now) {
    const Fate fate = (up ? up_ : down_).pass(datagram, now);
    for (std::size_t i = 0; i < fate.copies; ++i) {
      if (fate.arrivals[i] <= now) {
        send(flow, up, datagram);
      } else {
        pending_.push(
            {fate.arrivals[i], sequence_++, &flow, up, {datagram.begin(), datagram.end()}});
      }
    }
  }

  void deliver_due(LinkTime now) {
    while (!pending_.empty() && pending_.top().at <= now) {
      const Pending& next = pending_.top();
      send(*next.flow, next.up, next.bytes);
      pending_.pop();
    }
  }

  // What the system refuses is lost, as on any network.
  void send(const Flow& flow, bool up, std::span<const std::byte> datagram) const {
    if (up) {
      ::send(flow.upstream.fd(), datagram.data(), datagram.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    } else {
      ::sendto(listener_.fd(), datagram.data(), datagram.size(), MSG_DONTWAIT | MSG_NOSIGNAL,
               flow.client.get(), flow.client.size);
    }
  }

  SocketAddress target_;
  Socket listener_;
  Link up_;
  Link down_;
  Receiver receiver_;
  std::unordered_map<std::string, std::unique_ptr<Flow>> flows_;
  std::priority_queue<Pending> pending_;
  std::uint64_t sequence_ = 0;
  unsigned long long refused_ = 0;
  int epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  bool stopped_ = false;
};

// --NAME for both directions, --NAME-up and --NAME-down for one.
void add_link_option(CLI::App& app, RelayOptions& options, const std::string& name,
                     double LinkOptions::*field, const std::string& help) {
  app.add_option_function<double>(
      "--" + name,
      [&options, field](double value) { options.up.*field = options.down.*field = value; }, help);
  app.add_option(("--" + name) + "-up", options.up.*field);
  app.add_option(("--" + name) + "-down", options.down.*field);
}

std::uint64_t fresh_seed() {
  std::random_device device;
  return std::uint64_t{device()} << 32 | device();
}

int run(int argc, char** argv) {
  RelayOptions options;
  std::string listen = "127.0.0.1:0";
  std::string target;
  options.seed = fresh_seed();
  CLI::App app("Relays UDP between programs under test, with faults");
  app.add_option("--listen", listen, "ADDR:PORT, port 0: any");
  app.add_option("--target", target, "ADDR:PORT")->required();
  app.add_option("--seed", options.seed, "of everything that is left to chance");
  add_link_option(app, options, "rate", &LinkOptions::rate, "octets per second");
  add_link_option(app, options, "queue", &LinkOptions::queue, "octets, drop-tail");
  add_link_option(app, options, "delay", &LinkOptions::delay_ms, "ms, one way");
  add_link_option(app, options, "jitter", &LinkOptions::jitter_ms, "ms");
  add_link_option(app, options, "loss", &LinkOptions::loss, "probability");
  add_link_option(app, options, "duplicate", &LinkOptions::duplicate, "probability");
  add_link_option(app, options, "reorder", &LinkOptions::reorder, "probability");
  add_link_option(app, options, "reorder-by", &LinkOptions::reorder_ms, "ms");
  add_link_option(app, options, "corrupt", &LinkOptions::corrupt, "probability");
  CLI11_PARSE(app, argc, argv);
  const auto listen_address = TransportAddress::parse(listen);
  const auto target_address = TransportAddress::parse(target);
  if (!listen_address || !target_address) {
    std::fprintf(stderr, "udp_relay: addresses are written 127.0.0.1:1234 or [::1]:1234\n");
    return 2;
  }
  options.listen = *listen_address;
  options.target = *target_address;
  const auto relay = std::make_unique<Relay>(options);
  std::printf("port %u seed %llu\n", unsigned{relay->port()},
              static_cast<unsigned long long>(options.seed));
  std::fflush(stdout);
  relay->run();
  relay->print_statistics();
  return 0;
}

}  // namespace
}  // namespace ppspp::test

int main(int argc, char** argv) {
  return ppspp::test::run(argc, argv);
}
