// bench_udp CHUNK_SIZE OCTETS: how fast two processes move datagrams over loopback when they do
// nothing else, with sendmmsg/recvmmsg and with segmentation offload (GSO/GRO). A datagram is a
// chunk with the headers of a DATA message. Prints one JSON object per line.
#include <array>
#include <vector>

#include "loopback.h"

namespace {

constexpr std::size_t kHeaders = 50;  // channel, DATA header, some INTEGRITY
constexpr unsigned kBatch = 32;       // datagrams or trains per call

enum class Mode { batches, offload };

struct Load {
  Mode mode;
  std::size_t datagram;  // octets
  std::size_t segments;  // datagrams per message handed to the kernel
  std::uint64_t total;   // datagrams
  std::size_t message() const { return datagram * segments; }
  std::uint64_t window() const {
    return std::max<std::uint64_t>(bench::kWindow / datagram, 2 * segments);
  }
};

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

void receive_all(int fd, const Load& load) {
  Batch batch(load.mode == Mode::offload ? 65'536 : load.datagram);
  std::uint64_t received = 0;
  while (received < load.total) {
    const int count = recvmmsg(fd, batch.headers.data(), kBatch, MSG_WAITFORONE, nullptr);
    if (count < 0) bench::die("recvmmsg");
    for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
      received += (batch.headers[i].msg_len + load.datagram - 1) / load.datagram;
    }
    bench::acknowledge(fd, received);
  }
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
      if (count < 0) bench::die("sendmmsg");
      sent += static_cast<std::uint64_t>(count) * load.segments;
    }
    bench::take_acks(fd, messages == 0, acked);
  }
}

void measure(std::string_view name, const Load& load, std::size_t chunk_size) {
  const bench::Pair sockets = bench::open_pair();
  if (load.mode == Mode::offload) bench::use_offload(sockets, load.datagram);
  bench::measure(
      name, chunk_size, load.total * chunk_size, [&] { send_all(sockets.sender, load); },
      [&] { receive_all(sockets.receiver, load); });
  close(sockets.sender);
  close(sockets.receiver);
}

}  // namespace

int main(int argc, char** argv) {
  const std::size_t chunk_size = argc == 3 ? std::strtoull(argv[1], nullptr, 10) : 0;
  const std::uint64_t octets = argc == 3 ? std::strtoull(argv[2], nullptr, 10) : 0;
  if (chunk_size == 0 || chunk_size + kHeaders > bench::kMaxPayload || octets == 0) {
    fmt::print(stderr, "usage: bench_udp CHUNK_SIZE OCTETS\n");
    return 2;
  }
  const std::size_t datagram = chunk_size + kHeaders;
  const std::size_t segments = std::min(bench::kMaxSegments, bench::kMaxPayload / datagram);
  // A whole number of trains, so that every message is full.
  const std::uint64_t total = std::max<std::uint64_t>(octets / chunk_size / segments, 1) * segments;
  measure("UDP, sendmmsg and recvmmsg", {Mode::batches, datagram, 1, total}, chunk_size);
  measure("UDP, GSO and GRO", {Mode::offload, datagram, segments, total}, chunk_size);
  return 0;
}
