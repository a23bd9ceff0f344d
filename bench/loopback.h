// Two UDP sockets that talk to each other over loopback, and what a measurement of them needs.
#pragma once

#include <fmt/core.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

namespace bench {

constexpr std::size_t kMaxPayload = 65'507;            // of one datagram or train
constexpr std::size_t kMaxSegments = 60;               // of a train
constexpr std::size_t kWindow = std::size_t{1} << 20;  // octets under way; fits the receive buffer
constexpr int kBufferSize = 4 << 20;

[[noreturn]] inline void die(const char* what) {
  fmt::print(stderr, "{}: {}\n", what, std::strerror(errno));
  std::exit(1);
}

inline void set(int socket, int level, int option, int value) {
  if (setsockopt(socket, level, option, &value, sizeof value) != 0) die("setsockopt");
}

struct Pair {
  int sender = -1;
  int receiver = -1;
};

// Bound to ports of their own, connected to each other, with large buffers.
inline Pair open_pair() {
  int sockets[2];
  sockaddr_in addresses[2] = {};
  const auto generic = [](sockaddr_in& a) { return reinterpret_cast<sockaddr*>(&a); };
  for (int i = 0; i < 2; ++i) {
    socklen_t size = sizeof addresses[i];
    addresses[i].sin_family = AF_INET;
    addresses[i].sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    sockets[i] = socket(AF_INET, SOCK_DGRAM, 0);
    if (sockets[i] < 0 || bind(sockets[i], generic(addresses[i]), size) != 0 ||
        getsockname(sockets[i], generic(addresses[i]), &size) != 0) {
      die("socket");
    }
    set(sockets[i], SOL_SOCKET, SO_RCVBUF, kBufferSize);
    set(sockets[i], SOL_SOCKET, SO_SNDBUF, kBufferSize);
  }
  for (int i = 0; i < 2; ++i) {
    if (connect(sockets[i], generic(addresses[1 - i]), sizeof addresses[i]) != 0) die("connect");
  }
  return {sockets[0], sockets[1]};
}

inline void use_offload(const Pair& sockets, std::size_t datagram) {
  set(sockets.sender, SOL_UDP, UDP_SEGMENT, static_cast<int>(datagram));
  set(sockets.receiver, SOL_UDP, UDP_GRO, 1);
}

// The receiver tells how many datagrams arrived, after each batch: the sender's window is what
// keeps the receive buffer from running over.
inline void acknowledge(int fd, std::uint64_t received) {
  if (send(fd, &received, sizeof received, 0) < 0) die("send");
}

inline void take_acks(int fd, bool wait, std::uint64_t& acked) {
  std::uint64_t value = 0;
  if (wait) {
    pollfd readable = {fd, POLLIN, 0};
    if (poll(&readable, 1, 5000) != 1) die("no acknowledgement in 5 s: poll");
  }
  while (recv(fd, &value, sizeof value, MSG_DONTWAIT) > 0) acked = std::max(acked, value);
}

inline double cpu_seconds(int whose) {
  rusage usage = {};
  getrusage(whose, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// Runs `receive` in a child and `send` here until both are done, and prints the figures of `octets`
// of content as one JSON object.
template <typename Send, typename Receive>
void measure(std::string_view what, std::size_t chunk_size, std::uint64_t octets, Send send,
             Receive receive) {
  const double sender_before = cpu_seconds(RUSAGE_SELF);
  const double receiver_before = cpu_seconds(RUSAGE_CHILDREN);
  const auto start = std::chrono::steady_clock::now();
  const pid_t child = fork();
  if (child < 0) die("fork");
  if (child == 0) {
    receive();
    _exit(0);
  }
  send();
  int status = 0;
  if (waitpid(child, &status, 0) != child || status != 0) die("the receiver failed: waitpid");
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  const double gib = static_cast<double>(octets) / (1 << 30);
  fmt::print(
      "{{\"what\":\"{}\",\"message\":{},\"seconds\":{:.4f},\"mb_per_s\":{:.1f},"
      "\"source_s_per_gib\":{:.3f},\"receiver_s_per_gib\":{:.3f}}}\n",
      what, chunk_size, seconds.count(), static_cast<double>(octets) / seconds.count() / 1e6,
      (cpu_seconds(RUSAGE_SELF) - sender_before) / gib,
      (cpu_seconds(RUSAGE_CHILDREN) - receiver_before) / gib);
  std::fflush(stdout);
}

}  // namespace bench
