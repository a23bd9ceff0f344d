// One endpoint against two peers that say anything: valid messages in any order, damaged ones and
// noise, at any time, with a store that fails and a user who changes his mind. Whatever comes, the
// tables agree with each other, what is stored and sent is genuine, and in the end nothing is left.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <variant>
#include <vector>

#include "bins/peaks.h"
#include "channel/handshake_check.h"
#include "fuzz_input.h"
#include "integrity/needed_uncles.h"
#include "integrity/tree_builder.h"
#include "ppspp/endpoint.h"
#include "ppspp/random_source.h"
#include "storage/memory_chunk_store.h"
#include "wire/datagram.h"

namespace {

using namespace ppspp;
using fuzz::Input;
using fuzz::require;

constexpr int kMaxSteps = 300;
constexpr int kMaxPolls = 2'000;
constexpr std::uint32_t kChunkSize = 512;
constexpr std::size_t kContentSize = 13 * kChunkSize + 100;
constexpr std::uint64_t kChunks = 14;

// The content that the swarm is about, with its hashes.
struct Original {
  Original() {
    Rng random(7);
    for (std::byte& octet : octets) octet = static_cast<std::byte>(random.next_u64());
    memory.resize(MerkleTree::memory_size(kChunks, HashFunction::sha1));
    tree.emplace(kChunks, HashFunction::sha1, memory);
    TreeBuilder builder(*tree, kChunkSize, 1'024);
    Hasher hasher(HashFunction::sha1);
    builder.add_block(0, octets, hasher);
    id = SwarmId(builder.finish(hasher).octets());
  }
  std::span<const std::byte> chunk(ChunkIndex index) const {
    const auto from = std::span<const std::byte>(octets).subspan(index * kChunkSize);
    return from.first(std::min<std::size_t>(from.size(), kChunkSize));
  }

  std::array<std::byte, kContentSize> octets = {};
  std::vector<std::byte> memory;
  std::optional<MerkleTree> tree;
  SwarmId id;
};

const Original& original() {
  static const Original kOriginal;
  return kOriginal;
}

class Store final : public ChunkStore {
 public:
  Store(const fuzz::StoreFaults& faults, bool complete) : faults_(faults) {
    if (!complete) return;
    memory_.emplace(original().octets);
    const auto tree = memory_->tree_memory(original().memory.size());
    std::copy(original().memory.begin(), original().memory.end(), tree.begin());
  }
  StoreStatus read(std::uint64_t offset, std::span<const std::span<std::byte>> pieces) override {
    if (faults_.reads_fail) return StoreStatus::failed;
    return faults_.reads_wait ? StoreStatus::not_yet : memory().read(offset, pieces);
  }
  StoreStatus write(std::uint64_t offset,
                    std::span<const std::span<const std::byte>> pieces) override {
    if (faults_.writes_fail) return StoreStatus::failed;
    return faults_.writes_wait ? StoreStatus::not_yet : memory().write(offset, pieces);
  }
  void prefetch(std::uint64_t, std::uint64_t) override {}
  StoreStatus set_content_length(std::uint64_t length) override {
    return memory().set_content_length(length);
  }
  std::span<std::byte> tree_memory(std::size_t size) override { return memory().tree_memory(size); }
  bool content_suspect() override { return memory().content_suspect(); }

  MemoryChunkStore& memory() {
    if (!memory_) memory_.emplace(std::uint64_t{1} << 20);
    return *memory_;
  }

