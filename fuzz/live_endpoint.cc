// One endpoint that follows a live feed, or publishes it, against two peers that say anything: true
// munros and forged ones, chunks with and without what proves them, the end of the feed before and
// after it, a source that starts again, noise; with a store that fails and a user who changes his
// mind. Whatever comes, what is stored and sent is the feed's, nothing is announced that is not
// signed, and in the end nothing is left.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "bins/bin.h"
#include "channel/handshake_check.h"
#include "crypto/hasher.h"
#include "fuzz_input.h"
#include "ppspp/endpoint.h"
#include "ppspp/random_source.h"
#include "storage/ring_chunk_store.h"
#include "wire/datagram.h"
#include "wire/signed_content.h"

namespace {

using namespace ppspp;
using fuzz::Input;
using fuzz::require;

constexpr int kMaxSteps = 300;
constexpr int kMaxPolls = 4'000;
constexpr std::uint32_t kChunkSize = 512;
constexpr std::size_t kShortSize = 100;  // of the last chunk
constexpr std::uint64_t kWidth = 4;
constexpr std::uint64_t kGroups = 16;
constexpr std::uint64_t kAgain = 200;  // the first group after the source started again
constexpr std::uint64_t kGroupsAgain = 4;
constexpr std::uint64_t kBeganAt = 1'700'000'000'000'000;  // microseconds since 1970
constexpr std::size_t kMaxFed = 48 * 1'024;

constexpr const char* kKey =
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEIJQm7Su/D7KopuyPZH6aANW0/JYqT5V2703w45owg3cG\n"
    "-----END PRIVATE KEY-----\n";

std::unique_ptr<SigningKey> make_key() {
  auto key = SigningKey::from_pem(kKey);
  require(key.has_value());
  return std::make_unique<SigningKey>(*std::move(key));
}

std::byte feed_octet(std::uint64_t offset) {
  return static_cast<std::byte>((offset * 0x9e3779b97f4a7c15) >> 56);
}

std::vector<std::byte> feed_octets(std::uint64_t offset, std::size_t size) {
  std::vector<std::byte> octets(size);
  for (std::byte& octet : octets) octet = feed_octet(offset++);
  return octets;
}

// A feed as its source signs it: kGroups groups, the last of them one chunk short and with a short
// chunk at the end, then the mark of the end; and after that the source that started again.
class Feed {
 public:
  explicit Feed(const SwarmMetadata& metadata)
      : metadata_(metadata),
        format_(wire_format(metadata)),
        signs_each_(metadata.integrity == IntegrityMethod::sign_all),
        width_(signs_each_ ? 1 : kWidth),
        key_(make_key()) {
    const std::uint64_t scale = kWidth / width_;
    for (std::uint64_t g = 0; g < kGroups * scale; ++g) sign(g, g);
    sign((end() + width_ - 1) / width_, kGroups * scale);
    for (std::uint64_t g = 0; g < kGroupsAgain * scale; ++g) {
      sign(kAgain * scale + g, kGroups * scale + 10 + g);
    }
    sign((kAgain + kGroupsAgain) * scale, kGroups * scale + 40);
  }

  std::uint64_t width() const { return width_; }
  // One past the last chunk, of the first run of the source and of the second.
  static constexpr ChunkIndex end() { return kGroups * kWidth - 1; }
  static constexpr ChunkIndex end_again() { return (kAgain + kGroupsAgain) * kWidth; }
  static bool has(ChunkIndex chunk) {
    return chunk < end() || (chunk >= kAgain * kWidth && chunk < end_again());
  }
  static std::vector<std::byte> payload(ChunkIndex chunk) {
    return feed_octets(chunk * kChunkSize, chunk + 1 == end() ? kShortSize : kChunkSize);
  }
  // Who has missed the last chunk takes it for a full one, and who has missed all of its group
  // takes that for a full one.
  static bool is_length(std::uint64_t length) {
    return length == (end() - 1) * kChunkSize + kShortSize || length == end() * kChunkSize ||
           length == (end() + 1) * kChunkSize || length == end_again() * kChunkSize;
  }

