#include "swarm/live_source.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "channel/handshake_check.h"
#include "crypto/verifying_key.h"
#include "ppspp/random_source.h"
#include "support/seed.h"
#include "wire/signed_content.h"

namespace ppspp::test {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t kMiB = 1 << 20;

// Signs nothing: for what is not about signatures.
class NoSigner final : public Signer {
 public:
  std::span<const std::byte> dnskey() const override { return {}; }
  std::size_t signature_size() const override { return 4; }
  bool sign(std::span<const std::byte>, std::span<std::byte>) override { return works; }
  bool works = true;
};

SwarmMetadata live(std::optional<std::uint64_t> width = {}) {
  SwarmMetadata metadata;
  metadata.live = true;
  metadata.integrity = IntegrityMethod::unified_merkle;
  metadata.chunks_per_signature = width;
  return metadata;
}

LiveSource make(const SwarmMetadata& metadata, const LiveSourceSettings& settings = {}) {
  return {metadata, settings, std::make_unique<NoSigner>()};
}

Now at(Microseconds time) {
  return {TimePoint{time}, {}};
}

// Feeds a source at so many octets per second until it has measured. Returns when that was.
Microseconds measure(LiveSource& source, std::uint64_t rate, std::uint64_t& fed) {
  Microseconds time{0};
  for (; time <= 2s; time += 10ms) {
    const std::vector<std::byte> content(static_cast<std::size_t>(rate / 100));
    fed += content.size();
    if (source.measure(content, at(time))) break;
  }
  return time;
}

}  // namespace

