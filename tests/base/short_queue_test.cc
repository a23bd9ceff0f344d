#include "base/short_queue.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <deque>

#include "ppspp/random_source.h"
#include "support/seed.h"

namespace ppspp::test {
namespace {

void check_same(const ShortQueue<int>& queue, const std::deque<int>& model) {
  REQUIRE(queue.size() == model.size());
  REQUIRE(queue.empty() == model.empty());
  REQUIRE(std::equal(queue.begin(), queue.end(), model.begin(), model.end()));
  if (model.empty()) return;
  REQUIRE(queue.front() == model.front());
  REQUIRE(queue.back() == model.back());
}

void do_anything(ShortQueue<int>& queue, std::deque<int>& model, int item, Rng& random) {
  const auto place = static_cast<std::ptrdiff_t>(random.below(model.size() + 1));
  const auto count = static_cast<std::ptrdiff_t>(
      random.below(std::min<std::uint64_t>(4, model.size() - static_cast<std::size_t>(place)) + 1));
  switch (random.below(9)) {
    case 0:
    case 1:
      queue.push_back(item);
      return model.push_back(item);
    case 2:
      queue.push_front(item);
      return model.push_front(item);
    case 3:
    case 4:
      if (model.empty()) return;
      queue.pop_front();
      return model.pop_front();
    case 5:
      if (model.empty()) return;
      queue.pop_back();
      return model.pop_back();
    case 6:
      queue.insert(queue.begin() + place, item);
      model.insert(model.begin() + place, item);
      return;
    case 7:
      queue.erase(queue.begin() + place, queue.begin() + place + count);
      model.erase(model.begin() + place, model.begin() + place + count);
      return;
    default:
      if (random.below(50) != 0) return;
      queue.clear();
      model.clear();
  }
}

}  // namespace

TEST_SUITE("base/short_queue") {
  TEST_CASE("whatever is done to it is what std::deque does") {
    Rng random(seed());
    for (int round = 0; round < 30; ++round) {
      ShortQueue<int> queue;
      std::deque<int> model;
      for (int i = 0; i < 1'000; ++i) {
        do_anything(queue, model, i, random);
        check_same(queue, model);
      }
    }
  }

  TEST_CASE("an item of its own can be put in again") {
    ShortQueue<int> queue;
    queue.push_back(7);
    for (int i = 0; i < 100; ++i) {
      queue.push_back(queue.front());
      queue.push_front(queue.back());
    }
    for (const int item : queue) CHECK(item == 7);
  }

  TEST_CASE("it takes nothing before it is used, and little for what goes through it") {
    ShortQueue<int> queue;
    CHECK(queue.memory() == 0);
    for (int i = 0; i < 100'000; ++i) {
      queue.push_back(i);
      if (queue.size() > 8) queue.pop_front();
    }
    CHECK(queue.memory() <= 64 * sizeof(int));
  }

  TEST_CASE("what was full once and is empty gives its memory back") {
    ShortQueue<int> queue;
    for (int i = 0; i < 100'000; ++i) queue.push_back(i);
    for (int i = 0; i < 100'000; ++i) {
      REQUIRE(queue.front() == i);
      queue.pop_front();
    }
    CHECK(queue.memory() == 0);
  }
}

}  // namespace ppspp::test
