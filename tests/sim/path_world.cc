#include "sim/path_world.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/assert.h"
#include "sim/sim_clock.h"

namespace ppspp::sim {
namespace {

constexpr std::size_t kHeadersOnWire = 28;     // of IPv4 and UDP
constexpr std::uint32_t kInside = 0x0a000000;  // 10.0.0.0: there content needs no protection
constexpr std::uint64_t kLength = std::uint64_t{1} << 40;
constexpr std::size_t kSpareBuffers = 65'536;

// Endless content of zeros, of which nothing is kept.
class NoStore final : public ChunkStore {
 public:
  StoreStatus read(std::uint64_t, std::span<const std::span<std::byte>> pieces) override {
    for (const auto piece : pieces) std::ranges::fill(piece, std::byte{0});
    return StoreStatus::done;
  }
  StoreStatus write(std::uint64_t, std::span<const std::span<const std::byte>>) override {
    return StoreStatus::done;
  }
  void prefetch(std::uint64_t, std::uint64_t) override {}
  StoreStatus set_content_length(std::uint64_t) override { return StoreStatus::done; }
  std::span<std::byte> tree_memory(std::size_t) override { return {}; }
  bool content_suspect() override { return false; }
};

SwarmMetadata metadata_of(const PathCase& path) {
  constexpr std::array<std::byte, 32> id{std::byte{1}};
  SwarmMetadata metadata;
  metadata.id = SwarmId(id);
  metadata.chunk_size = path.chunk_size;
  metadata.integrity = IntegrityMethod::none;
  metadata.content_length = kLength / path.chunk_size * path.chunk_size;
  return metadata;
}

std::uint64_t spread_of_clocks(const PathCase& path) {
  const Microseconds spread = path.clocks_agree.value_or(std::chrono::hours(1'000));
  return static_cast<std::uint64_t>(spread.count()) + 1;
}

}  // namespace

void BurstMeter::add(std::size_t octets, std::size_t datagrams, double rate, TimePoint now) {
  if (rate == 0) return;  // the answer to a handshake: nobody is sent to yet
  if (now > run_ends_) {
    run_octets_ = 0;
    run_datagrams_ = 0;
    run_rate_ = rate;
    run_ends_ = now;
  }
  run_octets_ += static_cast<double>(octets);
  run_datagrams_ += datagrams;
  run_ends_ +=
      Microseconds(static_cast<std::int64_t>(static_cast<double>(octets) / wire_rate_ * 1e6));
  if (run_datagrams_ < 2) return;
  longest_ = std::max(longest_, run_octets_ / run_rate_ * 1e6);
  longest_octets_ = std::max(longest_octets_, run_octets_);
}

PathHost::PathHost(PathWorld& world, std::size_t index, bool behind_bottleneck, std::uint64_t seed,
                   const EndpointOptions& options)
    : bursts(world.path().link.rate * 100),
      world_(world),
      behind_bottleneck_(behind_bottleneck),
      address_(TransportAddress::v4(kInside + 1 + static_cast<std::uint32_t>(index), 7'574)),
      random_(seed),
      clock_offset_us_(static_cast<std::int64_t>(random_.below(1'000'000'000'000))),
      wall_offset_us_(static_cast<std::int64_t>(random_.below(spread_of_clocks(world.path())))),
      endpoint_(std::make_unique<Endpoint>(options, random_, now())) {}

Now PathHost::now() const {
  const TimePoint local = world_.simulation_.now() + Microseconds(clock_offset_us_ + 1'000'000);
  const auto wall = world_.simulation_.now().time_since_epoch().count() + wall_offset_us_;
  return {local, {static_cast<std::uint64_t>(kSomeDay + wall)}};
}

void PathHost::join(bool seeder) {
  const SwarmMetadata metadata = metadata_of(world_.path());
  SwarmContent content;
  if (seeder) content = {SwarmContent::State::complete, *metadata.content_length, {}};
  const auto joined = endpoint_->join(metadata, std::make_unique<NoStore>(), content,
                                      {.policy = PickPolicy::in_order}, now());
  PPSPP_ASSERT(joined);
  swarm_ = *joined;
}

void PathHost::add_peer(const PathHost& peer) {
  endpoint_->add_peer(swarm_, peer.address(), now());
  pump();
}

void PathHost::stall(TimePoint until) {
  stalled_until_ = until;
  world_.simulation_.schedule(until, [this] { pump(); });
}

// All that comes at one time is one batch.
void PathHost::receive(std::vector<std::byte> datagram, const TransportAddress& from) {
  wire_in += datagram.size() + kHeadersOnWire;
  inbox_.push_back({std::move(datagram), from});
  if (std::exchange(pump_due_, true)) return;
  world_.simulation_.schedule(world_.simulation_.now(), [this] { pump(); });
}

double PathHost::paced_rate() const {
  double rate = 0;
  for (const ChannelStatus& channel : channels()) {
    const auto rtt = std::max<std::int64_t>(channel.rtt.count(), 1);
    rate += static_cast<double>(channel.window) * 1e6 / static_cast<double>(rtt);
  }
  return rate;
}

void PathHost::pump() {
  const TimePoint time = world_.simulation_.now();
  if (time < stalled_until_) return;
  pump_due_ = false;
  const Now clocks = now();
  for (const Arrived& datagram : inbox_) {
    endpoint_->handle_datagram(datagram.octets, datagram.from, clocks);
  }
  endpoint_->flush(clocks);
  for (Arrived& datagram : inbox_) {
    if (world_.spare_.size() < kSpareBuffers) world_.spare_.push_back(std::move(datagram.octets));
  }
  inbox_.clear();
  if (endpoint_->deadline() <= clocks.monotonic) endpoint_->handle_deadline(clocks);
  const double rate_before = behind_bottleneck_ ? paced_rate() : 0.0;
  std::size_t octets = 0;
  std::size_t datagrams = 0;
  while (const auto transmit = endpoint_->poll_transmit(world_.buffer_, clocks)) {
    ++trains_out;
    for (std::size_t at = 0; at < transmit->size; at += transmit->segment_size) {
      const auto datagram = std::span<const std::byte>(world_.buffer_)
                                .subspan(at, std::min(transmit->segment_size, transmit->size - at));
      world_.send(*this, transmit->to, datagram, behind_bottleneck_);
      octets += datagram.size();
      ++datagrams;
    }
  }
  datagrams_out += datagrams;
  if (datagrams > 0) {
    longest_silence = std::max(longest_silence, time - spoke_at);
    spoke_at = time;
    if (behind_bottleneck_) {
      bursts.add(octets, datagrams, std::max(rate_before, paced_rate()), time);
    }
  }
  while (endpoint_->poll_event()) {
  }
  arm();
}

void PathHost::arm() {
  const TimePoint deadline = endpoint_->deadline();
  if (deadline == kNever) return;
  const TimePoint time = world_.simulation_.now();
  const TimePoint at = std::max(deadline - Microseconds(clock_offset_us_ + 1'000'000), time);
  if (at >= wake_at_ && wake_at_ > time) return;
  wake_at_ = at;
  world_.simulation_.schedule(at, [this, at] {
    if (wake_at_ != at) return;
    wake_at_ = kNever;
    pump();
  });
}

PathWorld::PathWorld(const PathCase& path)
    : path_(path), simulation_(path.link, path.seed), buffer_(path.endpoint.max_train_size) {}

PathHost& PathWorld::add(bool seeder) {
  hosts_.push_back(std::make_unique<PathHost>(*this, hosts_.size(), seeder,
                                              path_.seed * 1'000 + hosts_.size(), path_.endpoint));
  hosts_.back()->join(seeder);
  return *hosts_.back();
}

PathHost& PathWorld::add_seeder() {
  return add(true);
}

PathHost& PathWorld::add_leecher() {
  return add(false);
}

void PathWorld::introduce(PathHost& leecher, const PathHost& seeder, TimePoint when) {
  simulation_.schedule(when, [&leecher, &seeder] { leecher.add_peer(seeder); });
}

void PathWorld::send(const PathHost& from, const TransportAddress& to,
                     std::span<const std::byte> datagram, bool through_bottleneck) {
  if (datagram.size() > path_.mtu) return;
  const auto arrives = through_bottleneck ? simulation_.transmit(datagram.size() + kHeadersOnWire)
                                          : std::optional(simulation_.now() + path_.link.backward);
  if (!arrives) {
    ++dropped_;
    return;
  }
  PathHost& receiver = *hosts_[to.v4_address() - kInside - 1];
  std::vector<std::byte> octets;
  if (!spare_.empty()) {
    octets = std::move(spare_.back());
    spare_.pop_back();
  }
  octets.assign(datagram.begin(), datagram.end());
  simulation_.schedule(*arrives,
                       [&receiver, sender = from.address(), octets = std::move(octets)]() mutable {
                         receiver.receive(std::move(octets), sender);
                       });
}

}  // namespace ppspp::sim
