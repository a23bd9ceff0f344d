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
  std::deque<ChunkIndex> lost, pushed, asked;

  bool holds(ChunkIndex chunk) const {
    const auto in = [chunk](const std::deque<ChunkIndex>& chunks) {
      return std::find(chunks.begin(), chunks.end(), chunk) != chunks.end();
    };
    return in(lost) || in(pushed) || in(asked);
  }
  void add(ChunkRange range) {
    for (ChunkIndex c = range.begin; c < range.end; ++c) {
      if (!holds(c)) asked.push_back(c);
    }
  }
  void remove(ChunkRange range) {
    std::erase_if(lost, [&](ChunkIndex c) { return range.contains(c); });
    std::erase_if(pushed, [&](ChunkIndex c) { return range.contains(c); });
    std::erase_if(asked, [&](ChunkIndex c) { return range.contains(c); });
  }
  void add_pushed(ChunkRange range) {
    remove(range);
    for (ChunkIndex c = range.begin; c < range.end; ++c) pushed.push_back(c);
  }
  std::deque<ChunkIndex>& front() {
    return !lost.empty() ? lost : !pushed.empty() ? pushed : asked;
  }
  std::size_t size() const { return lost.size() + pushed.size() + asked.size(); }
  void add_lost(ChunkRange range) {
    remove(range);
    for (ChunkIndex c = range.begin; c < range.end; ++c) lost.push_back(c);
  }
};

ChunkRange random_range(Rng& random) {
  const ChunkIndex begin = random.below(100);
  return {begin, begin + random.below(15)};
}

void check_same(const RequestQueue& queue, Model& model) {
  REQUIRE(queue.chunks() == model.size());
  REQUIRE(queue.pushed_chunks() == model.pushed.size());
  REQUIRE(queue.empty() == (model.size() == 0));
  const auto next = queue.next();
  REQUIRE(next.has_value() == !queue.empty());
  if (!next) return;
  REQUIRE(next->resent == !model.lost.empty());
  REQUIRE(next->chunk == model.front().front());
  REQUIRE(queue.next_run().begin == next->chunk);
}

}  // namespace

TEST_SUITE("channel/request_queue") {
  TEST_CASE("the order of asking, the lost first, then the pushed, nothing twice (3.7 #152 #154)") {
    Rng random(seed());
    for (int round = 0; round < 300; ++round) {
      RequestQueue queue;
      Model model;
      for (int step = 0; step < 80; ++step) {
        const ChunkRange range = random_range(random);
        switch (random.below(7)) {
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
          case 5:
            queue.add_pushed(range);
            model.add_pushed(range);
            break;
          default:
            for (int i = 0; i < 5 && !queue.empty(); ++i) {
              queue.pop();
              model.front().pop_front();
            }
        }
        check_same(queue, model);
      }
    }
  }

  TEST_CASE(
      "what is put behind the rest comes all the same, once, and goes first again at the end") {
    Rng random(seed());
    for (int round = 0; round < 300; ++round) {
      RequestQueue queue;
      BinSet spread;
      BinSet waiting;
      for (int step = 0; step < 60; ++step) {
        const ChunkRange range = random_range(random);
        switch (random.below(6)) {
          case 0:
          case 1:
            REQUIRE(queue.add(range));
            waiting.insert(range);
            break;
          case 2:
            queue.remove(range);
            waiting.erase(range);
            break;
          case 3:
            spread.insert(range);
            break;
          case 4:
            if (random.below(4) == 0) queue.undefer();
            break;
          default:
            for (int i = 0; i < 5 && !queue.empty(); ++i) {
              queue.defer(spread);
              const ChunkIndex chunk = queue.next()->chunk;
              REQUIRE(waiting.contains(chunk));
              REQUIRE(queue.has_fresh() == !spread.contains(chunk));
              queue.pop();
              waiting.erase({chunk, chunk + 1});
              spread.insert({chunk, chunk + 1});
            }
        }
        REQUIRE(queue.chunks() == waiting.count());
        REQUIRE(queue.empty() == waiting.empty());
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

  TEST_CASE("what is pushed goes before what is asked for, and is taken back by CANCEL and HAVE") {
    RequestQueue queue;
    queue.add({10, 14});
    queue.add_pushed({20, 22});
    queue.add_pushed({22, 24});
    queue.add_pushed({12, 13});  // asked for and not sent yet: at once now
    CHECK(queue.chunks() == 8);
    CHECK(queue.pushed_chunks() == 5);
    CHECK(queue.next_run() == ChunkRange{20, 24});
    CHECK_FALSE(queue.next()->resent);
    queue.add({20, 24});  // a REQUEST for what is on its way changes nothing
    CHECK(queue.chunks() == 8);
    queue.remove({21, 23});
    CHECK(queue.pushed_chunks() == 3);
    queue.add_lost({5, 6});
    std::vector<ChunkIndex> order;
    for (; !queue.empty(); queue.pop()) order.push_back(queue.next()->chunk);
    CHECK(order == std::vector<ChunkIndex>{5, 20, 23, 12, 10, 11, 13});
    CHECK(queue.pushed_chunks() == 0);
  }

  TEST_CASE("pushes to a peer that takes none are bounded") {
    RequestQueue queue;
    for (ChunkIndex chunk = 0; chunk < 10'000; chunk += 2) queue.add_pushed({chunk, chunk + 1});
    CHECK(queue.pushed_chunks() == RequestQueue::kMaxRanges);
    CHECK(queue.chunks() == RequestQueue::kMaxRanges);
    queue.clear();
    CHECK(queue.pushed_chunks() == 0);
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
