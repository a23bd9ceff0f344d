#include "channel/sent_chunks.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include "ppspp/random_source.h"
#include "support/seed.h"

namespace ppspp::test {
namespace {

using namespace std::chrono_literals;
constexpr TimePoint kStart{std::chrono::seconds(1)};

// Datagram by datagram and chunk by chunk.
struct Model {
  struct Datagram {
    std::set<ChunkIndex> chunks;  // outstanding
    std::uint32_t bytes;
    TimePoint sent_at;
    bool resent;
    bool probe;
  };
  std::vector<Datagram> datagrams;
  std::optional<std::size_t> largest_acked;

  std::size_t flight() const {
    std::size_t bytes = 0;
    for (const Datagram& datagram : datagrams)
      bytes += datagram.chunks.empty() ? 0 : datagram.bytes;
    return bytes;
  }
  bool in_flight(ChunkIndex chunk) const {
    return std::any_of(datagrams.begin(), datagrams.end(),
                       [chunk](const Datagram& d) { return d.chunks.contains(chunk); });
  }
  // Takes the range out; returns octets of datagrams that are done with.
  std::size_t take(ChunkRange range, std::uint64_t& chunks, std::optional<std::size_t>& newest) {
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < datagrams.size(); ++i) {
      const std::size_t gone = static_cast<std::size_t>(
          std::erase_if(datagrams[i].chunks, [range](ChunkIndex c) { return range.contains(c); }));
      if (gone == 0) continue;
      chunks += gone;
      newest = i;
      if (datagrams[i].chunks.empty()) bytes += datagrams[i].bytes;
    }
    return bytes;
  }
  std::size_t lose(std::size_t i, std::set<ChunkIndex>& lost) {
    lost.insert(datagrams[i].chunks.begin(), datagrams[i].chunks.end());
    datagrams[i].chunks.clear();
    return datagrams[i].bytes;
  }
};

std::set<ChunkIndex> flat(const std::vector<ChunkRange>& ranges) {
  std::set<ChunkIndex> chunks;
  for (const ChunkRange range : ranges) {
    for (ChunkIndex c = range.begin; c < range.end; ++c) REQUIRE(chunks.insert(c).second);
  }
  return chunks;
}

class Pair {
 public:
  explicit Pair(std::uint64_t s) : random_(s) {}

