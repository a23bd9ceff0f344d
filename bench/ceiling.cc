// bench_ceiling FILE OUTPUT CHUNK_SIZE: what a transfer costs when there is no protocol. One
// process reads FILE and sends it over loopback, another one receives it, hashes the chunks and
// what a tree above them takes, and writes OUTPUT to the disk, both with the system calls that the
// library uses. Prints one JSON object.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <array>
#include <memory>
#include <span>
#include <vector>

#include "crypto/hasher.h"
#include "loopback.h"

namespace {

constexpr std::size_t kHeaders = 21;  // of a DATA message that is alone in its datagram
constexpr std::size_t kTrains = 16;   // of one system call
constexpr std::size_t kTrainSize = 65'536;
constexpr std::size_t kPieces = 64;  // of one system call

struct Plan {
  std::size_t chunk_size;
  std::uint64_t octets;  // of the content: a whole number of chunks
  std::size_t datagram() const { return kHeaders + chunk_size; }
  std::size_t segments() const {
    return std::min(bench::kMaxSegments, bench::kMaxPayload / datagram());
  }
};

// kTrains buffers, and what recvmmsg and sendmmsg need to know of them.
struct Trains {
  Trains() : memory(new std::byte[kTrains * kTrainSize]) {
    for (std::size_t i = 0; i < kTrains; ++i) {
      headers[i].msg_hdr.msg_iov = &vectors[i];
      headers[i].msg_hdr.msg_iovlen = 1;
      set_size(i, kTrainSize);
    }
  }
  std::byte* at(std::size_t i) const { return memory.get() + i * kTrainSize; }
  void set_size(std::size_t i, std::size_t size) { vectors[i] = {at(i), size}; }

  std::unique_ptr<std::byte[]> memory;
  std::array<iovec, kTrains> vectors = {};
  std::array<mmsghdr, kTrains> headers = {};
};

// Fills a train with the next chunks of the file; returns their octets.
std::size_t read_train(int file, std::uint64_t offset, const Plan& plan, std::byte* train) {
  std::array<iovec, bench::kMaxSegments> chunks;
  const std::size_t count =
      std::min<std::uint64_t>(plan.segments(), (plan.octets - offset) / plan.chunk_size);
  for (std::size_t i = 0; i < count; ++i) {
    std::byte* const datagram = train + i * plan.datagram();
    const std::uint64_t place = offset + i * plan.chunk_size;
    std::memcpy(datagram, &place, sizeof place);
    chunks[i] = {datagram + kHeaders, plan.chunk_size};
  }
  const std::size_t size = count * plan.chunk_size;
  const ssize_t got =
      preadv(file, chunks.data(), static_cast<int>(count), static_cast<off_t>(offset));
  if (got != static_cast<ssize_t>(size)) bench::die("preadv");
  return size;
}

void send_file(int fd, int file, const Plan& plan) {
  Trains trains;
  std::uint64_t sent = 0;
  std::uint64_t acked = 0;
  while (acked < plan.octets) {
    unsigned count = 0;
    for (; count < kTrains && sent < plan.octets && sent - acked < bench::kWindow; ++count) {
      const std::size_t size = read_train(file, sent, plan, trains.at(count));
      trains.set_size(count, size / plan.chunk_size * plan.datagram());
      sent += size;
    }
    for (unsigned done = 0; done < count;) {
      const int now = sendmmsg(fd, trains.headers.data() + done, count - done, 0);
      if (now < 0) bench::die("sendmmsg");
      done += static_cast<unsigned>(now);
    }
    bench::take_acks(fd, count == 0, acked);
  }
}

// Hashes what one system call brought, and writes what lies together in the file at once.
class Taker {
 public:
  Taker(int file, const Plan& plan) : file_(file), plan_(plan) {}

  void add(std::byte* datagram) {
    std::uint64_t place = 0;
    std::memcpy(&place, datagram, sizeof place);
    places_.push_back(place);
    chunks_.push_back(datagram + kHeaders);
  }

  std::uint64_t take() {
    const std::uint64_t octets = chunks_.size() * plan_.chunk_size;
    hash();
    for (std::size_t i = 0; i < chunks_.size();) i = write_run(i);
    places_.clear();
    chunks_.clear();
    return octets;
  }

 private:
  void hash() {
    digests_.resize(chunks_.size() * hasher_.size());
    hasher_.hash_many(chunks_, plan_.chunk_size, digests_, &together_);
    for (std::size_t i = 0; i < chunks_.size(); ++i) {  // as many nodes above as there are chunks
      std::byte* const leaf = digests_.data() + i * hasher_.size();
      hasher_.hash_pair(leaf, digests_.data(), leaf);
    }
  }

  std::size_t write_run(std::size_t first) {
    std::array<iovec, kPieces> pieces;
    std::size_t count = 0;
    while (first + count < chunks_.size() && count < kPieces &&
           places_[first + count] == places_[first] + count * plan_.chunk_size) {
      pieces[count] = {const_cast<std::byte*>(chunks_[first + count]), plan_.chunk_size};
      ++count;
    }
    const ssize_t put =
        pwritev(file_, pieces.data(), static_cast<int>(count), static_cast<off_t>(places_[first]));
    if (put != static_cast<ssize_t>(count * plan_.chunk_size)) bench::die("pwritev");
    return first + count;
  }

  int file_;
  const Plan& plan_;
  ppspp::Hasher hasher_{ppspp::HashFunction::sha256};
  ppspp::LazyMultiBuffer together_;
  std::vector<std::uint64_t> places_;
  std::vector<const std::byte*> chunks_;
  std::vector<std::byte> digests_;
};

void receive_file(int fd, int file, const Plan& plan) {
  Trains trains;
  Taker taker(file, plan);
  std::uint64_t received = 0;
  while (received < plan.octets) {
    const int count = recvmmsg(fd, trains.headers.data(), kTrains, MSG_WAITFORONE, nullptr);
    if (count < 0) bench::die("recvmmsg");
    for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
      for (std::size_t at = 0; at < trains.headers[i].msg_len; at += plan.datagram()) {
        taker.add(trains.at(i) + at);
      }
    }
    received += taker.take();
    bench::acknowledge(fd, received);
  }
  if (fdatasync(file) != 0) bench::die("fdatasync");
}

}  // namespace

int main(int argc, char** argv) {
  Plan plan = {argc == 4 ? std::strtoull(argv[3], nullptr, 10) : 0, 0};
  if (plan.chunk_size == 0 || plan.datagram() > bench::kMaxPayload) {
    fmt::print(stderr, "usage: bench_ceiling FILE OUTPUT CHUNK_SIZE\n");
    return 2;
  }
  const int in = open(argv[1], O_RDONLY);
  const int out = open(argv[2], O_RDWR | O_CREAT | O_TRUNC, 0666);
  struct stat status;
  if (in < 0 || out < 0 || fstat(in, &status) != 0) bench::die("open");
  plan.octets = static_cast<std::uint64_t>(status.st_size) / plan.chunk_size * plan.chunk_size;
  if (ftruncate(out, static_cast<off_t>(plan.octets)) != 0) bench::die("ftruncate");
  const bench::Pair sockets = bench::open_pair();
  bench::use_offload(sockets, plan.datagram());
  bench::measure(
      "a file without protocol", plan.chunk_size, plan.octets,
      [&] { send_file(sockets.sender, in, plan); },
      [&] { receive_file(sockets.receiver, out, plan); });
  return 0;
}
