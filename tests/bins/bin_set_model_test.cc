// BinSet against a plain set, under random operations.
#include <doctest/doctest.h>

#include <array>

#include "bin_set_model.h"
#include "ppspp/random_source.h"
#include "support/seed.h"

namespace ppspp {
namespace {

using test::BinSetModel;

constexpr std::size_t kUniverse = 6 * BinSet::kPageChunks;

// Short runs, long runs, and runs that end at the borders of words and pages.
ChunkRange random_range(Rng& rng, const BinSetModel& model) {
  const std::uint64_t lengths[] = {1, 2, 70, 500, 3 * BinSet::kPageChunks};
  ChunkIndex begin = model.base() + rng.below(kUniverse);
  ChunkIndex end = begin + 1 + rng.below(lengths[rng.below(5)]);
  if (rng.below(4) == 0) begin -= begin % BinSet::kPageChunks;
  if (rng.below(4) == 0) end += BinSet::kPageChunks - end % BinSet::kPageChunks;
  return {std::max(begin, model.base()), std::min(end, model.end())};
}

// Some chunk of the universe or a little beyond it.
ChunkIndex random_chunk(Rng& rng, const BinSetModel& model) {
  const ChunkIndex chunk = model.base() + rng.below(kUniverse + 200);
  return chunk < 100 ? chunk : chunk - 100;
}

bool change(Rng& rng, BinSet& set, BinSetModel& model) {
  const ChunkRange range = random_range(rng, model);
  if (rng.below(2) == 0) {
    model.insert(range);
    return set.insert(range);
  }
  model.erase(range);
  return set.erase(range);
}

void check_answers(const BinSet& set, const BinSetModel& model, ChunkIndex chunk,
                   ChunkRange range) {
  CAPTURE(chunk);
  REQUIRE(set.contains(chunk) == model.contains(chunk));
  REQUIRE(set.word(chunk / 64) == model.word(chunk / 64));
  REQUIRE(set.next_in(chunk) == model.next_in(chunk));
  REQUIRE(set.next_out(chunk) == model.next_out(chunk));
  REQUIRE(set.run_around(chunk) == model.run_around(chunk));
  REQUIRE(set.next_run(chunk) == model.next_run(chunk));
  REQUIRE(set.contains(range) == model.contains(range));
  REQUIRE(set.intersects(range) == model.intersects(range));
}

}  // namespace

TEST_SUITE("bins/bin_set against a plain set") {
  TEST_CASE("all answers are those of a plain set, anywhere below 2^63") {
    Rng rng(test::seed());
    const ChunkIndex bases[] = {0, BinSet::kPageChunks - 77, (ChunkIndex{1} << 32) + 5,
                                kMaxChunks - kUniverse};
    for (const ChunkIndex base : bases) {
      CAPTURE(base);
      BinSet set;
      BinSetModel model(base, kUniverse);
      for (int i = 0; i < 400; ++i) {
        REQUIRE(change(rng, set, model));
        set.check_invariants();
        REQUIRE(set.count() == model.count());
        check_answers(set, model, random_chunk(rng, model), random_range(rng, model));
        if (i % 8 == 0) REQUIRE(model.equals(set));
      }
    }
  }

  TEST_CASE("the same chunks are the same set, however they came about") {
    Rng rng(test::seed() + 1);
    BinSet set;
    BinSetModel model(0, kUniverse);
    for (int i = 0; i < 100; ++i) {
      change(rng, set, model);
      BinSet rebuilt;
      for (ChunkRange run = model.next_run(0); !run.empty(); run = model.next_run(run.end)) {
        for (ChunkIndex chunk = run.end; chunk-- > run.begin;) rebuilt.insert({chunk, chunk + 1});
      }
      REQUIRE(rebuilt == set);
      rebuilt.check_invariants();
      const ChunkIndex flipped = rng.below(kUniverse);
      const ChunkRange one{flipped, flipped + 1};
      set.contains(flipped) ? rebuilt.erase(one) : rebuilt.insert(one);
      REQUIRE_FALSE(rebuilt == set);
    }
  }

  TEST_CASE("what to request next is what a search chunk by chunk finds") {
    Rng rng(test::seed() + 2);
    for (int round = 0; round < 100; ++round) {
      std::array<BinSet, 3> sets;
      std::array<BinSetModel, 3> models = {BinSetModel{0, kUniverse}, BinSetModel{0, kUniverse},
                                           BinSetModel{0, kUniverse}};
      for (std::size_t i = 0; i < 3; ++i) {
        for (std::uint64_t n = rng.below(30); n > 0; --n) change(rng, sets.at(i), models.at(i));
      }
      for (int query = 0; query < 30; ++query) {
        const ChunkRange window = random_range(rng, models[0]);
        const std::uint64_t max_size = rng.below(2) == 0 ? rng.below(100) : ~std::uint64_t{0};
        REQUIRE(first_run_in_but_not_in(sets[0], sets[1], sets[2], window, max_size) ==
                test::first_run_in_but_not_in(models[0], models[1], models[2], window, max_size));
      }
    }
  }

  TEST_CASE("a bounded set stays within its pages and never knows more than it was told") {
    Rng rng(test::seed() + 3);
    int refused = 0;
    for (std::size_t max_pages = 0; max_pages < 5; ++max_pages) {
      CAPTURE(max_pages);
      BinSet set(max_pages);
      BinSetModel model(0, kUniverse);
      for (int i = 0; i < 200; ++i) {
        const bool done = change(rng, set, model);
        set.check_invariants();
        REQUIRE(set.page_count() <= max_pages);
        if (done) {
          REQUIRE(model.equals(set));
        } else {
          ++refused;
          REQUIRE(model.reduce_to(set));
        }
      }
    }
    CHECK(refused > 0);  // whichever bound it was: four pages may well suffice for what came
  }
}

}  // namespace ppspp