  void step() {
    now_ += Microseconds(static_cast<std::int64_t>(random_.below(3'000)));
    switch (random_.below(10)) {
      case 0:
      case 1:
      case 2:
        return send();
      case 3:
      case 4:
      case 5:
        return acknowledge();
      case 6:
        return detect();
      case 7:
        return random_.below(4) == 0 ? take_oldest() : discard();
      case 8:
        return abandon();
      default:
        return ask();
    }
  }

  void check() {
    REQUIRE(sent_.empty() == (model_.flight() == 0));
    REQUIRE(flight_ == model_.flight());
    REQUIRE(sent_.memory() < 1 << 20);
  }

 private:
  ChunkRange random_range(std::uint64_t longest) {
    const ChunkIndex begin = random_.below(150);
    return {begin, begin + random_.below(longest)};
  }

  // Chunks that are not in flight, in any order, some of them in runs.
  std::set<ChunkIndex> fill() {
    std::set<ChunkIndex> chunks;
    ChunkIndex chunk = random_.below(150);
    for (std::uint64_t i = 1 + random_.below(6); i > 0; --i) {
      if (!model_.in_flight(chunk) && chunks.insert(chunk).second) {
        resent_ |= random_.below(8) == 0;
        sent_.add_chunk(chunk, resent_);
      }
      chunk = random_.below(3) == 0 ? random_.below(150) : chunk + 1;
    }
    return chunks;
  }

  void send() {
    resent_ = false;
    sent_.begin_datagram(now_);
    const auto chunks = fill();
    if (chunks.empty()) {
      REQUIRE(sent_.abandon_datagram().empty());
      return;
    }
    const auto bytes = static_cast<std::uint32_t>(100 + random_.below(1'400));
    const bool probe = random_.below(10) == 0;
    sent_.finish_datagram(bytes, probe, false);
    model_.datagrams.push_back({chunks, bytes, now_, resent_, probe});
    flight_ += bytes;
  }

  void abandon() {
    resent_ = false;
    sent_.begin_datagram(now_);
    const auto chunks = fill();
    REQUIRE(flat(sent_.abandon_datagram()) == chunks);
  }

  void acknowledge() {
    const ChunkRange range = random_range(40);
    std::uint64_t chunks = 0;
    std::optional<std::size_t> newest;
    const std::size_t bytes = model_.take(range, chunks, newest);
    const auto acked = sent_.on_ack(range, now_);
    REQUIRE(acked.bytes == bytes);
    REQUIRE(acked.chunks == chunks);
    flight_ -= acked.bytes;
    REQUIRE(acked.rtt.has_value() == (newest && !model_.datagrams[*newest].resent));
    if (acked.rtt) REQUIRE(*acked.rtt == now_ - model_.datagrams[*newest].sent_at);
    if (newest && (!model_.largest_acked || *newest > *model_.largest_acked)) {
      model_.largest_acked = newest;
    }
  }

  void detect() {
    const Microseconds delay(static_cast<std::int64_t>(random_.below(20'000)));
    const auto lost = sent_.detect_losses(3, delay, now_);
    std::set<ChunkIndex> chunks;
    std::size_t bytes = 0;
    bool only_probes = true;
    for (std::size_t i = 0; model_.largest_acked && i < *model_.largest_acked; ++i) {
      const auto& datagram = model_.datagrams[i];
      if (datagram.chunks.empty()) continue;
      // The model numbers what was really sent, and so does SentChunks.
      if (*model_.largest_acked - i < 3 && now_ < datagram.sent_at + delay) continue;
      only_probes &= datagram.probe;
      bytes += model_.lose(i, chunks);
    }
    REQUIRE(flat(lost.chunks) == chunks);
    REQUIRE(lost.bytes == bytes);
    REQUIRE(lost.only_probes == only_probes);
    flight_ -= lost.bytes;
    if (sent_.loss_time(delay) != kNever) REQUIRE(sent_.loss_time(delay) > now_);
  }

  void take_oldest() {
    const std::size_t count = random_.below(4);
    const auto lost = sent_.take_oldest(count);
    std::set<ChunkIndex> chunks;
    std::size_t taken = 0;
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < model_.datagrams.size() && taken < count; ++i) {
      if (model_.datagrams[i].chunks.empty()) continue;
      bytes += model_.lose(i, chunks);
      ++taken;
    }
    REQUIRE(flat(lost.chunks) == chunks);
    REQUIRE(lost.bytes == bytes);
    flight_ -= lost.bytes;
  }

  void discard() {
    const ChunkRange range = random_range(10);
    std::uint64_t chunks = 0;
    std::optional<std::size_t> newest;
    const std::size_t bytes = model_.take(range, chunks, newest);
    REQUIRE(sent_.discard(range) == bytes);
    flight_ -= bytes;
  }

  void ask() {
    const ChunkRange range = random_range(30);
    std::vector<ChunkRange> parts;
    sent_.subtract_from(range, parts);
    std::set<ChunkIndex> free;
    for (ChunkIndex c = range.begin; c < range.end; ++c) {
      if (!model_.in_flight(c)) free.insert(c);
    }
    REQUIRE(flat(parts) == free);
    if (sent_.empty()) return;
    TimePoint oldest = kNever;
    for (const auto& datagram : model_.datagrams) {
      if (!datagram.chunks.empty()) oldest = std::min(oldest, datagram.sent_at);
    }
    REQUIRE(sent_.oldest_sent_at() == oldest);
    REQUIRE(sent_.newest_sent_at() >= oldest);
  }

  Rng random_;
  TimePoint now_ = kStart;
  SentChunks sent_;
  Model model_;
  std::size_t flight_ = 0;
  bool resent_ = false;
};

}  // namespace

TEST_SUITE("channel/sent_chunks") {
  TEST_CASE("any sends, ACKs, losses and cancels: octets and chunks in flight are the model's") {
    for (std::uint64_t round = 0; round < 300; ++round) {
      Pair pair(seed() + round);
      for (int step = 0; step < 150; ++step) {
        pair.step();
        pair.check();
      }
    }
  }

  TEST_CASE("in order, memory stays that of what is in flight") {
    SentChunks sent;
    TimePoint now = kStart;
    ChunkIndex next = 0;
    for (int i = 0; i < 100'000; ++i) {
      now += 10us;
      sent.begin_datagram(now);
      sent.add_chunk(next++, false);
      sent.finish_datagram(1'000, false, false);
      if (next > 100) sent.on_ack({next - 101, next - 100}, now);
    }
    CHECK(sent.memory() < 64 << 10);
  }

  TEST_CASE("an ACK for what was never sent is nothing (12.6.4)") {
    SentChunks sent;
    sent.begin_datagram(kStart);
    sent.add_chunk(5, false);
    sent.finish_datagram(1'000, false, false);
    for (const ChunkRange range : {ChunkRange{0, 5}, {6, 1'000}, {7, 7}, {6, kMaxChunks}}) {
      const auto acked = sent.on_ack(range, kStart + 1ms);
      CHECK(acked.chunks == 0);
      CHECK(acked.bytes == 0);
      CHECK_FALSE(acked.rtt);
    }
    CHECK(sent.on_ack({0, kMaxChunks}, kStart + 2ms).bytes == 1'000);
    CHECK(sent.empty());
  }

  TEST_CASE("a probe that is lost among others is told apart from them") {
    SentChunks sent;
    const std::uint32_t sizes[] = {1'400, 8'900, 1'400, 1'400, 1'400, 1'400};
    for (std::size_t i = 0; i < 6; ++i) {
      sent.begin_datagram(kStart);
      sent.add_chunk(i, false);
      sent.finish_datagram(sizes[i], i == 1, false);
    }
    sent.on_ack({5, 6}, kStart + 1ms);
    const auto lost = sent.detect_losses(3, 10ms, kStart + 1ms);
    CHECK(lost.bytes == 1'400 + 8'900 + 1'400);
    CHECK_FALSE(lost.only_probes);
    CHECK(lost.largest == 1'400);
    CHECK(lost.probe == 8'900);
  }

  TEST_CASE("what was sent before gives no sample of the round trip (Karn)") {
    SentChunks sent;
    sent.begin_datagram(kStart);
    sent.add_chunk(1, true);
    sent.add_chunk(2, false);
    sent.finish_datagram(2'000, false, false);
    CHECK_FALSE(sent.on_ack({2, 3}, kStart + 1ms).rtt);
  }

  TEST_CASE("the ACK of what was taken for lost says nothing of what left after that") {
    for (const bool too_early : {true, false}) {
      SentChunks sent;
      for (std::size_t i = 0; i < 6; ++i) {
        sent.begin_datagram(kStart);
        sent.add_chunk(i, i == 5);  // the last one again
        sent.finish_datagram(1'400, false, false);
      }
      CHECK(sent.on_ack({5, 6}, kStart + 10ms, too_early ? 20ms : 10ms).chunks == 1);
      CHECK(sent.detect_losses(3, 100ms, kStart + 10ms).chunks.empty() == too_early);
    }
  }

  TEST_CASE("what is in the datagram that is being filled, and in it alone") {
    SentChunks sent;
    CHECK_FALSE(sent.is_in_last({0, kMaxChunks}));
    sent.begin_datagram(kStart);
    CHECK_FALSE(sent.is_in_last({0, kMaxChunks}));
    sent.add_chunk(10, false);
    sent.add_chunk(11, false);
    sent.add_chunk(4, true);
    CHECK(sent.is_in_last({0, 5}));
    CHECK(sent.is_in_last({11, 20}));
    CHECK(sent.is_in_last({4, 5}));
    CHECK_FALSE(sent.is_in_last({5, 10}));
    CHECK_FALSE(sent.is_in_last({12, 100}));
    CHECK_FALSE(sent.is_in_last({10, 10}));
    sent.finish_datagram(3'000, false, false);
    CHECK(sent.is_in_last({10, 12}));  // still the one begun last
    sent.begin_datagram(kStart);
    CHECK_FALSE(sent.is_in_last({0, kMaxChunks}));
    CHECK(sent.will_arrive({10, 12}));
    sent.add_chunk(12, false);
    CHECK(sent.is_in_last({8, 16}));
    CHECK_FALSE(sent.is_in_last({8, 12}));
    sent.abandon_datagram();
    CHECK_FALSE(sent.is_in_last({12, 13}));
  }
}

}  // namespace ppspp::test
