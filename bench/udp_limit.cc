// bench_udp CHUNK_SIZE OCTETS: how fast two processes move datagrams over loopback when they do
// nothing else, with sendmmsg/recvmmsg and with segmentation offload (GSO/GRO). A datagram is a
// chunk with the headers of a DATA message. Prints one JSON object per line.
#include <fmt/core.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <vector>

namespace {

constexpr std::size_t kHeaders = 50;                   // channel, DATA header, some INTEGRITY
constexpr std::size_t kMaxPayload = 65'507;            // of one datagram or train
constexpr std::size_t kWindow = std::size_t{1} << 20;  // octets under way; fits the receive buffer
constexpr int kBufferSize = 4 << 20;
constexpr unsigned kBatch = 32;  // datagrams or trains per call

enum class Mode { batches, offload };

struct Load {
  Mode mode;
  std::size_t datagram;  // octets
  std::size_t segments;  // datagrams per message handed to the kernel
  std::uint64_t total;   // datagrams
  std::size_t message() const { return datagram * segments; }
  std::uint64_t window() const { return std::max<std::uint64_t>(kWindow / datagram, 2 * segments); }
};

[[noreturn]] void die(const char* what) {
  fmt::print(stderr, "bench_udp: {}: {}\n", what, std::strerror(errno));
  std::exit(1);
}

void set(int socket, int level, int option, int value) {
  if (setsockopt(socket, level, option, &value, sizeof value) != 0) die("setsockopt");
}

sockaddr_in loopback(in_port_t port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = port;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

const sockaddr* generic(const sockaddr_in& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

// A bound socket with large buffers, and its address.
int open_socket(sockaddr_in& address) {
  const int fd = socket(AF_INET, SOCK_DGRAM, 0);
  address = loopback(0);
  socklen_t size = sizeof address;
  if (fd < 0 || bind(fd, generic(address), size) != 0 ||
      getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    die("socket");
  }
  set(fd, SOL_SOCKET, SO_RCVBUF, kBufferSize);
  set(fd, SOL_SOCKET, SO_SNDBUF, kBufferSize);
  return fd;
}

// Buffers for kBatch messages in one call.
struct Batch {
  explicit Batch(std::size_t size) : memory(size * kBatch) {
    for (std::size_t i = 0; i < kBatch; ++i) {
      pieces[i] = {memory.data() + i * size, size};
      headers[i] = {};
      headers[i].msg_hdr.msg_iov = &pieces[i];
      headers[i].msg_hdr.msg_iovlen = 1;
    }
  }
  std::vector<std::byte> memory;
  std::array<iovec, kBatch> pieces;
  std::array<mmsghdr, kBatch> headers;
};

// Tells the sender how many datagrams arrived, after each batch: its window is what keeps the
// receive buffer from running over.
void receive_all(int fd, const Load& load) {
  Batch batch(load.mode == Mode::offload ? 65'536 : load.datagram);
  std::uint64_t received = 0;
  while (received < load.total) {
    const int count = recvmmsg(fd, batch.headers.data(), kBatch, MSG_WAITFORONE, nullptr);
    if (count < 0) die("recvmmsg");
    for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
      received += (batch.headers[i].msg_len + load.datagram - 1) / load.datagram;
    }
    if (send(fd, &received, sizeof received, 0) < 0) die("send");
  }
}

void take_acks(int fd, bool wait, std::uint64_t& acked) {
  std::uint64_t value = 0;
  if (wait) {
    pollfd readable = {fd, POLLIN, 0};
    if (poll(&readable, 1, 5000) != 1) die("no acknowledgement in 5 s: poll");
  }
  while (recv(fd, &value, sizeof value, MSG_DONTWAIT) > 0) acked = std::max(acked, value);
}

void send_all(int fd, const Load& load) {
  Batch batch(load.message());
  std::uint64_t sent = 0;
  std::uint64_t acked = 0;
  while (acked < load.total) {
    const std::uint64_t room = load.window() - (sent - acked);
    const std::uint64_t messages = std::min<std::uint64_t>(
        {room / load.segments, (load.total - sent) / load.segments, std::uint64_t{kBatch}});
    if (messages > 0) {
      const int count = sendmmsg(fd, batch.headers.data(), static_cast<unsigned>(messages), 0);
      if (count < 0) die("sendmmsg");
      sent += static_cast<std::uint64_t>(count) * load.segments;
    }
    take_acks(fd, messages == 0, acked);
  }
}

double cpu_seconds(int whose) {
  rusage usage = {};
  getrusage(whose, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

void measure(std::string_view name, const Load& load, std::size_t chunk_size) {
  sockaddr_in sender_address;
  sockaddr_in receiver_address;
  const int sender = open_socket(sender_address);
  const int receiver = open_socket(receiver_address);
  if (connect(sender, generic(receiver_address), sizeof receiver_address) != 0 ||
      connect(receiver, generic(sender_address), sizeof sender_address) != 0) {
    die("connect");
  }
  if (load.mode == Mode::offload) {
    set(sender, SOL_UDP, UDP_SEGMENT, static_cast<int>(load.datagram));
    set(receiver, SOL_UDP, UDP_GRO, 1);
  }
  const double sender_before = cpu_seconds(RUSAGE_SELF);
  const double receiver_before = cpu_seconds(RUSAGE_CHILDREN);
  const auto start = std::chrono::steady_clock::now();
  const pid_t child = fork();
  if (child < 0) die("fork");
  if (child == 0) {
    receive_all(receiver, load);
    _exit(0);
  }
  send_all(sender, load);
  int status = 0;
  if (waitpid(child, &status, 0) != child || status != 0) die("the receiver failed: waitpid");
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  close(sender);
  close(receiver);
  const double octets = static_cast<double>(load.total * chunk_size);
  const double gib = octets / (1 << 30);
  fmt::print(
      "{{\"what\":\"{}\",\"message\":{},\"mb_per_s\":{:.1f},\"source_s_per_gib\":{:.3f},"
      "\"receiver_s_per_gib\":{:.3f}}}\n",
      name, chunk_size, octets / seconds.count() / 1e6,
      (cpu_seconds(RUSAGE_SELF) - sender_before) / gib,
      (cpu_seconds(RUSAGE_CHILDREN) - receiver_before) / gib);
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  const std::size_t chunk_size = argc == 3 ? std::strtoull(argv[1], nullptr, 10) : 0;
  const std::uint64_t octets = argc == 3 ? std::strtoull(argv[2], nullptr, 10) : 0;
  if (chunk_size == 0 || chunk_size + kHeaders > kMaxPayload || octets == 0) {
    fmt::print(stderr, "usage: bench_udp CHUNK_SIZE OCTETS\n");
    return 2;
  }
  const std::size_t datagram = chunk_size + kHeaders;
  const std::size_t segments = std::min<std::size_t>(60, kMaxPayload / datagram);
  // A whole number of trains, so that every message is full.
  const std::uint64_t total = std::max<std::uint64_t>(octets / chunk_size / segments, 1) * segments;
  measure("UDP, sendmmsg and recvmmsg", {Mode::batches, datagram, 1, total}, chunk_size);
  measure("UDP, GSO and GRO", {Mode::offload, datagram, segments, total}, chunk_size);
  return 0;
}
