#include "channel/outstanding_requests.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <set>

#include "ppspp/random_source.h"
#include "support/seed.h"

namespace ppspp::test {
namespace {

using namespace std::chrono_literals;
constexpr TimePoint kStart{std::chrono::seconds(1)};

// Each chunk by itself: in which order it was asked for, and since when a later one has come.
struct Model {
  struct Asked {
    std::uint64_t order;
    TimePoint passed_at = kNever;
  };
  std::map<ChunkIndex, Asked> chunks;
  std::uint64_t order = 0;

  void add(ChunkRange range) {
    for (ChunkIndex c = range.begin; c < range.end; ++c) chunks[c] = {order++};
  }
  std::set<ChunkIndex> take_newest(std::uint64_t count) {
    std::set<ChunkIndex> taken;
    for (; count > 0; --count) {
      const auto newest = std::ranges::max_element(
          chunks, {}, [](const auto& entry) { return entry.second.order; });
      taken.insert(newest->first);
      chunks.erase(newest);
    }
    return taken;
  }
  bool receive(ChunkIndex chunk, TimePoint now) {
    const auto found = chunks.find(chunk);
    if (found == chunks.end()) return false;
    for (auto& [c, asked] : chunks) {
      if (asked.order < found->second.order && asked.passed_at == kNever) asked.passed_at = now;
    }
    chunks.erase(found);
    return true;
  }
  std::set<ChunkIndex> take_overdue(Microseconds patience, TimePoint now) {
    std::set<ChunkIndex> late;
    for (const auto& [c, asked] : chunks) {
      if (asked.passed_at != kNever && now - asked.passed_at >= patience) late.insert(c);
    }
    for (const ChunkIndex c : late) chunks.erase(c);
    return late;
  }
};

std::set<ChunkIndex> flat(const std::vector<ChunkRange>& ranges) {
  std::set<ChunkIndex> chunks;
  for (const ChunkRange range : ranges) {
    for (ChunkIndex c = range.begin; c < range.end; ++c) REQUIRE(chunks.insert(c).second);
  }
  return chunks;
}

}  // namespace

TEST_SUITE("channel/outstanding_requests") {
  TEST_CASE("any order of asking, receiving, cancelling and waiting is that of single chunks") {
    Rng random(seed());
    for (int round = 0; round < 300; ++round) {
      OutstandingRequests requests;
      Model model;
      TimePoint now = kStart;
      for (int step = 0; step < 100; ++step) {
        now += Microseconds(static_cast<std::int64_t>(random.below(2'000)));
        const ChunkIndex begin = random.below(120);
        switch (random.below(9)) {
          case 0:
          case 1: {
            // As the swarm does: never what is outstanding already.
            ChunkRange range{begin, begin};
            while (range.size() < 10 && !model.chunks.contains(range.end)) ++range.end;
            if (range.empty()) break;
            requests.add(range, now);
            model.add(range);
            break;
          }
          case 2:
          case 3:
          case 4: {
            // Mostly what is next, sometimes anything.
            ChunkIndex chunk = begin;
            if (!requests.empty() && random.below(3) != 0) chunk = requests.front().begin;
            REQUIRE(requests.on_received(chunk, now) == model.receive(chunk, now));
            break;
          }
          case 5: {
            const ChunkRange range{begin, begin + random.below(20)};
            std::uint64_t removed = 0;
            for (ChunkIndex c = range.begin; c < range.end; ++c) removed += model.chunks.erase(c);
            REQUIRE(requests.remove(range) == removed);
            break;
          }
          case 6:
            REQUIRE(requests.contains(begin) == model.chunks.contains(begin));
            break;
          case 7: {
            // Those asked for last.
            const std::uint64_t count =
                std::min<std::uint64_t>(random.below(5), model.chunks.size());
            REQUIRE(flat(requests.take_newest(count)) == model.take_newest(count));
            break;
          }
          default: {
            TimePoint first = kNever;
            for (const auto& [c, asked] : model.chunks) first = std::min(first, asked.passed_at);
            REQUIRE(requests.overdue_at(1ms) == (first == kNever ? kNever : first + 1ms));
            REQUIRE(flat(requests.take_overdue(1ms, now)) == model.take_overdue(1ms, now));
          }
        }
        REQUIRE(requests.chunks() == model.chunks.size());
        REQUIRE(requests.empty() == model.chunks.empty());
      }
      std::set<ChunkIndex> rest;
      for (const auto& [c, asked] : model.chunks) rest.insert(c);
      REQUIRE(flat(requests.take_all()) == rest);
      REQUIRE(requests.empty());
      REQUIRE(requests.chunks() == 0);
    }
  }

  TEST_CASE("what is likely on its way is left with its peer, what was passed is not") {
    OutstandingRequests requests;
    requests.add({0, 10}, kStart);
    requests.add({20, 30}, kStart + 1ms);
    REQUIRE(requests.on_received(2, kStart + 2ms));  // 0 and 1 were passed
    const std::vector<ChunkRange> later = requests.later_within({0, 25}, 4);
    CHECK(flat(later) == std::set<ChunkIndex>{0, 1, 7, 8, 9, 20, 21, 22, 23, 24});
    CHECK(requests.later_within({30, 40}, 0).empty());
  }

  TEST_CASE("runs asked for in one breath are one entry; the bound holds") {
    OutstandingRequests requests;
    for (ChunkIndex chunk = 0; chunk < 10'000; ++chunk) requests.add({chunk, chunk + 1}, kStart);
    CHECK_FALSE(requests.full());
    CHECK(requests.front() == ChunkRange{0, 10'000});
    CHECK(requests.oldest_request() == kStart);
    OutstandingRequests scattered;
    std::size_t added = 0;
    for (ChunkIndex chunk = 0; !scattered.full(); chunk += 2, ++added) {
      scattered.add({chunk, chunk + 1}, kStart);
    }
    CHECK(added == OutstandingRequests::kMaxEntries);
  }
}

}  // namespace ppspp::test
