// Two endpoints in one process exchange a content: what the protocol costs, each end by itself.
#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "integrity/merkle_tree.h"
#include "integrity/tree_builder.h"
#include "parts.h"
#include "ppspp/endpoint.h"
#include "ppspp/random_source.h"
#include "storage/memory_chunk_store.h"

namespace bench {
namespace {

using namespace ppspp;

constexpr std::size_t kContent = std::size_t{128} << 20;
constexpr std::size_t kTrains = 16;  // of one turn, as the driver's

// One end: its endpoint, the trains that it sent last, and what it has cost.
class End {
 public:
  End(std::uint64_t seed, std::uint16_t port, Now now)
      : random_(seed), endpoint(EndpointOptions{}, random_, now) {
    address = TransportAddress::v4(0x7f000001, port);
    for (auto& buffer : buffers_) buffer.resize(65'536);
  }

  void receive(const End& from, Now now) {
    const Cost cost(*this);
    for (std::size_t i = 0; i < from.count_; ++i) {
      const Transmit& train = from.trains_[i];
      std::span<const std::byte> rest(from.buffers_[i].data(), train.size);
      while (!rest.empty()) {
        const auto datagram = rest.first(std::min(train.segment_size, rest.size()));
        endpoint.handle_datagram(datagram, from.address, now);
        rest = rest.subspan(datagram.size());
      }
    }
    endpoint.flush(now);
    while (endpoint.poll_event()) {
    }
  }

  bool send(Now now) {
    const Cost cost(*this);
    if (endpoint.deadline() <= now.monotonic) endpoint.handle_deadline(now);
    for (count_ = 0; count_ < kTrains; ++count_) {
      const auto train = endpoint.poll_transmit(buffers_[count_], now);
      if (!train) break;
      trains_[count_] = *train;
    }
    return count_ > 0;
  }

 private:
  struct Cost {
    explicit Cost(End& owner) : end(owner) {}
    ~Cost() {
      end.seconds += cpu_seconds() - start;
      end.allocations += test::allocations() - allocated;
    }
    Cost(const Cost&) = delete;
    Cost& operator=(const Cost&) = delete;
    End& end;
    std::int64_t allocated = test::allocations();
    double start = cpu_seconds();
  };

  Rng random_;
  std::array<std::vector<std::byte>, kTrains> buffers_;
  std::array<Transmit, kTrains> trains_;
  std::size_t count_ = 0;

 public:
  Endpoint endpoint;
  TransportAddress address;
  double seconds = 0;
  std::int64_t allocations = 0;
};

struct Complete {
  SwarmMetadata metadata;
  std::unique_ptr<MemoryChunkStore> store;
};

Complete make_content(std::size_t chunk_size) {
  std::vector<std::byte> octets(kContent);
  Rng rng(1);
  for (auto& octet : octets) octet = static_cast<std::byte>(rng.next_u64());
  Complete complete;
  complete.store = std::make_unique<MemoryChunkStore>(octets);
  const std::uint64_t chunks = (kContent - 1) / chunk_size + 1;
  Hasher hasher(HashFunction::sha256);
  MerkleTree tree(chunks, HashFunction::sha256,
                  complete.store->tree_memory(MerkleTree::memory_size(chunks, hasher.function())));
  TreeBuilder builder(tree, static_cast<std::uint32_t>(chunk_size));
  for (std::uint64_t block = 0; block < builder.block_count(); ++block) {
    const std::uint64_t first = block * builder.block_chunks();
    const auto rest = std::span<const std::byte>(octets).subspan(first * chunk_size);
    builder.add_block(first, rest.first(std::min(rest.size(), builder.block_chunks() * chunk_size)),
                      hasher);
  }
  complete.metadata.id = SwarmId(builder.finish(hasher).octets());
  complete.metadata.chunk_size = static_cast<std::uint32_t>(chunk_size);
  complete.metadata.content_length = kContent;
  return complete;
}

Now at(std::uint64_t us) {
  return {TimePoint(Microseconds(1'000'000 + us)), WallTime{1'000'000'000 + us}};
}

[[noreturn]] void give_up(const char* why) {
  fmt::print(stderr, "bench_parts: {}\n", why);
  std::exit(1);
}

}  // namespace

void measure_endpoints(std::size_t chunk_size) {
  Complete complete = make_content(chunk_size);
  End seeder(2, 1, at(0));
  End leecher(3, 2, at(0));
  SwarmContent whole;
  whole.state = SwarmContent::State::complete;
  whole.length = kContent;
  const auto served =
      seeder.endpoint.join(complete.metadata, std::move(complete.store), whole, {}, at(0));
  auto store = std::make_unique<MemoryChunkStore>(kContent);
  MemoryChunkStore& to = *store;
  const auto wanted = leecher.endpoint.join(complete.metadata, std::move(store), {}, {}, at(0));
  if (!served || !wanted) give_up("cannot join");
  // The system makes memory as it is touched, which is not the endpoint's work.
  std::ranges::fill(to.content(), std::byte{1});
  leecher.endpoint.add_peer(*wanted, seeder.address, at(0));
  constexpr std::uint64_t kTurnUs = 100;
  constexpr std::uint64_t kLongestUs = 60'000'000;
  std::uint64_t us = 0;
  for (; us < kLongestUs && !leecher.endpoint.status(*wanted)->complete; us += kTurnUs) {
    leecher.send(at(us));
    seeder.receive(leecher, at(us + kTurnUs / 4));
    seeder.send(at(us + kTurnUs / 2));
    leecher.receive(seeder, at(us + kTurnUs * 3 / 4));
  }
  if (us >= kLongestUs) give_up("two endpoints do not come to an end");
  const auto chunks = static_cast<double>(kContent) / static_cast<double>(chunk_size);
  const auto print = [&](const char* who, const End& end) {
    print_part(fmt::format("endpoint that {}, chunks of {}", who, chunk_size), "chunk", end.seconds,
               static_cast<double>(end.allocations), chunks, chunk_size);
  };
  print("sends", seeder);
  print("receives", leecher);
}

}  // namespace bench
