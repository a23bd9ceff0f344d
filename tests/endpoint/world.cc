#include "endpoint/world.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <deque>
#include <utility>

#include "integrity/tree_builder.h"
#include "storage/memory_chunk_store.h"
#include "wire/datagram.h"

namespace ppspp::test {

Node::Node(World& world, std::size_t index, const EndpointOptions& options)
    : world_(world),
      options_(options),
      address_(TransportAddress::v4(0x0a000001 + static_cast<std::uint32_t>(index), 6778)),
      random_(world.random().next_u64()),
      clock_offset_us_(static_cast<std::int64_t>(world.random().below(1'000'000'000'000))) {
  endpoint_ = std::make_unique<Endpoint>(options_, random_, world_.now(*this));
}

void Node::crash() {
  endpoint_ = std::make_unique<Endpoint>(options_, random_, world_.now(*this));
  events_.clear();
}

SwarmMetadata Node::seed(std::span<const std::byte> content, SwarmMetadata metadata) {
  auto store = complete_store(content, metadata);
  join(metadata, std::move(store),
       {.state = SwarmContent::State::complete, .length = content.size(), .verified = {}});
  return metadata;
}

SwarmMetadata Node::seed_part(std::span<const std::byte> content, SwarmMetadata metadata,
                              const std::vector<ChunkRange>& verified) {
  auto store = complete_store(content, metadata);
  // What is not verified is not there.
  const auto octets = static_cast<MemoryChunkStore&>(*store).content();
  for (std::size_t at = 0; at < octets.size(); at += metadata.chunk_size) {
    const ChunkIndex chunk = at / metadata.chunk_size;
    if (std::any_of(verified.begin(), verified.end(),
                    [chunk](ChunkRange range) { return range.contains(chunk); })) {
      continue;
    }
    const auto place = octets.subspan(at);
    std::ranges::fill(place.first(std::min<std::size_t>(place.size(), metadata.chunk_size)),
                      std::byte{0});
  }
  join(metadata, std::move(store),
       {.state = SwarmContent::State::partial, .length = content.size(), .verified = verified});
  return metadata;
}

SwarmHandle Node::join(const SwarmMetadata& metadata, PickPolicy policy) {
  return join(metadata, std::make_unique<MemoryChunkStore>(), {}, {.policy = policy});
}

SwarmHandle Node::join(const SwarmMetadata& metadata, std::unique_ptr<ChunkStore> store,
                       const SwarmContent& content, const JoinSettings& settings) {
  const auto joined =
      endpoint_->join(metadata, std::move(store), content, settings, world_.now(*this));
  REQUIRE_MESSAGE(joined, (joined ? "" : joined.error().context));
  return swarm_ = *joined;
}

std::vector<ChannelStatus> Node::channels(SwarmHandle swarm) const {
  return endpoint_->channels(swarm, world_.now(*this));
}

void Node::add_peer(SwarmHandle swarm, const Node& peer) {
  endpoint_->add_peer(swarm, peer.address(), world_.now(*this));
}

std::vector<std::byte> Node::content(SwarmHandle swarm) {
  const auto* store = static_cast<MemoryChunkStore*>(endpoint_->store(swarm));
  return {store->content().begin(), store->content().end()};
}

void Node::pump() {
  if (!std::exchange(may_have_output_, false)) return;
  std::vector<std::byte> buffer(options_.max_train_size);
  for (int count = 0; count < 100'000; ++count) {
    const auto transmit = endpoint_->poll_transmit(buffer, world_.now(*this));
    if (!transmit) break;
    REQUIRE(transmit->size > 0);
    REQUIRE(transmit->segment_size > 0);
    for (std::size_t at = 0; at < transmit->size; at += transmit->segment_size) {
      const std::size_t size = std::min(transmit->segment_size, transmit->size - at);
      world_.transmit(*this, transmit->to, std::span<const std::byte>(buffer).subspan(at, size));
    }
  }
  while (const auto event = endpoint_->poll_event()) events_.push_back(*event);
}

World::World(std::uint64_t seed, const LinkOptions& link) : link_(link), random_(seed) {}

Node& World::add_node(const EndpointOptions& wanted) {
  EndpointOptions options = wanted;
  options.pex = options.pex && peers_tell;
  nodes_.push_back(std::make_unique<Node>(*this, nodes_.size(), options));
  by_address_[nodes_.back()->address_] = nodes_.back().get();
  return *nodes_.back();
}

Now World::now(const Node& node) const {
  const auto us = static_cast<std::int64_t>(time_.time_since_epoch().count());
  constexpr std::int64_t kSomeDay = 1'790'000'000'000'000;  // in 2026
  return {time_,
          {static_cast<std::uint64_t>(us + (clocks_agree ? kSomeDay : node.clock_offset_us_))}};
}

TransportAddress World::stranger(std::size_t index) const {
  return TransportAddress::v4(0x0a010001 + static_cast<std::uint32_t>(index), 7000);
}

bool World::chance(double probability) {
  if (probability <= 0) return false;
  return static_cast<double>(random_.below(1'000'000)) < probability * 1e6;
}

void World::transmit(Node& from, const TransportAddress& to, std::span<const std::byte> datagram) {
  if (from.on_send && !from.on_send(datagram)) return;
  ++datagrams_;
  const LinkOptions& link = from.link ? *from.link : link_;
  if (datagram.size() > link.mtu || chance(link.loss)) return;
  TimePoint sent = time_;
  if (link.rate != 0) {
    const TimePoint start = std::max(time_, from.link_free_at_);
    const auto waiting =
        static_cast<std::uint64_t>((start - time_).count()) * link.rate / 1'000'000;
    if (waiting > link.queue) return;
    from.link_free_at_ =
        start +
        Microseconds(static_cast<std::int64_t>((datagram.size() + 28) * 1'000'000 / link.rate));
    sent = from.link_free_at_;
  }
  const int copies = chance(link.duplication) ? 2 : 1;
  for (int copy = 0; copy < copies; ++copy) {
    const TimePoint at = sent + link.delay * (chance(link.reordering) ? 2 : 1);
    if (chance(link.corruption) && !datagram.empty()) {
      std::vector<std::byte> damaged(datagram.begin(), datagram.end());
      damaged[random_.below(damaged.size())] ^= static_cast<std::byte>(1U << random_.below(8));
      fly(from.address_, to, damaged, at);
    } else {
      fly(from.address_, to, datagram, at);
    }
  }
}

void World::fly(const TransportAddress& from, const TransportAddress& to,
                std::span<const std::byte> datagram, TimePoint at) {
  flying_.push({at, order_++, from, to, {datagram.begin(), datagram.end()}});
}

void World::send_as(const TransportAddress& from, Node& to, std::span<const std::byte> datagram) {
  fly(from, to.address(), datagram, time_ + link_.delay);
}

Node* World::find(const TransportAddress& address) {
  const auto found = by_address_.find(address);
  return found == by_address_.end() ? nullptr : found->second;
}

// Delivers what is due next, or wakes who wants it; false if nothing happens until `limit`.
bool World::step(TimePoint limit) {
  if (++steps_ % steps_per_check == 0) {
    for (const auto& node : nodes_) node->endpoint_->check_invariants();
  }
  TimePoint next = flying_.empty() ? kNever : flying_.top().at;
  for (const auto& node : nodes_) {
    node->pump();
    if (node->paused_) continue;
    next = std::min(next, std::max(node->endpoint_->deadline(), time_));
  }
  if (!flying_.empty()) next = std::min(next, flying_.top().at);
  if (next > limit) {
    time_ = limit;
    return false;
  }
  time_ = std::max(time_, next);
  for (const auto& node : nodes_) {
    if (!node->paused_ && node->endpoint_->deadline() <= time_) {
      node->endpoint_->handle_deadline(now(*node));
      node->may_have_output_ = true;
    }
  }
  deliver();
  return true;
}

// Batches are as long as chance has it.
void World::deliver() {
  std::deque<Flying> batch;  // stays where it is until the flush
  const auto flush = [&] {
    // As a driver does: only after what came, not after a deadline or a command.
    for (const auto& node : nodes_) {
      if (!std::exchange(node->heard_, false)) continue;
      if (before_flush) before_flush(*node);
      node->endpoint_->flush(now(*node));
    }
    batch.clear();
  };
  while (!flying_.empty() && flying_.top().at <= time_) {
    batch.push_back(flying_.top());
    flying_.pop();
    const Flying& datagram = batch.back();
    Node* node = find(datagram.to);
    if (node == nullptr) {
      inbox.push_back({datagram.from, datagram.to, datagram.octets, time_});
    } else if (!node->paused_) {
      node->may_have_output_ = node->heard_ = true;
      node->endpoint_->handle_datagram(datagram.octets, datagram.from, now(*node));
    }
    if (batch.size() >= 64 || chance(flush_chance)) flush();
  }
  flush();
}

bool World::run_until(const std::function<bool()>& condition, Microseconds most) {
  const TimePoint limit = time_ + most;
  while (!condition()) {
    REQUIRE_MESSAGE(steps_ < max_steps, "the simulation does not come to rest");
    if (!step(limit)) {
      for (const auto& node : nodes_) node->pump();
      return condition();
    }
  }
  return true;
}

void World::run_for(Microseconds time) {
  run_until([] { return false; }, time);
}

void build_tree(std::span<const std::byte> content, SwarmMetadata& metadata, ChunkStore& store) {
  if (metadata.integrity != IntegrityMethod::merkle) return;
  const std::uint64_t chunks = (content.size() + metadata.chunk_size - 1) / metadata.chunk_size;
  MerkleTree tree(chunks, metadata.hash,
                  store.tree_memory(MerkleTree::memory_size(chunks, metadata.hash)));
  TreeBuilder builder(tree, metadata.chunk_size, 1'024);
  Hasher hasher(metadata.hash);
  for (std::uint64_t first = 0; first < chunks; first += 1'024) {
    const std::size_t begin = first * metadata.chunk_size;
    const std::size_t size =
        std::min<std::size_t>(content.size() - begin, 1'024 * std::size_t{metadata.chunk_size});
    builder.add_block(first, content.subspan(begin, size), hasher);
  }
  metadata.id = SwarmId(builder.finish(hasher).octets());
}

std::unique_ptr<ChunkStore> complete_store(std::span<const std::byte> content,
                                           SwarmMetadata& metadata) {
  auto store = std::make_unique<MemoryChunkStore>(content);
  build_tree(content, metadata, *store);
  return store;
}

std::vector<std::byte> random_content(std::size_t size, std::uint64_t seed) {
  Rng rng(seed);
  std::vector<std::byte> content(size);
  for (std::byte& octet : content) octet = static_cast<std::byte>(rng.next_u64());
  return content;
}

}  // namespace ppspp::test
