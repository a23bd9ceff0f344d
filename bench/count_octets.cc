// Loaded before a program, counts the octets and datagrams that it sends over UDP and writes both
// to $OCTETS_TO when the program ends. Other ways to send than those of a socket of datagrams are
// not looked at.
#include <dlfcn.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

std::atomic<unsigned long long> octets;
std::atomic<unsigned long long> datagrams;

// Of a train of datagrams, which the kernel cuts.
std::size_t segment_size(const msghdr& message) {
  auto& header = const_cast<msghdr&>(message);
  for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
    if (c->cmsg_level != SOL_UDP || c->cmsg_type != UDP_SEGMENT) continue;
    std::uint16_t size = 0;
    std::memcpy(&size, CMSG_DATA(c), sizeof size);
    return size;
  }
  return 0;
}

void count(const msghdr& message, std::size_t sent) {
  const std::size_t segment = segment_size(message);
  octets.fetch_add(sent, std::memory_order_relaxed);
  datagrams.fetch_add(segment == 0 ? 1 : (sent + segment - 1) / segment, std::memory_order_relaxed);
}

struct Report {
  ~Report() {
    const char* path = std::getenv("OCTETS_TO");
    std::FILE* out = path == nullptr ? nullptr : std::fopen(path, "w");
    if (out == nullptr) return;
    std::fprintf(out, "%llu %llu\n", octets.load(), datagrams.load());
    std::fclose(out);
  }
} report;

}  // namespace

extern "C" {

ssize_t sendmsg(int socket, const msghdr* message, int flags) {
  using Send = ssize_t (*)(int, const msghdr*, int);
  static const auto next = reinterpret_cast<Send>(dlsym(RTLD_NEXT, "sendmsg"));
  const ssize_t sent = next(socket, message, flags);
  if (sent > 0) count(*message, static_cast<std::size_t>(sent));
  return sent;
}

int sendmmsg(int socket, mmsghdr* messages, unsigned size, int flags) {
  using Send = int (*)(int, mmsghdr*, unsigned, int);
  static const auto next = reinterpret_cast<Send>(dlsym(RTLD_NEXT, "sendmmsg"));
  const int sent = next(socket, messages, size, flags);
  for (int i = 0; i < sent; ++i) count(messages[i].msg_hdr, messages[i].msg_len);
  return sent;
}
}