  bool is_signed(std::uint64_t group) const { return groups_.contains(group); }
  ChunkRange chunks_of(std::uint64_t group) const { return {group * width_, (group + 1) * width_}; }
  // The munro of a group that is signed; with Sign All it has no hash.
  void add_munro(std::uint64_t group, std::vector<Message>& messages) const {
    const Group& own = groups_.at(group);
    const Bin top = bin_of(chunks_of(group));
    if (!signs_each_)
      messages.emplace_back(Integrity{chunks_of(group), own.nodes.at(top).octets()});
    messages.emplace_back(SignedIntegrity{chunks_of(group), own.ntp, own.signature});
  }
  void add_uncles(ChunkIndex chunk, std::vector<Message>& messages) const {
    const std::uint64_t group = chunk / width_;
    if (signs_each_ || !is_signed(group)) return;
    std::vector<Message> upwards;
    const Bin top = bin_of(chunks_of(group));
    for (Bin node = Bin::leaf(chunk); node != top; node = node.parent()) {
      upwards.emplace_back(
          Integrity{node.sibling().chunks(), groups_.at(group).nodes.at(node.sibling()).octets()});
    }
    messages.insert(messages.end(), upwards.rbegin(), upwards.rend());
  }
  std::span<const std::byte> chunk(ChunkIndex index) const { return chunks_.at(index); }

 private:
  struct Group {
    std::uint64_t ntp = 0;
    std::map<Bin, Digest> nodes;
    std::vector<std::byte> signature;
  };

