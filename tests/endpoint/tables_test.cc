// The tables that each datagram and each deadline goes through.
#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "endpoint/channel_table.h"
#include "endpoint/deadline_queue.h"
#include "ppspp/random_source.h"
#include "support/seed.h"

namespace ppspp::test {
namespace {

// Few different ones, many of which want the same place.
ChannelId any_id(Rng& random) {
  return ChannelId{static_cast<std::uint32_t>(1 + random.below(40) + (random.below(4) << 20))};
}

void check_same(const ChannelTable<int>& table, const std::map<ChannelId, const int*>& model) {
  REQUIRE(table.size() == model.size());
  REQUIRE(table.empty() == model.empty());
  std::size_t seen = 0;
  table.for_each([&](ChannelId id, const int& item) {
    ++seen;
    REQUIRE(model.at(id) == &item);
    REQUIRE(table.find(id) == &item);
  });
  REQUIRE(seen == model.size());
}

constexpr TimePoint at(std::uint64_t time) {
  return TimePoint{Microseconds(static_cast<Microseconds::rep>(time))};
}

// What was set for each.
using Times = std::map<ChannelId, TimePoint>;

std::vector<ChannelId> take_due(Times& times, TimePoint now) {
  std::vector<std::pair<TimePoint, ChannelId>> due;
  for (const auto& [id, time] : times) {
    if (time <= now) due.emplace_back(time, id);
  }
  std::ranges::sort(due);
  std::vector<ChannelId> ids;
  for (const auto& [time, id] : due) {
    times.erase(id);
    ids.push_back(id);
  }
  return ids;
}

TimePoint first(const Times& times) {
  TimePoint first = kNever;
  for (const auto& [id, time] : times) first = std::min(first, time);
  return first;
}

}  // namespace

TEST_SUITE("endpoint/tables") {
  TEST_CASE("a channel is found by its ID, wherever it had to stand, and does not move") {
    Rng random(seed());
    for (int round = 0; round < 20; ++round) {
      ChannelTable<int> table;
      std::map<ChannelId, const int*> model;
      for (int i = 0; i < 1'000; ++i) {
        const ChannelId id = any_id(random);
        REQUIRE(table.contains(id) == model.contains(id));
        if (random.below(2) == 0) {
          table.remove(id);
          model.erase(id);
        } else if (!model.contains(id)) {
          model[id] = &table.add(id);
        }
        check_same(table, model);
      }
    }
  }

  TEST_CASE("everybody is woken at the time that was set last, in order of time and key") {
    Rng random(seed());
    for (int round = 0; round < 20; ++round) {
      DeadlineQueue<ChannelId> queue;
      std::map<ChannelId, DeadlineQueue<ChannelId>::Number> members;
      Times times;
      for (int i = 0; i < 2'000; ++i) {
        const ChannelId id = any_id(random);
        const TimePoint now = at(random.below(1'000));
        const std::uint64_t what = random.below(10);
        if (!members.contains(id)) {
          members[id] = queue.enter();
        } else if (what == 0) {
          queue.leave(members.at(id));
          members.erase(id);
          times.erase(id);
        } else if (what == 1) {
          queue.set(members.at(id), id, kNever);
          times.erase(id);
        } else if (what < 6) {
          queue.set(members.at(id), id, now);
          times[id] = now;
        } else if (what < 8) {
          queue.bring_forward(members.at(id), id, now);
          TimePoint& earliest = times.try_emplace(id, now).first->second;
          earliest = std::min(earliest, now);
        } else {
          std::vector<ChannelId> due;
          queue.take_due(now, due);
          REQUIRE(due == take_due(times, now));
        }
        REQUIRE(queue.first() == first(times));
        REQUIRE(queue.empty() == times.empty());
        queue.check_invariants();
      }
    }
  }

  TEST_CASE("who is never to be woken is not in the queue") {
    DeadlineQueue<ChannelId> queue;
    queue.set(queue.enter(), ChannelId{1}, kNever);
    CHECK(queue.empty());
    CHECK(queue.first() == kNever);
  }
}

}  // namespace ppspp::test