 private:
  const fuzz::StoreFaults& faults_;
  std::optional<MemoryChunkStore> memory_;
};

// RFC 8032, 7.1, test 1, as in a DNSKEY record.
std::vector<std::byte> authority() {
  constexpr std::uint8_t kKey[] = {15,   0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7,
                                   0xd5, 0x4b, 0xfe, 0xd3, 0xc9, 0x64, 0x07, 0x3a, 0x0e,
                                   0xe1, 0x72, 0xf3, 0xda, 0xa6, 0x23, 0x25, 0xaf, 0x02,
                                   0x1a, 0x68, 0xf7, 0x07, 0x51, 0x1a};
  const auto octets = std::as_bytes(std::span(kKey));
  return {octets.begin(), octets.end()};
}

// A peer outside: what it needs to know for its datagrams to be taken seriously.
struct Peer {
  TransportAddress address;
  ChannelId own;
  ChannelId remote;
  bool initiator = false;  // of the handshake that it says
  bool denied = false;     // by the rules
  TimePoint banned_until{};
};

class Session {
 public:
  explicit Session(Input& input) : input_(input), random_(input.octet()) {
    const std::uint8_t kind = input_.octet();
    constexpr ChunkAddressing kAddressings[] = {ChunkAddressing::chunk32, ChunkAddressing::bin32,
                                                ChunkAddressing::byte64, ChunkAddressing::chunk64};
    metadata_.id = original().id;
    metadata_.chunk_size = kChunkSize;
    metadata_.hash = HashFunction::sha1;
    metadata_.addressing = kAddressings[kind % 4];
    if ((kind & 4) != 0) metadata_.content_length = kContentSize;
    seeding_ = (kind & 8) != 0;
    if (kind % 4 == 3) metadata_.authority = authority();
    for (std::size_t i = 0; i < peers_.size(); ++i) {
      const auto number = static_cast<std::uint32_t>(i);
      peers_[i] = {TransportAddress::v4(0x7f000002 + number, 4'000), {0x1000 + number}, {}, true};
    }
    EndpointOptions options;
    options.max_channels = 4;
    options.max_half_open = 3;
    options.max_half_open_per_address = 2;
    if ((kind & 16) != 0) options.base_datagram_size = 600;
    if ((kind & 32) != 0) options.max_datagram_size = options.base_datagram_size;
    endpoint_.emplace(options, random_, now_);
    buffer_.resize(options.max_train_size);
    join();
    if ((kind & 64) != 0) establish((kind & 128) != 0);
  }

  void step() {
    switch (input_.below(12)) {
      case 0:
      case 1:
      case 2:
      case 3:
        return say();
      case 4:
        return hear(peer(), input_.octets(input_.octet()));
      case 5:
        return flush();
      case 6:
        return pass();
      case 7:
        return run();
      case 8:
        return toggle_fault();
      case 9:
        return poll();
      case 10:
        return command();
      default:
        return serve();
    }
  }

  void finish() {
    flush();
    check_content();
    endpoint_->stop_awaiting(metadata_.id);
    endpoint_->leave(swarm_, now_);
    asleep_ = false;  // nor is it joined again
    poll();
    now_.monotonic += std::chrono::minutes(1);
    endpoint_->handle_deadline(now_);
    poll();
    require(endpoint_->idle());
  }

 private:
  Peer& peer() { return peers_[input_.below(peers_.size())]; }
  WireFormat format() const { return wire_format(metadata_); }

  void join() {
    auto store = std::make_unique<Store>(faults_, seeding_);
    store_ = store.get();
    SwarmContent content;
    if (seeding_) content = {SwarmContent::State::complete, kContentSize, {}};
    const auto joined =
        endpoint_->join(metadata_, std::move(store), content, {.limits = limits_}, now_);
    require(joined.has_value());
    swarm_ = *joined;
    asleep_ = false;
  }

  void establish(bool as_initiator) {
    Peer& other = peers_[0];
    if (as_initiator) {
      endpoint_->add_peer(swarm_, other.address, now_);
      poll();
    }
    other.initiator = !as_initiator;
    say_messages(other, as_initiator ? other.remote : ChannelId{},
                 {Handshake{other.own, handshake_options(metadata_, HandshakeOptions::kKeepsAll,
                                                         !as_initiator, false)}});
    flush();
    poll();
    say_messages(other, other.remote, {Have{nameable_front({0, kChunks}, format())}});
    flush();
    poll();
  }

  ChunkRange range() {
    const ChunkIndex begin = input_.below(kChunks + 4);
    const std::uint8_t size = input_.octet();
    if (metadata_.addressing == ChunkAddressing::bin32) {
      const unsigned layer = size % 5;
      return {begin >> layer << layer, ((begin >> layer) + 1) << layer};
    }
    if (size == 255) return {0, 0x7fff'ffff};
    return {begin, begin + 1 + size % 20};
  }

  Bin any_bin() { return Bin(input_.below(2 * kChunks - 1)); }

  // Appends one message, mostly a genuine one.
  void add_message(const Peer& from, std::vector<Message>& messages) {
    switch (input_.below(14)) {
      case 0: {
        const std::uint8_t how = input_.octet();
        HandshakeOptions options = handshake_options(metadata_, HandshakeOptions::kKeepsAll,
                                                     (how & 1) != 0, (how & 2) != 0);
        if ((how & 4) != 0) options.supported_messages = MessageSet{input_.octet()};
        const bool closing = (how & 24) == 24;
        messages.emplace_back(closing ? Handshake{ChannelId{}, closing_options()}
                                      : Handshake{from.own, options});
        return;
      }
      case 1:
      case 2:
      case 3:
        return add_chunk(messages, input_.below(kChunks), input_.octet());
      case 4:
        messages.emplace_back(Ack{range(), input_.octet() * 1'000});
        return;
      case 5:
        messages.emplace_back(Have{range()});
        return;
      case 6: {
        const Bin bin = any_bin();
        if (original().tree->contains(bin)) {
          messages.emplace_back(Integrity{bin.chunks(), original().tree->node(bin)});
        }
        return;
      }
      case 7:
      case 8:
        messages.emplace_back(Request{range()});
        return;
      case 9:
        messages.emplace_back(Cancel{range()});
        return;
      case 10:
        messages.emplace_back(Choke{});
        return;
      case 11:
        messages.emplace_back(Unchoke{});
        return;
      case 12:
        messages.emplace_back(Ack{range(), static_cast<std::int64_t>(input_.octet()) << 56});
        return;
      default:
        return add_pex(messages, input_.octet());
    }
  }

  // Questions for peers, answers that may name one of us, and certificates.
  void add_pex(std::vector<Message>& messages, std::uint8_t how) {
    switch (how % 4) {
      case 0:
        messages.emplace_back(PexReq{});
        return;
      case 1:
        messages.emplace_back(
            PexResV4{0x7f000002 + std::uint32_t{how} / 4, static_cast<std::uint16_t>(4'000)});
        return;
      case 2: {
        PexResV6 told{.port = how};
        told.address[how % 16] = input_.octet();
        messages.emplace_back(told);
        return;
      }
      default:
        certificates_.push_back(input_.octets(input_.octet()));
        messages.emplace_back(PexResCert{certificates_.back()});
    }
  }

  // DATA with what proves it, or less, or damaged.
  void add_chunk(std::vector<Message>& messages, ChunkIndex chunk, std::uint8_t how) {
    if ((how & 1) == 0) {
      for (const Bin bin : peaks(kChunks)) {
        messages.emplace_back(Integrity{bin.chunks(), original().tree->node(bin)});
      }
    }
    if ((how & 2) == 0) {
      for (const Bin bin : needed_uncles(chunk, kChunks, [](ChunkRange) { return false; })) {
        messages.emplace_back(Integrity{bin.chunks(), original().tree->node(bin)});
      }
    }
    auto payload = original().chunk(chunk);
    if ((how & 12) == 12) payload = original().chunk((chunk + 1) % (kChunks - 1));
    messages.emplace_back(Data{{chunk, chunk + 1}, now_.wall.microseconds - how, payload});
  }

  void say() {
    const Peer& from = peer();
    std::vector<Message> messages;
    for (std::size_t count = input_.below(9); count > 0; --count) add_message(from, messages);
    const std::uint8_t where = input_.octet();
    const ChannelId to = where < 32 ? ChannelId{} : where < 40 ? ChannelId{where} : from.remote;
    say_messages(from, to, messages);
  }

  void say_messages(const Peer& from, ChannelId to, const std::vector<Message>& messages) {
    std::vector<std::byte> octets(16'384);
    ByteWriter out(octets);
    write_channel(out, to);
    for (const Message& message : messages) write_message(out, message, format());
    require(out.ok());
    octets.resize(out.size());
    if (input_.below(16) == 15) {  // damage
      octets[input_.below(octets.size())] ^= static_cast<std::byte>(input_.octet());
      octets.resize(octets.size() - input_.below(octets.size()));
    }
    hear(from, std::move(octets));
  }

  void hear(const Peer& from, std::vector<std::byte> octets) {
    // Exactly as large as it is, so that AddressSanitizer sees each step beyond it.
    const auto& datagram = batch_.emplace_back(std::move(octets));
    endpoint_->handle_datagram(datagram, from.address, now_);
    if (batch_.size() >= 8) flush();
  }

  void flush() {
    endpoint_->flush(now_);
    batch_.clear();
    endpoint_->check_invariants();
  }

  void pass() {
    constexpr std::int64_t kUnits[] = {1, 1'000, 100'000, 10'000'000};
    const std::int64_t unit = kUnits[input_.below(4)];
    advance(Microseconds{unit * (1 + input_.octet())});
    endpoint_->handle_deadline(now_);
  }

  void advance(Microseconds time) {
    now_.monotonic += time;
    now_.wall.microseconds += static_cast<std::uint64_t>(time.count());
  }

  // As a driver does, for a while.
  void run() {
    for (int i = 0; i < 32; ++i) {
      flush();
      poll();
      const TimePoint next = endpoint_->deadline();
      if (next == kNever) return;
      if (next > now_.monotonic) {
        advance(std::chrono::duration_cast<Microseconds>(next - now_.monotonic));
      }
      endpoint_->handle_deadline(now_);
    }
  }

  void poll() {
    flush();
    int count = 0;
    while (const auto transmit = endpoint_->poll_transmit(buffer_, now_)) {
      require(++count < kMaxPolls);
      require(transmit->size > 0 && transmit->size <= buffer_.size());
      require(transmit->segment_size > 0 && transmit->segment_size <= transmit->size);
      for (std::size_t at = 0; at < transmit->size; at += transmit->segment_size) {
        const std::size_t size = std::min(transmit->segment_size, transmit->size - at);
        look_at(transmit->to, std::span<const std::byte>(buffer_).subspan(at, size));
      }
    }
    while (const auto event = endpoint_->poll_event()) {
      if (!std::holds_alternative<event::Wanted>(event->what) || !asleep_) continue;
      require(awaited_ && event->swarm == SwarmHandle{});
      join();
    }
    endpoint_->check_invariants();
  }

  // All that leaves is readable, and all DATA genuine.
  void look_at(const TransportAddress& to, std::span<const std::byte> datagram) {
    for (const Peer& peer : peers_) {
      if (peer.address == to) require(!peer.denied && now_.monotonic >= peer.banned_until);
    }
    DatagramReader reader(datagram, format());
    while (const auto message = reader.next()) {
      if (const auto* data = std::get_if<Data>(&*message)) {
        require(data->chunks.size() == 1 && data->chunks.begin < kChunks);
        require(std::ranges::equal(data->payload, original().chunk(data->chunks.begin)));
      } else if (const auto* told = std::get_if<PexResV4>(&*message)) {
        require(to.is_internal());
        require(TransportAddress::v4(told->address, told->port) != to);
      } else if (const auto* handshake = std::get_if<Handshake>(&*message)) {
        for (Peer& peer : peers_) {
          if (peer.address == to && handshake->source.value != 0) peer.remote = handshake->source;
        }
      }
    }
    require(!reader.error());
  }

  void toggle_fault() {
    switch (input_.below(6)) {
      case 0:
        faults_.reads_wait = !faults_.reads_wait;
        return;
      case 1:
        faults_.writes_wait = !faults_.writes_wait;
        return;
      case 2:
        faults_.reads_fail = true;
        return;
      case 3:
        faults_.writes_fail = true;
        return;
      case 4:
        return endpoint_->store_ready(swarm_, now_);
      default:
        damage();
    }
  }

  void damage() {
    if (!seeding_ || asleep_) return;
    store_->memory().set_suspect(true);
    store_->memory().content()[input_.octet() * 26U] ^= std::byte{1};
  }

  void command() {
    switch (input_.below(7)) {
      case 0:
        return endpoint_->add_peer(swarm_, peer().address, now_);
      case 1:
        return endpoint_->set_limits(input_.octet() * 100U, input_.octet() * 100U, now_);
      case 2:
        return endpoint_->set_limits(std::nullopt, std::nullopt, now_);
      case 3:
        return endpoint_->set_read_position(swarm_, input_.octet(), now_);
      case 4:
        return endpoint_->handle_too_big(peer().address, input_.octet() * 256U, now_);
      case 5:
        leave();
        return join();
      default:
        return input_.below(2) == 0 ? look_around() : govern();
    }
  }

  void leave() {
    check_content();
    endpoint_->leave(swarm_, now_);
    batch_.clear();
    faults_ = {};
    asleep_ = true;
  }

  void look_around() {
    require(endpoint_->status(swarm_).has_value() != asleep_);
    require(endpoint_->channels(swarm_, now_).size() <= 8);
    require(endpoint_->availability(swarm_, input_.octet()).size() <= 255);
    const EndpointStatistics statistics = endpoint_->statistics(now_);
    require(statistics.swarms == (asleep_ ? 0 : 1));
    require(statistics.swarms_awaited == (asleep_ && awaited_ ? 1 : 0));
    require(statistics.channels_established <= 4);
  }

  // What a user of a server does: limits, bans, swarms that sleep.
  void govern() {
    switch (input_.below(8)) {
      case 0:
        limits_ = {.total = rates(),
                   .per_peer = rates(),
                   .weight = input_.octet() * 40U,
                   .max_channels = input_.below(4)};
        return endpoint_->set_swarm_limits(swarm_, limits_, now_);
      case 1:
        return endpoint_->set_peer_limits(rates(), now_);
      case 2:
        return deny(peer(), input_.below(2) == 0);
      case 3:
        return ban(peer(), input_.octet());
      case 4: {
        Peer& pardoned = peer();
        pardoned.banned_until = {};
        endpoint_->unban(Network::of(pardoned.address));
        return;
      }
      case 5:
        awaited_ = true;
        endpoint_->await(metadata_.id);
        return leave();
      case 6:
        if (asleep_) join();
        return;
      default:
        awaited_ = false;
        return endpoint_->stop_awaiting(metadata_.id);
    }
  }

  RateLimits rates() {
    RateLimits limits;
    if (const std::uint8_t rate = input_.octet(); rate < 200) limits.upload = rate * 300U;
    if (const std::uint8_t rate = input_.octet(); rate < 200) limits.download = rate * 300U;
    return limits;
  }

  void deny(Peer& denied, bool by_network) {
    AddressRules rules;
    for (Peer& other : peers_) other.denied = false;
    if (by_network) {
      rules.deny = {Network::of(denied.address)};
      denied.denied = true;
    }
    endpoint_->set_address_rules(rules, now_);
  }

  void ban(Peer& banned, std::uint8_t seconds) {
    const bool for_good = seconds == 255;
    banned.banned_until = for_good ? kNever : now_.monotonic + std::chrono::seconds(seconds);
    const std::optional<Microseconds> duration =
        for_good ? std::nullopt : std::optional<Microseconds>(std::chrono::seconds(seconds));
    endpoint_->ban(Network::of(banned.address), duration, now_);
  }

  // Answers what was asked last, so that downloads get far.
  void serve() {
    const Peer& from = peer();
    const ChunkIndex first = input_.below(kChunks);
    for (ChunkIndex chunk = first; chunk < std::min<ChunkIndex>(first + 4, kChunks); ++chunk) {
      std::vector<Message> messages;
      add_chunk(messages, chunk, 0);
      say_messages(from, from.remote, messages);
    }
  }

  // What is verified is what was published.
  void check_content() {
    if (seeding_ || asleep_ || !endpoint_->status(swarm_)->content_length) return;
    const auto kept = std::as_const(store_->memory()).content();
    require(kept.size() == kContentSize);
    for (ChunkIndex chunk = 0; chunk < kChunks; ++chunk) {
      if (!endpoint_->has_chunk(swarm_, chunk)) continue;
      const auto own = kept.subspan(chunk * kChunkSize, original().chunk(chunk).size());
      require(std::ranges::equal(own, original().chunk(chunk)));
    }
  }

  Input& input_;
  Rng random_;
  Now now_{TimePoint{std::chrono::seconds(1)}, {1'700'000'000'000'000}};
  SwarmMetadata metadata_;
  bool seeding_ = false;
  fuzz::StoreFaults faults_;
  std::array<Peer, 2> peers_;
  std::deque<std::vector<std::byte>> batch_;
  std::deque<std::vector<std::byte>> certificates_;  // that messages are views of
  std::vector<std::byte> buffer_;
  std::optional<Endpoint> endpoint_;
  SwarmHandle swarm_;
  SwarmLimits limits_;
  bool asleep_ = true;    // not joined
  bool awaited_ = false;  // as told to the endpoint
  Store* store_ = nullptr;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input(data, size);
  Session session(input);
  for (int step = 0; step < kMaxSteps && !input.at_end(); ++step) session.step();
  session.finish();
  return 0;
}