TEST_SUITE("swarm/live_source") {
  TEST_CASE(
      "one signature for about 60 ms of the feed, and a window of 30 s of it (6.1.2.1 #129 "
      "#130 #132, 6.2 #149)") {
    struct Row {
      std::uint64_t rate;    // octets per second
      std::uint64_t width;   // chunks
      std::uint64_t window;  // MiB
    };
    constexpr Row kTable[] = {
        {10'000, 2, 32},          {30'000, 2, 32},           {60'000, 4, 32},
        {125'000, 8, 32},         {500'000, 32, 32},         {1'000'000, 64, 32},
        {2'500'000, 128, 71},     {5'000'000, 256, 143},     {12'500'000, 1'024, 256},
        {25'000'000, 1'024, 256}, {100'000'000, 1'024, 256},
    };
    for (const Row& row : kTable) {
      CAPTURE(row.rate);
      LiveSource source = make(live());
      std::uint64_t fed = 0;
      measure(source, row.rate, fed);
      REQUIRE_FALSE(source.measuring());
      CHECK(source.width() == row.width);
      const auto window = static_cast<double>(source.window()) / 1'024;  // MiB of chunks of 1 KiB
      CHECK(window >= 0.97 * static_cast<double>(row.window));
      CHECK(window <= 1.03 * static_cast<double>(row.window));
      CHECK(source.take_kept().size() == fed);  // nothing is lost that came meanwhile
    }
  }

  TEST_CASE("the rate is measured for a second, or over 4 MiB, or to the end of the feed") {
    LiveSource slow = make(live());
    CHECK(slow.measured_at() == kNever);
    CHECK_FALSE(slow.measure({}, at(1s)));
    CHECK(slow.measured_at() == kNever);  // nothing has come
    const std::vector<std::byte> content(50'000);
    CHECK_FALSE(slow.measure(content, at(5s)));
    CHECK(slow.measured_at() == TimePoint{6s});
    CHECK_FALSE(slow.measure(content, at(5'999'999us)));
    CHECK(slow.measure(content, at(6s)));
    CHECK(slow.measured_at() == kNever);
    CHECK(slow.width() == 8);

    LiveSource fast = make(live());
    const std::vector<std::byte> megabyte(kMiB);
    for (int i = 0; i < 3; ++i) CHECK_FALSE(fast.measure(megabyte, at(10ms * i)));
    CHECK(fast.measure(megabyte, at(30ms)));

    LiveSource over = make(live());
    CHECK_FALSE(over.measure(content, at(0s)));
    over.end_measuring(at(500ms));
    CHECK(over.width() == 4);  // 100 kB/s
    CHECK(over.take_kept().size() == content.size());
    over.end_measuring(at(900ms));  // once
    CHECK(over.width() == 4);

    LiveSource empty = make(live());
    empty.end_measuring(at(1s));
    CHECK(empty.width() == 2);
  }

  TEST_CASE("what is given is not measured") {
    LiveSource given = make(live(16), {.discard_window = 5'000});
    CHECK_FALSE(given.measuring());
    CHECK(given.width() == 16);
    CHECK(given.window() == 5'000);
    LiveSource width_only = make(live(16));
    CHECK(width_only.measuring());
    width_only.end_measuring(at(1s));
    CHECK(width_only.width() == 16);
    // As it was in an earlier run of the source; the metadata go before.
    LiveSource earlier = make(live(), {.chunks_per_signature = 64});
    std::uint64_t fed = 0;
    measure(earlier, 500'000, fed);
    CHECK(earlier.width() == 64);
    LiveSource both = make(live(16), {.discard_window = 5'000, .chunks_per_signature = 64});
    CHECK(both.width() == 16);
    SwarmMetadata sign_all = live();
    sign_all.integrity = IntegrityMethod::sign_all;
    LiveSource each = make(sign_all, {.discard_window = LiveSourceSettings::kKeepAll});
    CHECK_FALSE(each.measuring());
    CHECK(each.width() == 1);
    CHECK(each.window() == LiveSourceSettings::kKeepAll);
  }

  TEST_CASE("the first chunk is rounded up to a whole subtree (decision 28)") {
    for (const auto& [first, begins] : {std::pair{0U, 0U}, {1U, 16U}, {16U, 16U}, {17U, 32U}}) {
      LiveSource source = make(live(16), {.discard_window = 5'000, .first_chunk = first});
      CHECK(source.next_chunk() == begins);
    }
  }

  TEST_CASE("cut in any way, no octet is lost, doubled or moved, and no cut crosses a group") {
    Rng random(seed());
    for (int round = 0; round < 200; ++round) {
      SwarmMetadata metadata = live(std::uint64_t{2} << random.below(5));
      metadata.chunk_size = static_cast<std::uint32_t>(512 + random.below(1'024));
      const std::uint64_t width = *metadata.chunks_per_signature;
      const ChunkIndex first = random.below(1'000);
      LiveSource source = make(metadata, {.discard_window = 5'000, .first_chunk = first});
      const ChunkIndex begin = source.next_chunk();
      std::vector<std::byte> given(random.below(100'000));
      for (std::byte& octet : given) octet = static_cast<std::byte>(random.next_u64());
      std::vector<std::byte> out;
      std::span<const std::byte> rest(given);
      while (!rest.empty()) {
        const std::size_t most = random.below(3) == 0 ? 20'000 : 700;
        std::span<const std::byte> piece = rest.first(std::min(rest.size(), random.below(most)));
        rest = rest.subspan(piece.size());
        for (;;) {
          const ChunkIndex chunk = source.next_chunk();
          const auto chunks = source.cut(piece);
          if (chunks.empty()) break;
          REQUIRE(chunks.size() % metadata.chunk_size == 0);
          REQUIRE(source.next_chunk() == chunk + chunks.size() / metadata.chunk_size);
          REQUIRE(chunk / width == (source.next_chunk() - 1) / width);
          out.insert(out.end(), chunks.begin(), chunks.end());
        }
        REQUIRE(piece.empty());
      }
      REQUIRE(source.next_chunk() == begin + given.size() / metadata.chunk_size);
      const auto last = source.partial_chunk();
      const bool was_handed_out = last.size() == metadata.chunk_size;
      if (!was_handed_out) {
        REQUIRE(last.size() == given.size() % metadata.chunk_size);
        out.insert(out.end(), last.begin(), last.end());
      }
      REQUIRE(out == given);
      if (!was_handed_out && !last.empty()) {
        source.count_partial_chunk();
        REQUIRE(source.next_chunk() == begin + given.size() / metadata.chunk_size + 1);
        REQUIRE(source.partial_chunk().empty());
      }
    }
  }

  TEST_CASE("the signature is over specification, time and hash (6.1.2.2 #133); none if it fails") {
    auto key = SigningKey::generate(SignatureAlgorithm::ed25519);
    REQUIRE(key);
    SwarmMetadata metadata = live(16);
    metadata.id = SwarmId(key->dnskey());
    LiveSource source(metadata, {.discard_window = 5'000},
                      std::make_unique<SigningKey>(*std::move(key)));
    const WireFormat format = wire_format(metadata);
    const std::vector<std::byte> hash(32, std::byte{7});
    const auto signature = source.sign({32, 48}, 0x0102030405060708, hash, format);
    std::vector<std::byte> plaintext(16 + 32);
    ByteWriter out(plaintext);
    out.write(std::uint32_t{32});
    out.write(std::uint32_t{47});
    out.write(std::uint64_t{0x0102030405060708});
    out.write_bytes(hash);
    auto verifier = VerifyingKey::from_dnskey(metadata.id.octets());
    REQUIRE(verifier);
    CHECK(verifier->verify(plaintext, signature));

    auto broken = std::make_unique<NoSigner>();
    broken->works = false;
    LiveSource mute(metadata, {.discard_window = 5'000}, std::move(broken));
    CHECK(mute.sign({32, 48}, 1, hash, format).empty());
  }
}

}  // namespace ppspp::test
