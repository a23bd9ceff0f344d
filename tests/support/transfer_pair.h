// Two endpoints in one process exchange a content: no sockets, no files, no real time, and nothing
// of its own that allocates while it runs.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "integrity/merkle_tree.h"
#include "integrity/tree_builder.h"
#include "ppspp/endpoint.h"
#include "ppspp/random_source.h"
#include "storage/memory_chunk_store.h"
#include "support/heap.h"

namespace ppspp::test {

// An endpoint and the trains that it sent last, driven as from sockets.
class TransferEnd {
 public:
  TransferEnd(std::uint64_t seed, std::uint16_t port, Now now)
      : random_(seed),
        endpoint(EndpointOptions{}, random_, now),
        address(TransportAddress::v4(0x7f000001, port)) {
    for (auto& buffer : buffers_) buffer.resize(65'536);
  }

  void receive(const TransferEnd& from, Now now) {
    const std::int64_t before = ppspp::test::allocations();
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
    allocations += ppspp::test::allocations() - before;
  }

  void send(Now now) {
    const std::int64_t before = ppspp::test::allocations();
    if (endpoint.deadline() <= now.monotonic) endpoint.handle_deadline(now);
    for (count_ = 0; count_ < kTrains; ++count_) {
      const auto train = endpoint.poll_transmit(buffers_[count_], now);
      if (!train) break;
      trains_[count_] = *train;
    }
    allocations += ppspp::test::allocations() - before;
  }

 private:
  static constexpr std::size_t kTrains = 16;  // of one turn, as the driver's

  Rng random_;
  std::array<std::vector<std::byte>, kTrains> buffers_;
  std::array<Transmit, kTrains> trains_;
  std::size_t count_ = 0;

 public:
  Endpoint endpoint;
  TransportAddress address;
  std::int64_t allocations = 0;
};

struct CompleteContent {
  SwarmMetadata metadata;
  std::unique_ptr<MemoryChunkStore> store;
};

inline CompleteContent complete_content(std::size_t size, std::size_t chunk_size,
                                        std::uint64_t seed) {
  std::vector<std::byte> octets(size);
  Rng rng(seed);
  for (auto& octet : octets) octet = static_cast<std::byte>(rng.next_u64());
  CompleteContent complete;
  complete.store = std::make_unique<MemoryChunkStore>(octets);
  const std::uint64_t chunks = (size - 1) / chunk_size + 1;
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
  complete.metadata.content_length = size;
  return complete;
}

// A seeder and a leecher, in turns of 100 us, on a path of 25 us.
class TransferPair {
 public:
  explicit TransferPair(CompleteContent content) : seeder(2, 1, at(0)), leecher(3, 2, at(0)) {
    const std::uint64_t length = *content.metadata.content_length;
    SwarmContent whole;
    whole.state = SwarmContent::State::complete;
    whole.length = length;
    auto store = std::make_unique<MemoryChunkStore>(length);
    to_ = store.get();
    // Memory that the system makes as it is touched is not the endpoint's work.
    std::ranges::fill(to_->content(), std::byte{1});
    joined_ = seeder.endpoint.join(content.metadata, std::move(content.store), whole, {}, at(0))
                  .has_value();
    const auto wanted = leecher.endpoint.join(content.metadata, std::move(store), {}, {}, at(0));
    joined_ = joined_ && wanted.has_value();
    if (!joined_) return;
    swarm_ = *wanted;
    leecher.endpoint.add_peer(swarm_, seeder.address, at(0));
  }

  bool joined() const { return joined_; }
  bool complete() const { return leecher.endpoint.status(swarm_)->complete; }
  std::uint64_t octets_here() const { return leecher.endpoint.status(swarm_)->verified_bytes; }

  // Calls around(end, work) for each part of a turn, and that is to call work().
  template <typename Around>
  void turn(Around around) {
    around(leecher, [this] { leecher.send(at(us_)); });
    around(seeder, [this] { seeder.receive(leecher, at(us_ + kTurnUs / 4)); });
    around(seeder, [this] { seeder.send(at(us_ + kTurnUs / 2)); });
    around(leecher, [this] { leecher.receive(seeder, at(us_ + kTurnUs * 3 / 4)); });
    us_ += kTurnUs;
  }
  std::uint64_t microseconds() const { return us_; }

 private:
  static constexpr std::uint64_t kTurnUs = 100;

  static Now at(std::uint64_t us) {
    return {TimePoint(Microseconds(1'000'000 + us)), WallTime{1'000'000'000 + us}};
  }

  std::uint64_t us_ = 0;
  MemoryChunkStore* to_ = nullptr;
  SwarmHandle swarm_{};
  bool joined_ = false;

 public:
  TransferEnd seeder;
  TransferEnd leecher;
};

}  // namespace ppspp::test
