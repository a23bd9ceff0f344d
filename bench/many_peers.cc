#include "many_peers.h"

#include <time.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>

#include "crypto/hasher.h"
#include "integrity/merkle_tree.h"
#include "support/heap.h"

namespace bench {
namespace {

using namespace std::chrono_literals;
using ppspp::Bin;
using ppspp::ChunkStore;
using ppspp::Endpoint;
using ppspp::EndpointOptions;
using ppspp::kNever;
using ppspp::MerkleTree;
using ppspp::Microseconds;
using ppspp::Now;
using ppspp::StoreStatus;
using ppspp::SwarmContent;
using ppspp::SwarmHandle;
using ppspp::SwarmMetadata;
using ppspp::TimePoint;
using ppspp::Transmit;
using ppspp::TransportAddress;

constexpr std::size_t kChunk = ppspp::kDefaultChunkSize;
constexpr Microseconds kDelay = 10ms;  // one way
constexpr Microseconds kTick = 250us;  // what is due within one happens together
constexpr std::size_t kBatch = 64;     // datagrams that are read before a flush
constexpr std::size_t kTrain = std::size_t{16} << 10;
// So much of each content is under way to one peer at most: all channels are as fast.
constexpr std::size_t kWindow = std::size_t{24} << 10;

const TransportAddress kHub = TransportAddress::v4(0x0cff'0001, 6778);

using Chunk = std::array<std::byte, kChunk>;

void require(bool ok) {
  if (!ok) std::abort();
}

// The chunk with that index of all contents but for the first one's number.
Chunk chunk_of(std::uint64_t index, std::uint64_t number) {
  Chunk chunk;
  chunk.fill(static_cast<std::byte>(index));
  if (index == 0) std::memcpy(chunk.data(), &number, sizeof number);
  return chunk;
}

class ThinStore final : public ChunkStore {
 public:
  ThinStore(std::uint64_t number, std::vector<std::byte> tree)
      : number_(number), tree_(std::move(tree)) {}

  StoreStatus read(std::uint64_t offset, std::span<const std::span<std::byte>> pieces) override {
    for (const std::span<std::byte> piece : pieces) {
      require(offset % kChunk + piece.size() <= kChunk);
      const Chunk chunk = chunk_of(offset / kChunk, number_);
      std::memcpy(piece.data(), chunk.data() + offset % kChunk, piece.size());
      offset += piece.size();
    }
    return StoreStatus::done;
  }
  StoreStatus write(std::uint64_t, std::span<const std::span<const std::byte>>) override {
    return StoreStatus::done;
  }
  void prefetch(std::uint64_t, std::uint64_t) override {}
  StoreStatus set_content_length(std::uint64_t) override { return StoreStatus::done; }
  std::span<std::byte> tree_memory(std::size_t size) override {
    if (tree_.empty()) tree_.resize(size);
    return std::span(tree_).first(std::min(size, tree_.size()));
  }
  bool content_suspect() override { return false; }

 private:
  std::uint64_t number_;
  std::vector<std::byte> tree_;
};

double cpu_seconds() {
  timespec now = {};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

class Meter {
 public:
  explicit Meter(ManyPeers::Cost& cost)
      : cost_(cost),
        cpu_(cpu_seconds()),
        heap_(ppspp::test::heap_in_use()),
        allocations_(ppspp::test::allocations()) {}
  ~Meter() {
    cost_.cpu_s += cpu_seconds() - cpu_;
    cost_.heap += ppspp::test::heap_in_use() - heap_;
    cost_.allocations += ppspp::test::allocations() - allocations_;
  }
  Meter(const Meter&) = delete;
  Meter& operator=(const Meter&) = delete;

 private:
  ManyPeers::Cost& cost_;
  double cpu_;
  std::int64_t heap_;
  std::int64_t allocations_;
};

EndpointOptions options_of(bool hub) {
  EndpointOptions options;
  options.max_channels = hub ? 100'000 : 200;
  options.ledbat.max_window_bytes = kWindow;
  options.ledbat.slowdown = false;  // all at once on one clock: none of the runs shall meet one
  options.max_datagram_size = options.base_datagram_size;
  options.max_train_size = kTrain;
  return options;
}

SwarmContent content_state(const Contents& contents, bool complete) {
  if (!complete) return {};
  return {.state = SwarmContent::State::complete, .length = contents.length(), .verified = {}};
}

}  // namespace

Contents::Contents(std::uint64_t chunks) : chunks_(chunks) {
  require(chunks != 0 && (chunks & (chunks - 1)) == 0);
  ppspp::Hasher hasher(ppspp::HashFunction::sha256);
  tree_.resize(MerkleTree::memory_size(chunks, ppspp::HashFunction::sha256));
  MerkleTree tree(chunks, ppspp::HashFunction::sha256, tree_);
  for (std::uint64_t i = 0; i < chunks; ++i) {
    tree.set(Bin::leaf(i), hasher.hash(chunk_of(i, 0)).octets());
  }
  for (int height = 1; chunks >> height != 0; ++height) {
    for (std::uint64_t i = 0; i < chunks >> height; ++i) {
      tree.set_from_children(Bin::node(height, i), hasher);
    }
  }
}

std::uint64_t Contents::length() const {
  return chunks_ * kChunk;
}

std::vector<std::byte> Contents::tree(std::uint64_t number) const {
  ppspp::Hasher hasher(ppspp::HashFunction::sha256);
  std::vector<std::byte> memory = tree_;
  MerkleTree tree(chunks_, ppspp::HashFunction::sha256, memory);
  tree.set(Bin::leaf(0), hasher.hash(chunk_of(0, number)).octets());
  for (int height = 1; chunks_ >> height != 0; ++height) {
    tree.set_from_children(Bin::node(height, 0), hasher);
  }
  return memory;
}

SwarmMetadata Contents::metadata(std::uint64_t number) const {
  std::vector<std::byte> memory = tree(number);
  SwarmMetadata metadata;
  const auto root = MerkleTree(chunks_, ppspp::HashFunction::sha256, memory).root();
  metadata.id = ppspp::SwarmId(root->octets());
  metadata.content_length = length();
  return metadata;
}

std::unique_ptr<ChunkStore> Contents::store(std::uint64_t number, bool complete) const {
  return std::make_unique<ThinStore>(number, complete ? tree(number) : std::vector<std::byte>{});
}

ManyPeers::ManyPeers() : buffer_(kBatch * kTrain) {
  const Meter meter(cost_);
  hub_ = std::make_unique<Endpoint>(options_of(true), random_, now());
}

Now ManyPeers::now() const {
  return {time_, {static_cast<std::uint64_t>(time_.time_since_epoch().count())}};
}

SwarmHandle ManyPeers::join(const Contents& contents, std::uint64_t number, bool complete) {
  auto store = contents.store(number, complete);
  const auto metadata = contents.metadata(number);
  const Meter meter(cost_);
  const auto joined =
      hub_->join(metadata, std::move(store), content_state(contents, complete), {}, now());
  require(joined.has_value());
  return *joined;
}

void ManyPeers::leave(SwarmHandle swarm) {
  const Meter meter(cost_);
  hub_->leave(swarm, now());
}

void ManyPeers::add_peer(const Contents& contents, std::uint64_t number, bool complete) {
  const auto index = static_cast<std::uint32_t>(peers_.size());
  Peer& peer = peers_.emplace_back(index);
  peer.address = TransportAddress::v4(0x0b00'0001 + index * 256, 6778);
  peer.endpoint = std::make_unique<Endpoint>(options_of(false), peer.random, now());
  const auto joined =
      peer.endpoint->join(contents.metadata(number), contents.store(number, complete),
                          content_state(contents, complete), {}, now());
  require(joined.has_value());
  peer.endpoint->add_peer(*joined, kHub, now());
  by_address_.emplace(peer.address, &peer);
  pump(peer);
}

void ManyPeers::run_for(Microseconds time) {
  const TimePoint until = time_ + time;
  while (step(until)) {
  }
}

void ManyPeers::run_datagrams(std::uint64_t datagrams, Microseconds most) {
  const std::uint64_t end = cost().datagrams + datagrams;
  const TimePoint until = time_ + most;
  while (cost().datagrams < end && step(until)) {
  }
}

ManyPeers::Cost ManyPeers::cost() const {
  Cost cost = cost_;
  const auto& counters = hub_->counters();
  cost.datagrams = counters.datagrams_in + counters.datagrams_out;
  return cost;
}

std::size_t ManyPeers::channels() const {
  return hub_->statistics(now()).channels_established;
}

bool ManyPeers::step(TimePoint until) {
  TimePoint next = hub_->deadline();
  for (const Packets* packets : {&to_hub_, &to_peers_}) {
    if (!packets->empty()) next = std::min(next, packets->front().at);
  }
  if (!wakes_.empty()) next = std::min(next, wakes_.top().first);
  if (next > until) {
    time_ = until;
    return false;
  }
  const Microseconds since = std::max(next, time_).time_since_epoch();
  time_ = TimePoint((since + kTick) / kTick * kTick);
  run_hub();
  run_peers();
  return true;
}

std::span<ManyPeers::Packet> ManyPeers::take_due(Packets& packets, std::vector<Packet>& due) {
  for (Packet& packet : due) spare_.push_back(std::move(packet.octets));
  due.clear();
  while (!packets.empty() && packets.front().at <= time_ && due.size() < kBatch) {
    due.push_back(std::move(packets.front()));
    packets.pop_front();
  }
  return due;
}

void ManyPeers::run_hub() {
  std::vector<Packet> batch;
  while (!take_due(to_hub_, batch).empty()) {
    {
      const Meter meter(cost_);
      for (const Packet& packet : batch) {
        hub_->handle_datagram(packet.octets, packet.peer->address, now());
      }
      hub_->flush(now());
    }
    pump_hub();
  }
  if (hub_->deadline() > time_) return;
  {
    const Meter meter(cost_);
    hub_->handle_deadline(now());
  }
  pump_hub();
}

// Into one large buffer first, as a driver does: the clock is read once for many.
void ManyPeers::pump_hub() {
  do {
    outgoing_.clear();
    {
      const Meter meter(cost_);
      while (hub_->poll_event()) {
      }
      while (outgoing_.size() < kBatch) {
        const auto room = std::span(buffer_).subspan(outgoing_.size() * kTrain, kTrain);
        const auto transmit = hub_->poll_transmit(room, now());
        if (!transmit) break;
        outgoing_.push_back(*transmit);
      }
    }
    for (std::size_t i = 0; i < outgoing_.size(); ++i) {
      send(to_peers_, *by_address_.at(outgoing_[i].to), outgoing_[i],
           std::span(buffer_).subspan(i * kTrain));
    }
  } while (outgoing_.size() == kBatch);
}

void ManyPeers::run_peers() {
  std::vector<Packet> batch;
  while (!take_due(to_peers_, batch).empty()) {
    for (const Packet& packet : batch) {
      packet.peer->endpoint->handle_datagram(packet.octets, kHub, now());
    }
    for (const Packet& packet : batch) {
      packet.peer->endpoint->flush(now());
      pump(*packet.peer);
    }
  }
  while (!wakes_.empty() && wakes_.top().first <= time_) {
    Peer& peer = peers_[wakes_.top().second];
    wakes_.pop();
    if (peer.wake > time_) continue;  // overtaken by a later time
    peer.wake = kNever;
    if (peer.endpoint->deadline() <= time_) peer.endpoint->handle_deadline(now());
    pump(peer);
  }
}

void ManyPeers::pump(Peer& peer) {
  const auto room = std::span(buffer_).first(kTrain);
  while (const auto transmit = peer.endpoint->poll_transmit(room, now())) {
    send(to_hub_, peer, *transmit, room);
  }
  while (peer.endpoint->poll_event()) {
  }
  const TimePoint wake = std::max(peer.endpoint->deadline(), time_ + kTick);
  if (wake >= peer.wake || peer.endpoint->deadline() == kNever) return;
  peer.wake = wake;
  wakes_.emplace(wake, peer.index);
}

void ManyPeers::send(Packets& packets, Peer& peer, const Transmit& transmit,
                     std::span<const std::byte> octets) {
  for (std::size_t at = 0; at < transmit.size; at += transmit.segment_size) {
    const auto datagram = octets.subspan(at, std::min(transmit.segment_size, transmit.size - at));
    Packet packet{time_ + kDelay, &peer, {}};
    if (!spare_.empty()) {
      packet.octets = std::move(spare_.back());
      spare_.pop_back();
    }
    packet.octets.assign(datagram.begin(), datagram.end());
    packets.push_back(std::move(packet));
  }
}

}  // namespace bench
