#include "sim/run_options.h"

#include <fmt/format.h>

#include <algorithm>

#include "sim/enemy_kinds.h"

namespace ppspp::sim {
namespace {

class Draw {
 public:
  explicit Draw(std::uint64_t seed) : random_(seed ^ 0x5eed'0f0f'0000'0001) {}

  std::uint64_t between(std::uint64_t least, std::uint64_t most) {
    return least + random_.below(most - least + 1);
  }
  bool percent(std::uint64_t share) { return random_.below(100) < share; }
  template <typename T, std::size_t kSize>
  T one_of(const T (&values)[kSize]) {
    return values[random_.below(kSize)];
  }

  // Octets: of a few chunks, or some dozens, or some hundreds.
  std::uint64_t length(std::uint32_t chunk_size) {
    const std::uint64_t kind = random_.below(4);
    const std::uint64_t chunks = kind == 0  ? between(1, 4)
                                 : kind < 3 ? between(5, 64)
                                            : between(65, 300);
    const std::uint64_t whole = chunks * chunk_size;
    return percent(30) ? whole : whole - between(0, chunk_size - 1);
  }

  SwarmSpec static_swarm();
  SwarmSpec feed();

 private:
  void protect(SwarmMetadata& metadata);
  Rng random_;
};

constexpr ChunkAddressing kAddressings[] = {ChunkAddressing::bin32, ChunkAddressing::byte64,
                                            ChunkAddressing::chunk32, ChunkAddressing::bin64,
                                            ChunkAddressing::chunk64};

void Draw::protect(SwarmMetadata& metadata) {
  metadata.addressing = percent(40) ? ChunkAddressing::chunk32 : one_of(kAddressings);
  metadata.hash = percent(50) ? HashFunction::sha256 : one_of(kHashFunctions);
}

SwarmSpec Draw::static_swarm() {
  SwarmSpec spec;
  constexpr std::uint32_t kSizes[] = {512, 1'000, 1'400, 2'048, 8'192, 32'768};
  spec.metadata.chunk_size = percent(60) ? 1'024 : one_of(kSizes);
  protect(spec.metadata);
  if (percent(10)) spec.metadata.integrity = IntegrityMethod::none;
  spec.length = length(spec.metadata.chunk_size);
  // A lone chunk of two hash lengths is refused where its length is not told (decision 17).
  const std::size_t ambiguous = 2 * digest_size(spec.metadata.hash);
  spec.tell_length =
      spec.metadata.integrity == IntegrityMethod::none || spec.length == ambiguous || percent(60);
  spec.seeders = static_cast<std::size_t>(percent(70) ? 1 : between(2, 3));
  return spec;
}

SwarmSpec Draw::feed() {
  SwarmSpec spec;
  spec.metadata.live = true;
  constexpr std::uint32_t kSizes[] = {512, 1'024, 1'316};
  spec.metadata.chunk_size = percent(70) ? 1'024 : one_of(kSizes);
  protect(spec.metadata);
  spec.metadata.integrity =
      percent(25) ? IntegrityMethod::sign_all : IntegrityMethod::unified_merkle;
  if (spec.metadata.integrity == IntegrityMethod::unified_merkle && percent(50)) {
    spec.metadata.chunks_per_signature = std::uint32_t{1} << between(1, 5);
  }
  spec.tell_length = false;
  spec.rate = between(8'000, 30'000);
  return spec;
}

// Whether such a swarm can be, whatever its ID will be.
bool is_valid(SwarmMetadata metadata) {
  std::vector<std::byte> id(digest_size(metadata.hash), std::byte{1});
  if (metadata.live) {
    id.assign(33, std::byte{1});
    id[0] = std::byte{15};  // Ed25519
  }
  metadata.id = SwarmId(id);
  return metadata.validate().has_value();
}

void draw_swarms(Draw& draw, RunOptions& options) {
  const std::uint64_t count = draw.percent(75) ? 1 : draw.between(2, 4);
  bool has_feed = false;
  for (std::uint64_t i = 0; i < count; ++i) {
    const bool feed = !has_feed && draw.percent(4);
    has_feed |= feed;
    SwarmSpec spec = feed ? draw.feed() : draw.static_swarm();
    if (is_valid(spec.metadata)) options.swarms.push_back(spec);
  }
  while (options.swarms.empty()) {
    SwarmSpec spec = draw.static_swarm();
    if (is_valid(spec.metadata)) options.swarms.push_back(spec);
  }
}

void draw_path(Draw& draw, RunOptions& options) {
  PathOptions& path = options.path;
  path.delay_min = Microseconds(static_cast<std::int64_t>(draw.between(100, 20'000)));
  path.delay_max =
      path.delay_min + Microseconds(static_cast<std::int64_t>(draw.between(0, 150'000)));
  constexpr std::size_t kMtus[] = {1'452, 1'472, 8'972, 65'507};
  path.mtu = draw.percent(60) ? 1'472 : draw.one_of(kMtus);
  const auto share = [&](std::uint64_t percent, std::uint64_t most) {
    return draw.percent(percent) ? static_cast<std::uint32_t>(draw.between(1'000, most)) : 0;
  };
  path.loss = share(50, options.live() ? 30'000 : 200'000);
  path.duplication = share(40, 100'000);
  path.reordering = share(40, 200'000);
  path.reordering_delay = Microseconds(static_cast<std::int64_t>(draw.between(1'000, 200'000)));
  // Without hashes nothing tells what was damaged; a signature that is wrong costs its sender much.
  const bool unprotected = std::ranges::any_of(options.swarms, [](const SwarmSpec& spec) {
    return spec.metadata.integrity == IntegrityMethod::none;
  });
  if (!unprotected) path.corruption = share(20, options.live() ? 2'000 : 20'000);
}

// From a generator of its own: a seed without any of these is what it was before there were any.
void draw_rarer_faults(RunOptions& options) {
  Draw draw(options.seed ^ 0xfa00000000);
  if (draw.percent(25)) options.path.replay = static_cast<std::uint32_t>(draw.between(500, 30'000));
  options.path.replay_delay =
      Microseconds(static_cast<std::int64_t>(draw.between(100'000, 40'000'000)));
  options.one_way = draw.percent(20);
  options.source_crashing = draw.percent(50);
  options.pex = draw.percent(40);
  options.pex_on_internet = draw.percent(50);
  if (draw.percent(30)) options.lan_percent = static_cast<unsigned>(draw.between(20, 100));
  // Without hashes everybody may write what it likes.
  if (options.swarms[0].metadata.integrity != IntegrityMethod::none && draw.percent(15)) {
    options.enemies = static_cast<std::size_t>(draw.between(1, options.nodes));
    options.enemy_kinds =
        draw.percent(50) ? "mixed" : kEnemyNames[draw.between(0, kEnemyKinds - 1)];
  }
}

// Whose tracker certifies its members, and names so few of them that the others are found by that.
void draw_authorities(RunOptions& options) {
  Draw draw(options.seed ^ 0xce0000000000);
  if (!draw.percent(12)) return;
  options.pex = true;
  constexpr std::uint64_t kValid[] = {30, 90, 600, 3'600};
  for (SwarmSpec& spec : options.swarms) {
    if (draw.percent(80)) spec.certified = draw.one_of(kValid);
  }
  if (draw.percent(60)) options.neighbours = static_cast<std::size_t>(draw.between(1, 2));
}

}  // namespace

bool RunOptions::live() const {
  return std::ranges::any_of(swarms, [](const SwarmSpec& spec) { return spec.rate != 0; });
}

RunOptions draw_options(std::uint64_t seed) {
  Draw draw(seed);
  RunOptions options;
  options.seed = seed;
  draw_swarms(draw, options);
  options.nodes =
      static_cast<std::size_t>(draw.percent(60) ? draw.between(2, 5) : draw.between(6, 12));
  draw_path(draw, options);
  std::uint64_t feeds = 0;
  for (const SwarmSpec& spec : options.swarms) feeds += spec.rate;
  if (draw.percent(50)) {
    options.rate_min = draw.between(20'000, 500'000) + feeds * 6;
    options.rate_max = options.rate_min * draw.between(1, 8);
    options.queue = static_cast<std::size_t>(draw.between(16, 256)) << 10;
  }
  if (draw.percent(50)) options.max_datagram_size = 1'472;
  if (draw.percent(30)) options.nat_percent = static_cast<unsigned>(draw.between(10, 70));
  if (draw.percent(40)) options.drift_ppm = static_cast<std::int32_t>(draw.between(1, 300));
  if (draw.percent(25)) options.clock_step_us = draw.between(1'000, 2'000'000);
  options.leaving = draw.percent(40);
  options.crashing = draw.percent(40);
  options.parting = draw.percent(25);
  if (draw.percent(30)) options.slow_reads = static_cast<unsigned>(draw.between(2, 20));
  options.neighbours = static_cast<std::size_t>(draw.percent(50) ? 30 : draw.between(1, 4));
  options.fault_seconds = static_cast<unsigned>(draw.between(2, 20));
  draw_rarer_faults(options);
  draw_authorities(options);
  for (SwarmSpec& spec : options.swarms) {
    if (spec.rate == 0) continue;
    spec.length = spec.rate * (options.fault_seconds + 40);
    // Each time the source comes back it leaves a gap.
    if (options.source_crashing) {
      spec.length += kMostRestarts * 2 * kRestartGap * spec.metadata.chunk_size;
    }
  }
  return options;
}

std::string to_string(const RunOptions& o) {
  std::string text = fmt::format(
      "seed={} nodes={} fault_s={} delay_ms={:.1f}-{:.1f} mtu={} loss={:.3f} duplication={:.3f} "
      "reordering={:.3f} corruption={:.4f} rate={}-{} queue={} max_datagram={} nat={}% "
      "drift_ppm={} clock_step_us={} leaving={:d} crashing={:d} parting={:d} slow_reads={} "
      "neighbours={} replay={:.4f} one_way={:d} source_crashing={:d} pex={}{} lan={}% enemies={}{}",
      o.seed, o.nodes, o.fault_seconds, static_cast<double>(o.path.delay_min.count()) / 1e3,
      static_cast<double>(o.path.delay_max.count()) / 1e3, o.path.mtu, o.path.loss / 1e6,
      o.path.duplication / 1e6, o.path.reordering / 1e6, o.path.corruption / 1e6, o.rate_min,
      o.rate_max, o.queue, o.max_datagram_size, o.nat_percent, o.drift_ppm, o.clock_step_us,
      o.leaving, o.crashing, o.parting, o.slow_reads, o.neighbours, o.path.replay / 1e6, o.one_way,
      o.source_crashing, o.pex ? "on" : "off", o.pex && o.pex_on_internet ? ", internet" : "",
      o.lan_percent, o.enemies, o.enemies == 0 ? "" : " " + o.enemy_kinds);
  for (const SwarmSpec& spec : o.swarms) {
    const SwarmMetadata& m = spec.metadata;
    text += fmt::format(" [{} {} octets, chunk {}, integrity {}, {}, addressing {}",
                        m.live ? "live" : "static", spec.length, m.chunk_size,
                        static_cast<int>(m.integrity), to_string(m.hash),
                        static_cast<int>(m.addressing));
    if (spec.certified != 0) text += fmt::format(", certified for {} s", spec.certified);
    text += m.live ? fmt::format(", {} B/s, cps {}]", spec.rate, m.chunks_per_signature.value_or(0))
                   : fmt::format(", len {:d}, {} seeders]", spec.tell_length, spec.seeders);
  }
  return text;
}

}  // namespace ppspp::sim
