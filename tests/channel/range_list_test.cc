#include "channel/range_list.h"

#include <doctest/doctest.h>

#include <set>

#include "ppspp/random_source.h"
#include "support/seed.h"

namespace ppspp::test {
namespace {

void insert(std::set<ChunkIndex>& model, ChunkRange range) {
  for (ChunkIndex chunk = range.begin; chunk < range.end; ++chunk) model.insert(chunk);
}
void erase(std::set<ChunkIndex>& model, ChunkRange range) {
  for (ChunkIndex chunk = range.begin; chunk < range.end; ++chunk) model.erase(chunk);
}
std::size_t runs(const std::set<ChunkIndex>& model) {
  std::size_t count = 0;
  for (const ChunkIndex chunk : model) {
    if (!model.contains(chunk - 1)) ++count;
  }
  return count;
}

void check_same(const RangeList& list, const std::set<ChunkIndex>& model) {
  std::set<ChunkIndex> chunks;
  for (std::size_t i = 0; i < list.ranges().size(); ++i) {
    const ChunkRange range = list.ranges()[i];
    REQUIRE_FALSE(range.empty());
    if (i > 0) REQUIRE(list.ranges()[i - 1].end < range.begin);  // sorted, and merged if they touch
    insert(chunks, range);
  }
  REQUIRE(chunks == model);
}

ChunkRange random_range(Rng& random) {
  const ChunkIndex begin = 1 + random.below(200);
  return {begin, begin + random.below(12)};
}

}  // namespace

TEST_SUITE("channel/range_list") {
  TEST_CASE("any adds and removes are those of a set of chunks") {
    Rng random(seed());
    for (int round = 0; round < 200; ++round) {
      RangeList list(1'000);
      std::set<ChunkIndex> model;
      for (int step = 0; step < 60; ++step) {
        const ChunkRange range = random_range(random);
        if (random.below(3) != 0) {
          REQUIRE(list.add(range));
          insert(model, range);
        } else {
          list.remove(range);
          erase(model, range);
        }
        check_same(list, model);
      }
    }
  }

  TEST_CASE("never more ranges than its bound; what is refused changes nothing") {
    Rng random(seed());
    for (int round = 0; round < 200; ++round) {
      RangeList list(5);
      std::set<ChunkIndex> model;
      for (int step = 0; step < 60; ++step) {
        const ChunkRange range = random_range(random);
        auto grown = model;
        insert(grown, range);
        if (list.add(range)) {
          model = grown;
        } else {
          REQUIRE(runs(grown) > 5);
        }
        check_same(list, model);
        REQUIRE(list.size() <= 5);
      }
      for (int step = 0; step < 20; ++step) {
        const ChunkRange range = random_range(random);
        list.remove(range);
        REQUIRE(list.size() <= 5);
        for (const ChunkRange kept : list.ranges()) REQUIRE_FALSE(kept.intersects(range));
      }
    }
  }

  TEST_CASE("an empty range is nothing") {
    RangeList list(1);
    CHECK(list.add({5, 5}));
    CHECK(list.empty());
    CHECK(list.add({5, 6}));
    list.remove({5, 5});
    CHECK(list.front() == ChunkRange{5, 6});
    CHECK_FALSE(list.add({9, 10}));
    CHECK(list.add({6, 9}));
    CHECK(list.front() == ChunkRange{5, 9});
  }
}

}  // namespace ppspp::test
