// Threads that help with work in parts.
#include "net/worker_pool.h"

#include <doctest/doctest.h>

#include <atomic>
#include <filesystem>
#include <iterator>
#include <set>
#include <vector>

#include "ppspp/random_source.h"
#include "support/seed.h"

namespace ppspp::test {
namespace {

std::size_t threads_of_process() {
  const std::filesystem::directory_iterator tasks("/proc/self/task");
  return static_cast<std::size_t>(std::distance(begin(tasks), end(tasks)));
}

}  // namespace

TEST_SUITE("net/worker_pool") {
  TEST_CASE("each part is done once, and its result is there when run() returns") {
    Rng random(seed());
    for (const std::size_t helpers : {0UL, 1UL, 3UL, 8UL}) {
      CAPTURE(helpers);
      WorkerPool pool(helpers);
      CHECK(pool.lanes() == helpers + 1);
      for (int round = 0; round < 300; ++round) {
        // Plain memory, as it is used: a thread's sanitizer sees what is not in order.
        std::vector<std::uint64_t> done(random.below(40));
        std::vector<std::uint64_t> in_lane(pool.lanes());
        pool.run(done.size(), [&](std::size_t part, std::size_t lane) {
          for (std::uint64_t i = 0; i <= part * 10; ++i) done[part] += i;
          ++in_lane.at(lane);
        });
        std::uint64_t all = 0;
        for (const std::uint64_t parts : in_lane) all += parts;
        CHECK(all == done.size());
        for (std::size_t part = 0; part < done.size(); ++part) {
          REQUIRE(done[part] == part * 10 * (part * 10 + 1) / 2);
        }
      }
    }
  }

  TEST_CASE("threads are begun when they are needed, and end with the pool") {
    const std::size_t before = threads_of_process();
    {
      WorkerPool pool(3);
      pool.run(0, [](std::size_t, std::size_t) { FAIL("there is no part"); });
      std::size_t alone = 0;
      pool.run(1, [&](std::size_t, std::size_t lane) { alone += lane == 0 ? 1 : 0; });
      CHECK(alone == 1);
      CHECK(pool.threads() == 0);
      CHECK(threads_of_process() == before);
      pool.run(2, [](std::size_t, std::size_t) {});
      CHECK(pool.threads() == 3);
      CHECK(threads_of_process() == before + 3);
    }
    // A thread that was joined may be listed for a moment.
    for (int i = 0; i < 1'000 && threads_of_process() != before; ++i) std::this_thread::yield();
    CHECK(threads_of_process() == before);
  }

  TEST_CASE("several work at the same time") {
    WorkerPool pool(2);
    std::atomic<int> inside{0};
    std::atomic<int> most{0};
    // Each waits for the others, but not for ever: a machine may be slow to wake them.
    for (int round = 0; round < 1'000 && most < 3; ++round) {
      pool.run(3, [&](std::size_t, std::size_t) {
        const int now = ++inside;
        int seen = most;
        while (now > seen && !most.compare_exchange_weak(seen, now)) {
        }
        for (int i = 0; i < 1'000 && inside < 3 && most < 3; ++i) std::this_thread::yield();
        --inside;
      });
    }
    CHECK(most == 3);
  }
}

}  // namespace ppspp::test