  // Made `time` times 50 ms after the feed began.
  void sign(std::uint64_t group, std::uint64_t time) {
    Group& own = groups_[group];
    own.ntp = ntp_timestamp({kBeganAt + time * 50'000});
    Hasher hasher(metadata_.hash);
    for (ChunkIndex c = chunks_of(group).begin; c < chunks_of(group).end; ++c) {
      if (has(c)) chunks_[c] = payload(c);
      own.nodes[Bin::leaf(c)] = has(c) ? hasher.hash(chunks_[c]) : Digest::zero(hasher.size());
    }
    const Bin top = bin_of(chunks_of(group));
    for (int height = 1; height <= top.height(); ++height) {
      for (ChunkIndex c = chunks_of(group).begin; c < chunks_of(group).end; c += 1U << height) {
        const Bin bin = Bin::node(height, c >> height);
        const Digest& left = own.nodes[bin.left()];
        const Digest& right = own.nodes[bin.right()];
        const bool empty = left.is_zero() && right.is_zero();
        own.nodes[bin] = empty ? left : hasher.hash_pair(left, right);
      }
    }
    const ChunkIndex first = chunks_of(group).begin;
    std::span<const std::byte> content;
    if (!signs_each_) {
      content = own.nodes[top].octets();
    } else if (has(first)) {
      content = chunks_[first];
    }
    std::vector<std::byte> plaintext(format_.spec_size() + 8 + content.size());
    ByteWriter out(plaintext);
    write_signed_content(out, chunks_of(group), own.ntp, content, format_);
    own.signature.resize(key_->signature_size());
    require(out.ok() && key_->sign(plaintext, own.signature));
  }

  SwarmMetadata metadata_;
  WireFormat format_;
  bool signs_each_;
  std::uint64_t width_;
  std::unique_ptr<SigningKey> key_;
  std::map<std::uint64_t, Group> groups_;
  std::map<ChunkIndex, std::vector<std::byte>> chunks_;
};

SwarmMetadata metadata_of(bool sign_all, ChunkAddressing addressing) {
  SwarmMetadata metadata;
  metadata.live = true;
  metadata.integrity = sign_all ? IntegrityMethod::sign_all : IntegrityMethod::unified_merkle;
  metadata.hash = HashFunction::sha1;
  metadata.chunk_size = kChunkSize;
  metadata.addressing = addressing;
  metadata.id = SwarmId(make_key()->dnskey());
  return metadata;
}

// What is signed depends on how chunks are addressed.
const Feed& feed_of(const SwarmMetadata& metadata) {
  static std::map<std::pair<IntegrityMethod, ChunkAddressing>, Feed> feeds;
  return feeds.try_emplace({metadata.integrity, metadata.addressing}, metadata).first->second;
}

class Store final : public ChunkStore {
 public:
  explicit Store(const fuzz::StoreFaults& faults) : faults_(faults) {}
  StoreStatus read(std::uint64_t offset, std::span<const std::span<std::byte>> pieces) override {
    if (faults_.reads_fail) return StoreStatus::failed;
    return faults_.reads_wait ? StoreStatus::not_yet : ring_.read(offset, pieces);
  }
  StoreStatus write(std::uint64_t offset,
                    std::span<const std::span<const std::byte>> pieces) override {
    if (faults_.writes_fail) return StoreStatus::failed;
    return faults_.writes_wait ? StoreStatus::not_yet : ring_.write(offset, pieces);
  }
  void prefetch(std::uint64_t, std::uint64_t) override {}
  StoreStatus set_content_length(std::uint64_t) override { return StoreStatus::done; }
  std::span<std::byte> tree_memory(std::size_t) override { return {}; }
  StoreStatus set_window(std::uint64_t size) override {
    return faults_.has_no_room ? StoreStatus::failed : ring_.set_window(size);
  }
  bool content_suspect() override { return false; }
  RingChunkStore& ring() { return ring_; }

 private:
  const fuzz::StoreFaults& faults_;
  RingChunkStore ring_;
};

// A peer outside: what it needs to know for its datagrams to be taken seriously.
struct Peer {
  TransportAddress address;
  ChannelId own;
  ChannelId remote;
  std::deque<ChunkRange> asked;  // of it
};

class Session {
 public:
  explicit Session(Input& input) : input_(input), random_(input.octet()) {
    const std::uint8_t kind = input_.octet();
    const std::uint8_t more = input_.octet();
    constexpr ChunkAddressing kAddressings[] = {ChunkAddressing::chunk32, ChunkAddressing::bin32,
                                                ChunkAddressing::byte64, ChunkAddressing::chunk64};
    publishes_ = (kind & 4) != 0;
    metadata_ = metadata_of((kind & 8) != 0, kAddressings[kind % 4]);
    if ((kind & 16) != 0 && (kind & 8) == 0) metadata_.chunks_per_signature = kWidth;
    join_.live.tune_in = (more & 1) != 0 ? TuneIn::oldest : TuneIn::live;
    join_.live.discard_window = (more & 2) != 0 ? 12 : 0;
    join_.live.buffer = std::chrono::milliseconds((more & 4) != 0 ? 200 : 1'500);
    for (std::size_t i = 0; i < peers_.size(); ++i) {
      const auto number = static_cast<std::uint32_t>(i);
      peers_[i] = {TransportAddress::v4(0x7f000002 + number, 4'000), {0x1000 + number}, {}, {}};
    }
    EndpointOptions options;
    options.max_channels = 4;
    options.max_half_open = 3;
    options.max_half_open_per_address = 2;
    if ((more & 8) != 0) options.base_datagram_size = 600;
    if ((more & 16) != 0) options.max_datagram_size = options.base_datagram_size;
    endpoint_.emplace(options, random_, now_);
    buffer_.resize(options.max_train_size);
    join();
    if ((kind & 64) != 0) establish(peers_[0], (kind & 128) != 0);
    if ((kind & 32) != 0) establish(peers_[1], false);
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
        return publishes_ ? append() : serve();
    }
  }

  void finish() {
    flush();
    poll();
    endpoint_->leave(swarm_, now_);
    poll();
    now_.monotonic += std::chrono::minutes(1);
    endpoint_->handle_deadline(now_);
    poll();
    require(endpoint_->idle());
  }

 private:
  Peer& peer() { return peers_[input_.below(peers_.size())]; }
  WireFormat format() const { return wire_format(metadata_); }
  const Feed& feed() const { return feed_of(metadata_); }

  void join() {
    auto store = std::make_unique<Store>(faults_);
    store_ = store.get();
    fed_ = 0;
    ended_ = false;
    const auto joined = publishes_ ? publish(std::move(store))
                                   : endpoint_->join(metadata_, std::move(store), {}, join_, now_);
    require(joined.has_value());
    swarm_ = *joined;
  }

  Result<SwarmHandle> publish(std::unique_ptr<ChunkStore> store) {
    LiveSourceSettings settings;
    settings.discard_window = join_.live.discard_window;
    return endpoint_->publish(metadata_, std::move(store), make_key(), settings, now_);
  }

  void establish(Peer& other, bool endpoint_begins) {
    if (endpoint_begins) {
      endpoint_->add_peer(swarm_, other.address, now_);
      poll();
    }
    say_messages(other, endpoint_begins ? other.remote : ChannelId{},
                 {Handshake{other.own, handshake_options(metadata_, HandshakeOptions::kKeepsAll,
                                                         !endpoint_begins, false)}});
    flush();
    poll();
    say_messages(other, other.remote, {Have{nameable_front({0, Feed::end()}, format())}});
    flush();
    poll();
  }

  // A chunk of the feed or near it, also of the second run.
  ChunkIndex any_chunk() {
    const std::size_t number = input_.below(kGroups * kWidth + kGroupsAgain * kWidth + 8);
    return number < kGroups * kWidth + 4 ? number : kAgain * kWidth + number - kGroups * kWidth - 4;
  }

  ChunkRange range() {
    const ChunkIndex begin = any_chunk();
    const std::uint8_t size = input_.octet();
    if (metadata_.addressing == ChunkAddressing::bin32) {
      const unsigned layer = size % 5;
      return {begin >> layer << layer, ((begin >> layer) + 1) << layer};
    }
    if (size == 255) return {0, 0x7fff'ffff};
    return {begin, begin + 1 + size % 40};
  }

  // Appends one message, mostly a genuine one.
  void add_message(const Peer& from, std::vector<Message>& messages) {
    switch (input_.below(14)) {
      case 0:
        return add_handshake(from, messages);
      case 1:
      case 2:
      case 3:
        return add_chunk(messages, any_chunk(), input_.octet());
      case 4:
      case 5:
        return add_munro(messages, any_chunk() / feed().width(), input_.octet());
      case 6:
        messages.emplace_back(Ack{range(), input_.octet() * 1'000});
        return;
      case 7:
      case 8:
        messages.emplace_back(Have{range()});
        return;
      case 9:
      case 10:
        messages.emplace_back(Request{range()});
        return;
      case 11:
        messages.emplace_back(Cancel{range()});
        return;
      case 12:
        messages.emplace_back(Choke{});
        return;
      default:
        messages.emplace_back(Unchoke{});
    }
  }

  void add_handshake(const Peer& from, std::vector<Message>& messages) {
    const std::uint8_t how = input_.octet();
    const std::uint64_t window = (how & 32) != 0 ? how % 8 : HandshakeOptions::kKeepsAll;
    HandshakeOptions options = handshake_options(metadata_, window, (how & 1) != 0, false);
    if ((how & 2) != 0) options.signature_algorithm = how;
    if ((how & 4) != 0) options.supported_messages = MessageSet{input_.octet()};
    const bool closing = (how & 24) == 24;
    messages.emplace_back(closing ? Handshake{ChannelId{}, closing_options()}
                                  : Handshake{from.own, options});
  }

  // The munro of a group, or one that is like it.
  void add_munro(std::vector<Message>& messages, std::uint64_t group, std::uint8_t how) {
    if (!feed().is_signed(group)) return;
    const std::size_t first = messages.size();
    feed().add_munro(group, messages);
    auto& signature = std::get<SignedIntegrity>(messages.back());
    if ((how & 7) == 7) signature.signature = noise(signature.signature.size());
    if ((how & 56) == 56) signature.ntp_timestamp += std::uint64_t{how} << 30;
    auto* hash = std::get_if<Integrity>(&messages[first]);
    if (hash == nullptr) return;
    if ((how & 192) == 192) hash->hash = noise(hash->hash.size());
    if (how == 0x15) {  // of another width
      hash->chunks = signature.chunks = bin_of(hash->chunks).parent().chunks();
    }
  }

  std::span<const std::byte> noise(std::size_t size) {
    auto& octets = noise_.emplace_back(size);
    for (std::byte& octet : octets) octet = static_cast<std::byte>(random_.next_u64());
    return octets;
  }

  // DATA with what proves it, or less, or damaged.
  void add_chunk(std::vector<Message>& messages, ChunkIndex chunk, std::uint8_t how) {
    if (!Feed::has(chunk)) return;
    if ((how & 3) != 3) add_munro(messages, chunk / feed().width(), 0);
    if ((how & 12) != 12) feed().add_uncles(chunk, messages);
    auto payload = feed().chunk(chunk);
    if ((how & 48) == 48) payload = noise(payload.size());
    messages.emplace_back(Data{{chunk, chunk + 1}, now_.wall.microseconds - how, payload});
  }

  void say() {
    const Peer& from = peer();
    std::vector<Message> messages;
    for (std::size_t count = input_.below(9); count > 0; --count) add_message(from, messages);
    const std::uint8_t where = input_.octet();
    const ChannelId to = where < 16 ? ChannelId{} : where < 20 ? ChannelId{where} : from.remote;
    say_messages(from, to, messages);
  }

  void say_messages(const Peer& from, ChannelId to, const std::vector<Message>& messages) {
    std::vector<std::byte> octets(16'384);
    ByteWriter out(octets);
    write_channel(out, to);
    for (const Message& message : messages) write_message(out, message, format());
    require(out.ok());
    octets.resize(out.size());
    noise_.clear();
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
    constexpr std::int64_t kUnits[] = {1, 1'000, 20'000, 1'000'000};
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
    while (const auto event = endpoint_->poll_event()) look_at(*event);
    endpoint_->check_invariants();
  }

  // One past what may be announced: of our own feed, what was signed.
  ChunkIndex announced_end() const {
    if (!publishes_) return Feed::end_again();
    const std::uint64_t chunks = (fed_ + (ended_ ? kChunkSize - 1 : 0)) / kChunkSize;
    const std::uint64_t width = endpoint_->status(swarm_)->live->chunks_per_signature;
    if (width == 0) return 0;
    return ended_ ? chunks : chunks / width * width;
  }

  // All that leaves is readable, all DATA the feed's, and all that is announced signed.
  void look_at(const TransportAddress& to, std::span<const std::byte> datagram) {
    DatagramReader reader(datagram, format());
    while (const auto message = reader.next()) {
      if (const auto* data = std::get_if<Data>(&*message)) {
        require(data->chunks.size() == 1 && data->chunks.begin < announced_end());
        const std::uint64_t offset = data->chunks.begin * kChunkSize;
        require(std::ranges::equal(data->payload, feed_octets(offset, data->payload.size())));
        const bool is_last = data->chunks.end == (publishes_ ? announced_end() : Feed::end());
        require(data->payload.size() == kChunkSize || is_last);
      } else if (const auto* have = std::get_if<Have>(&*message)) {
        require(have->chunks.end <= announced_end());
      } else if (const auto* request = std::get_if<Request>(&*message)) {
        require(!publishes_);
        note_asked(to, request->chunks);
      } else if (const auto* handshake = std::get_if<Handshake>(&*message)) {
        for (Peer& peer : peers_) {
          if (peer.address == to && handshake->source.value != 0) peer.remote = handshake->source;
        }
      }
    }
    require(!reader.error());
  }

  void note_asked(const TransportAddress& to, ChunkRange chunks) {
    for (Peer& peer : peers_) {
      if (peer.address != to) continue;
      peer.asked.push_back(chunks);
      if (peer.asked.size() > 16) peer.asked.pop_front();
    }
  }

  // What is said to be here is here, and the feed's.
  void look_at(const Event& event) {
    if (event.swarm != swarm_) return;
    if (const auto* ended = std::get_if<event::FeedEnded>(&event.what)) {
      require(publishes_ ? ended->length == fed_ : Feed::is_length(ended->length));
    }
    const auto* verified = std::get_if<event::ChunksVerified>(&event.what);
    if (verified == nullptr) return;
    require(verified->chunks.end <= (publishes_ ? announced_end() : Feed::end_again()));
    for (ChunkIndex c = verified->chunks.begin; c < verified->chunks.end; ++c) {
      if (!endpoint_->has_chunk(swarm_, c)) continue;  // out of the window again
      const bool is_last = publishes_ && (c + 1) * kChunkSize > fed_;
      const auto own = is_last      ? feed_octets(c * kChunkSize, fed_ - c * kChunkSize)
                       : publishes_ ? feed_octets(c * kChunkSize, kChunkSize)
                                    : Feed::payload(c);
      std::vector<std::byte> stored(own.size());
      const std::span<std::byte> piece(stored);
      require(store_->ring().read(c * kChunkSize, std::span(&piece, 1)) == StoreStatus::done);
      require(stored == own);
    }
  }

  void toggle_fault() {
    switch (input_.below(8)) {
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
        faults_.has_no_room = true;
        return;
      default:
        return endpoint_->store_ready(swarm_, now_);
    }
  }

  void command() {
    switch (input_.below(8)) {
      case 0:
        return endpoint_->add_peer(swarm_, peer().address, now_);
      case 1:
        return endpoint_->set_limits(input_.octet() * 100U, input_.octet() * 100U, now_);
      case 2:
        return endpoint_->set_limits(std::nullopt, std::nullopt, now_);
      case 3:
        return endpoint_->handle_too_big(peer().address, input_.octet() * 256U, now_);
      case 4:
        return end_feed();
      case 5:
        poll();
        endpoint_->leave(swarm_, now_);
        batch_.clear();
        faults_ = {};
        return join();
      default:
        require(endpoint_->channels(swarm_, now_).size() <= 8);
        return check_status();
    }
  }

  void check_status() {
    const auto status = endpoint_->status(swarm_);
    require(status && status->live);
    const LiveStatus& live = *status->live;
    require(live.source == publishes_);
    require(live.signatures_rejected <= live.signatures_checked);
    require(live.window.begin <= live.window.end);
    const ChunkIndex here = endpoint_->next_readable(swarm_, live.position);
    require(publishes_ || here >= live.position || !live.tuned_in);
    if (live.discard_window == 12) {
      const std::uint64_t width = std::max<std::uint64_t>(1, live.chunks_per_signature);
      require(status->verified_bytes <= (12 + 4 * width) * kChunkSize);
    }
    if (const auto length = endpoint_->feed_length(swarm_)) {
      require(publishes_ ? *length == fed_ : Feed::is_length(*length));
    }
  }

  void append() {
    const std::size_t size = std::min(input_.octet() * std::size_t{24}, kMaxFed - fed_);
    const auto content = feed_octets(fed_, size);
    const bool may_fail = ended_ || faults_.writes_fail || faults_.writes_wait ||
                          faults_.has_no_room || endpoint_->status(swarm_)->store_failed;
    const auto appended = endpoint_->append(swarm_, content, now_);
    require(appended || may_fail);
    if (appended) {
      fed_ += size;
    } else if (!ended_) {
      ended_ = true;  // what became of it is not known
      publishes_on_ = false;
    }
    if (!publishes_on_) rejoin();
  }

  void end_feed() {
    if (!publishes_) return;
    const bool was_ended = ended_;
    ended_ = true;
    if (const auto ended = endpoint_->end_feed(swarm_, now_); !ended && !was_ended) rejoin();
  }

  // After an error there is no telling what of the content was taken: begin with a new feed.
  void rejoin() {
    publishes_on_ = true;
    endpoint_->leave(swarm_, now_);
    while (endpoint_->poll_transmit(buffer_, now_)) {  // the last words of the old one
    }
    while (endpoint_->poll_event()) {
    }
    batch_.clear();
    faults_ = {};
    join();
  }

  // Answers what was asked last, so that the feed gets far.
  void serve() {
    Peer& from = peer();
    if (from.asked.empty()) return;
    const ChunkRange asked = from.asked.back();
    from.asked.pop_back();
    for (ChunkIndex c = asked.begin; c < std::min(asked.end, asked.begin + 8); ++c) {
      std::vector<Message> messages;
      add_chunk(messages, c, 0);
      say_messages(from, from.remote, messages);
    }
  }

  Input& input_;
  Rng random_;
  Now now_{TimePoint{std::chrono::seconds(1)}, {kBeganAt + kGroups * 50'000}};
  SwarmMetadata metadata_;
  JoinSettings join_;
  bool publishes_ = false;
  bool publishes_on_ = true;
  std::uint64_t fed_ = 0;  // octets of our own feed
  bool ended_ = false;
  fuzz::StoreFaults faults_;
  std::array<Peer, 2> peers_;
  std::deque<std::vector<std::byte>> batch_;
  std::deque<std::vector<std::byte>> noise_;
  std::vector<std::byte> buffer_;
  std::optional<Endpoint> endpoint_;
  SwarmHandle swarm_;
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
