// What a set costs: memory, and work on sets that are far too big to look at chunk by chunk.
#include <doctest/doctest.h>

#include "bins/bin.h"
#include "bins/bin_set.h"
#include "ppspp/random_source.h"
#include "support/seed.h"

namespace ppspp {
namespace {

constexpr ChunkIndex kPage = BinSet::kPageChunks;

ChunkRange one(ChunkIndex chunk) {
  return {chunk, chunk + 1};
}

}  // namespace

TEST_SUITE("bins/bin_set bounds") {
  TEST_CASE("everything, nothing and one run cost less than 1 KiB (4.3.1 #64)") {
    BinSet set;
    CHECK(set.memory() < 256);
    set.insert(Bin::all().chunks());
    CHECK(set.memory() < 512);
    set.clear();
    set.insert({12345, ChunkIndex{1} << 40});
    CHECK(set.memory() < 1024);
    set.clear();
    set.insert({12345, (ChunkIndex{1} << 40) + 999});
    CHECK(set.memory() < 1024);
    CHECK(set.page_count() == 2);
  }

  TEST_CASE("random holes cost at most one and a half plain bitmaps (4.3.1 #64)") {
    Rng rng(test::seed());
    constexpr ChunkIndex kChunks = ChunkIndex{1} << 20;
    BinSet set;
    for (ChunkIndex i = 0; i < kChunks / 2; ++i) set.insert(one(rng.below(kChunks)));
    CHECK(set.memory() < kChunks / 8 * 3 / 2);
    set.check_invariants();
    BinSet holes;
    holes.insert({0, kChunks});
    for (ChunkIndex i = 0; i < kChunks / 2; ++i) holes.erase(one(rng.below(kChunks)));
    CHECK(holes.memory() < kChunks / 8 * 3 / 2);
    holes.check_invariants();
  }

  TEST_CASE("memory is given back when holes are filled or chunks go") {
    BinSet set;
    const auto scatter = [&set] {
      for (ChunkIndex page = 0; page < 20000; ++page) set.insert(one(page * kPage + page % kPage));
    };
    scatter();
    CHECK(set.page_count() == 20000);
    set.insert({0, 20000 * kPage});
    CHECK(set.page_count() == 0);
    CHECK(set.memory() < 1024);
    set.clear();
    scatter();
    for (ChunkIndex page = 0; page < 20000; ++page) {
      if (page % 200 != 0) set.erase({page * kPage, (page + 1) * kPage});
    }
    set.check_invariants();
    CHECK(set.page_count() == 100);
    CHECK(set.memory() < 100 * 500);
  }

  TEST_CASE("one chunk per page fills the pages, then is refused; known pages still take chunks") {
    BinSet set(100);
    for (ChunkIndex page = 0; page < 100; ++page) CHECK(set.insert(one(page * 7 * kPage)));
    CHECK_FALSE(set.insert(one(100 * 7 * kPage)));
    CHECK_FALSE(set.insert(one(3 * kPage)));
    CHECK(set.page_count() == 100);
    CHECK(set.count() == 100);
    CHECK(set.insert(one(99 * 7 * kPage + 5)));
    CHECK(set.count() == 101);
    CHECK(set.memory() < 100 * 500);
    set.check_invariants();
  }

  TEST_CASE("a run that takes the place of pages is taken when all pages are used up") {
    BinSet set(100);
    for (ChunkIndex page = 0; page < 100; ++page) set.insert(one(page * 7 * kPage));
    CHECK(set.insert({5, 600 * kPage + 3}));
    CHECK(set.contains({5, 600 * kPage + 3}));
    set.check_invariants();
    CHECK(set.insert(Bin::all().chunks()));
    CHECK(set.page_count() == 0);
    CHECK(set.count() == kMaxChunks);
  }

  TEST_CASE("an insertion that finds no page leaves out its ragged end only") {
    BinSet set(1);
    CHECK(set.insert({10, 5 * kPage}));
    CHECK_FALSE(set.insert({6 * kPage, 9 * kPage + 5}));
    CHECK(set.next_run(5 * kPage) == ChunkRange{6 * kPage, 9 * kPage});
    set.check_invariants();
  }

  TEST_CASE("runs of whole pages are bounded as well") {
    BinSet set(10);
    int taken = 0;
    for (ChunkIndex i = 0; i < 1000; ++i) {
      taken += set.insert({2 * i * kPage, (2 * i + 1) * kPage}) ? 1 : 0;
    }
    CHECK(taken == 21);
    CHECK(set.count() == 21 * kPage);
    CHECK(set.memory() < 10 * 500);
    set.check_invariants();
  }

  TEST_CASE("an erasure that finds no page forgets more, never less than it should") {
    BinSet set(1);
    set.insert({0, 100 * kPage});
    CHECK(set.erase(one(10 * kPage + 5)));
    CHECK_FALSE(set.erase(one(50 * kPage + 5)));  // the one page is taken
    CHECK_FALSE(set.intersects({50 * kPage, 51 * kPage}));
    // Nor is there room for a third run: the shorter piece of what was split is gone.
    CHECK(set.contains({51 * kPage, 100 * kPage}));
    CHECK(set.count() == 59 * kPage + kPage - 1);
    set.check_invariants();
    for (ChunkIndex page = 0; page < 100; page += 2) {
      set.erase(one(page * kPage));
      CHECK_FALSE(set.contains(page * kPage));
      set.check_invariants();
    }
    CHECK(set.memory() < 1024);
  }

  TEST_CASE("a content's own number of pages suffices for every set of its chunks") {
    Rng rng(test::seed());
    constexpr ChunkIndex kChunks = 5 * kPage + 17;
    BinSet set(6);
    for (int i = 0; i < 5000; ++i) {
      const ChunkIndex begin = rng.below(kChunks);
      const ChunkRange range{begin, begin + 1 + rng.below(kChunks - begin)};
      REQUIRE((rng.below(2) == 0 ? set.insert(range) : set.erase(range)));
      set.check_invariants();
    }
  }

  TEST_CASE("a set over 2^32 chunks with many runs is practical") {
    constexpr ChunkIndex kChunks = ChunkIndex{1} << 32;
    constexpr ChunkIndex kStride = 1000 * 64;
    BinSet set;
    std::uint64_t runs = 0;
    for (ChunkIndex begin = 0; begin < kChunks; begin += kStride) {
      REQUIRE(set.insert({begin, begin + 640}));
      ++runs;
    }
    CHECK(set.count() == runs * 640);
    CHECK(set.memory() < runs * 700);
    set.check_invariants();
    std::uint64_t seen = 0;
    for (ChunkRange run = set.next_run(0); !run.empty(); run = set.next_run(run.end)) {
      REQUIRE(run == ChunkRange{seen * kStride, seen * kStride + 640});
      ++seen;
    }
    CHECK(seen == runs);
    Rng rng(test::seed());
    for (int i = 0; i < 200000; ++i) {
      const ChunkIndex chunk = rng.below(kChunks - kStride);
      REQUIRE(set.contains(chunk) == (chunk % kStride < 640));
      REQUIRE(set.next_in(chunk) ==
              (chunk % kStride < 640 ? chunk : (chunk / kStride + 1) * kStride));
    }
    BinSet everything;
    everything.insert(Bin::all().chunks());
    for (int i = 0; i < 100000; ++i) {
      const ChunkIndex from = rng.below(kChunks);
      const ChunkRange found =
          first_run_in_but_not_in(everything, set, BinSet(), {from, kChunks}, 100);
      REQUIRE(found.begin == (from % kStride < 640 ? from - from % kStride + 640 : from));
    }
  }

  TEST_CASE("pages come in any order over 2^32 chunks") {
    Rng rng(test::seed());
    BinSet set;
    for (int i = 0; i < 100000; ++i) set.insert(one(rng.below(ChunkIndex{1} << 32)));
    set.check_invariants();
    CHECK(set.memory() < set.page_count() * 400);
    CHECK(set.insert({0, ChunkIndex{1} << 32}));
    CHECK(set.count() == ChunkIndex{1} << 32);
    CHECK(set.memory() < 1024);
  }

  TEST_CASE("gaps and runs of any length are stepped over") {
    BinSet peer;
    peer.insert({ChunkIndex{1} << 60, (ChunkIndex{1} << 60) + 1});
    BinSet mine;
    CHECK(peer.next_in(1) == ChunkIndex{1} << 60);
    CHECK(first_run_in_but_not_in(peer, mine, mine, {0, kMaxChunks}, 9) ==
          ChunkRange{ChunkIndex{1} << 60, (ChunkIndex{1} << 60) + 1});
    mine.insert({100, (ChunkIndex{1} << 60) + 1});
    CHECK(first_run_in_but_not_in(peer, mine, BinSet(), {0, kMaxChunks}, 9).empty());
    CHECK(mine.run_around(ChunkIndex{1} << 59) == ChunkRange{100, (ChunkIndex{1} << 60) + 1});
  }
}

}  // namespace ppspp
