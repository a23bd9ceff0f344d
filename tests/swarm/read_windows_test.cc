#include "swarm/read_windows.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "ppspp/random_source.h"
#include "support/seed.h"

using namespace ppspp;

namespace {

constexpr ChunkIndex kChunks = 300;

std::vector<ReadWindow> random_windows(Rng& rng) {
  std::vector<ReadWindow> windows(rng.below(6));
  for (ReadWindow& window : windows) {
    window.begin = rng.below(kChunks + 20);
    window.urgent_end = window.begin + rng.below(40);
    window.end = window.urgent_end + rng.below(100);
    if (rng.below(10) == 0) window.end = kMaxChunks;
  }
  return windows;
}

bool wants(std::span<const ReadWindow> windows, ChunkIndex chunk) {
  return std::ranges::any_of(windows, [chunk](const ReadWindow& window) {
    return window.begin <= chunk && chunk < window.end;
  });
}

BinSet random_set(Rng& rng) {
  BinSet set;
  for (int i = 0; i < 8; ++i) {
    const ChunkIndex begin = rng.below(kChunks);
    set.insert({begin, begin + 1 + rng.below(60)});
  }
  return set;
}

}  // namespace

TEST_SUITE("swarm/read_windows") {
  TEST_CASE("what no window wants is found, whatever the windows are") {
    Rng rng(test::seed());
    for (int round = 0; round < 2'000; ++round) {
      const auto given = random_windows(rng);
      ReadWindows windows;
      windows.set(given);
      CHECK(windows.empty() == given.empty());
      const ChunkIndex begin = rng.below(kChunks);
      const ChunkRange range{begin, begin + rng.below(150)};
      std::vector<ChunkRange> parts;
      windows.subtract_from(range, parts);
      std::set<ChunkIndex> unwanted;
      ChunkIndex last = range.begin;
      for (const ChunkRange part : parts) {
        CHECK(part.begin >= last);
        CHECK_FALSE(part.empty());
        last = part.end;
        for (ChunkIndex chunk = part.begin; chunk < part.end; ++chunk) unwanted.insert(chunk);
      }
      for (ChunkIndex chunk = range.begin; chunk < range.end; ++chunk) {
        CHECK(unwanted.contains(chunk) == !wants(given, chunk));
      }
      CHECK(last <= std::max(range.begin, range.end));
    }
  }

  TEST_CASE("what is lacking and what is late are told apart") {
    Rng rng(test::seed());
    for (int round = 0; round < 2'000; ++round) {
      const auto given = random_windows(rng);
      const BinSet verified = random_set(rng);
      BinSet requested = random_set(rng);
      ReadWindows windows;
      windows.set(given);
      bool lacks = false;
      std::set<ChunkIndex> late;  // the first missing chunk of a reader, where it was asked for
      for (const ReadWindow& window : given) {
        bool first = true;
        for (ChunkIndex c = window.begin; c < std::min(window.urgent_end, kChunks); ++c) {
          if (verified.contains(c)) continue;
          if (!requested.contains(c)) lacks = true;
          if (first && requested.contains(c)) late.insert(c);
          first = false;
        }
      }
      CHECK(windows.lacks_urgent(verified, requested, kChunks) == lacks);
      const auto found = windows.next_late(verified, requested, kChunks);
      CHECK(found.has_value() == !late.empty());
      if (found) CHECK(late.contains(found->begin));
    }
  }

  TEST_CASE("a window that slides has not jumped; one that begins elsewhere, or went, has") {
    ReadWindows windows;
    const auto set = [&](std::vector<ReadWindow> given) { return windows.set(given); };
    CHECK(set({{0, 10, 100}}));
    CHECK_FALSE(set({{0, 10, 100}}));
    CHECK_FALSE(set({{50, 60, 150}}));
    CHECK_FALSE(set({{150, 160, 250}}));  // all of it was read
    CHECK(set({{260, 270, 360}}));
    CHECK_FALSE(set({{260, 270, 360}, {300, 310, 400}}));
    CHECK(set({{100, 110, 200}, {300, 310, 400}}));
    CHECK(set({{100, 110, 200}}));
    CHECK(set({}));
  }
}
