#include "channel/request_queue.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <deque>
#include <vector>

#include "ppspp/random_source.h"
#include "support/seed.h"

namespace ppspp::test {
namespace {

// Chunk by chunk what the queue does with ranges.
struct Model {
  std::deque<ChunkIndex> lost, asked;

  bool holds(ChunkIndex chunk) const {
    return std::find(lost.begin(), lost.end(), chunk) != lost.end() ||
           std::find(asked.begin(), asked.end(), chunk) != asked.end();
  }
  void add(ChunkRange range) {
    for (ChunkIndex c = range.begin; c < range.end; ++c) {
      if (!holds(c)) asked.push_back(c);
    }
  }
  void remove(ChunkRange range) {
    std::erase_if(lost, [&](ChunkIndex c) { return range.contains(c); });
    std::erase_if(asked, [&](ChunkIndex c) { return range.contains(c); });
  }
  void add_lost(ChunkRange range) {
    remove(range);
    for (ChunkIndex c = range.begin; c < range.end; ++c) lost.push_back(c);
  }
};

ChunkRange random_range(Rng& random) {
  const ChunkIndex begin = random.below(100);
  return {begin, begin + random.below(15)};
}

void check_same(const RequestQueue& queue, const Model& model) {
  REQUIRE(queue.chunks() == model.lost.size() + model.asked.size());
  REQUIRE(queue.empty() == (model.lost.empty() && model.asked.empty()));
  const auto next = queue.next();
  REQUIRE(next.has_value() == !queue.empty());
  if (!next) return;
  REQUIRE(next->resent == !model.lost.empty());
  REQUIRE(next->chunk == (model.lost.empty() ? model.asked.front() : model.lost.front()));
  REQUIRE(queue.next_run().begin == next->chunk);
}

}  // namespace

TEST_SUITE("channel/request_queue") {
  TEST_CASE("the order of asking, the lost first, nothing twice (3.7 #152)") {
    Rng random(seed());
    for (int round = 0; round < 300; ++round) {
      RequestQueue queue;
      Model model;
      for (int step = 0; step < 80; ++step) {
        const ChunkRange range = random_range(random);
        switch (random.below(6)) {
          case 0:
          case 1:
            REQUIRE(queue.add(range));
            model.add(range);
            break;
          case 2:
            REQUIRE(queue.add_lost(range));
            model.add_lost(range);
            break;
          case 3:
            queue.remove(range);
            model.remove(range);
            break;
          case 4: {
            const bool any = std::any_of(model.lost.begin(), model.lost.end(),
                                         [&](ChunkIndex c) { return range.contains(c); });
            REQUIRE(queue.has_lost(range) == any);
            break;
          }
          default:
            for (int i = 0; i < 5 && !queue.empty(); ++i) {
              queue.pop();
              (model.lost.empty() ? model.asked : model.lost).pop_front();
            }
        }
        check_same(queue, model);
      }
    }
  }

  TEST_CASE("what was popped and not sent goes back to the front, in its order") {
    RequestQueue queue;
    queue.add({10, 20});
    for (int i = 0; i < 4; ++i) queue.pop();
    const ChunkRange back[] = {{10, 12}, {12, 14}};
    queue.unpop(back);
    CHECK(queue.chunks() == 10);
    for (ChunkIndex chunk = 10; chunk < 20; ++chunk) {
      CHECK(queue.next()->chunk == chunk);
      queue.pop();
    }
    CHECK(queue.empty());
  }

  TEST_CASE("a bound on what a peer can make us remember (3.7 #151)") {
    RequestQueue queue;
    std::size_t taken = 0;
    for (ChunkIndex chunk = 0; chunk < 10'000; chunk += 2) {
      if (queue.add({chunk, chunk + 1})) ++taken;
    }
    CHECK(taken == RequestQueue::kMaxRanges);
    CHECK(queue.chunks() == taken);
    queue.clear();
    CHECK(queue.empty());
    CHECK(queue.add({0, kMaxChunks}));
    queue.remove({1'000, kMaxChunks});
    CHECK(queue.chunks() == 1'000);
  }
}

}  // namespace ppspp::test
