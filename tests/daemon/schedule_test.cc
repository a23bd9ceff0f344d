#include "schedule.h"

#include <doctest/doctest.h>

#include <string>

namespace ppspp::daemon {
namespace {

enum Day : unsigned { mon, tue, wed, thu, fri, sat, sun };

std::string at(const std::vector<ScheduleEntry>& schedule, Day day, unsigned hour,
               unsigned minute) {
  const auto* entry = schedule_at(schedule, {day, hour * 60 + minute});
  return entry != nullptr ? entry->name : "";
}

ScheduleEntry entry(std::string name, std::uint8_t days, unsigned from, unsigned to) {
  return {std::move(name), days, from * 60, to * 60, {}, {}};
}

TEST_CASE("hours hold from their first minute up to the last, on their days") {
  const std::vector<ScheduleEntry> schedule = {entry("work", 0x1f, 8, 18)};
  CHECK(at(schedule, mon, 7, 59).empty());
  CHECK(at(schedule, mon, 8, 0) == "work");
  CHECK(at(schedule, fri, 17, 59) == "work");
  CHECK(at(schedule, fri, 18, 0).empty());
  CHECK(at(schedule, sat, 12, 0).empty());
}

TEST_CASE("hours over midnight belong to the day on which they begin") {
  const std::vector<ScheduleEntry> schedule = {entry("night", 0x10, 22, 6)};  // Friday's
  CHECK(at(schedule, fri, 5, 0).empty());
  CHECK(at(schedule, fri, 22, 0) == "night");
  CHECK(at(schedule, sat, 5, 59) == "night");
  CHECK(at(schedule, sat, 6, 0).empty());
  CHECK(at(schedule, sat, 22, 0).empty());
  const std::vector<ScheduleEntry> sunday = {entry("night", 0x40, 22, 6)};
  CHECK(at(sunday, mon, 0, 0) == "night");
  CHECK(at(sunday, sun, 0, 0).empty());
}

TEST_CASE("the first entry that fits holds") {
  const std::vector<ScheduleEntry> schedule = {entry("lunch", 0x7f, 12, 13),
                                               entry("all", 0x7f, 0, 24)};
  CHECK(at(schedule, tue, 12, 30) == "lunch");
  CHECK(at(schedule, tue, 13, 0) == "all");
  CHECK(at(schedule, tue, 23, 59) == "all");
}

TEST_CASE("a range that begins at midnight and one that ends there leave no gap") {
  const std::vector<ScheduleEntry> schedule = {entry("late", 0x7f, 18, 24),
                                               entry("early", 0x7f, 0, 18)};
  for (unsigned day = 0; day < 7; ++day) {
    for (unsigned minute = 0; minute < 1440; ++minute) {
      const auto* found = schedule_at(schedule, {day, minute});
      REQUIRE(found != nullptr);
      CHECK(found->name == (minute < 1080 ? "early" : "late"));
    }
  }
}

TEST_CASE("a range to 24:00 that begins late, and one that ends at 00:00, are the same") {
  const std::vector<ScheduleEntry> a = {entry("x", 0x04, 22, 24)};
  const std::vector<ScheduleEntry> b = {entry("x", 0x04, 22, 0)};
  for (unsigned day = 0; day < 7; ++day) {
    for (unsigned minute = 0; minute < 1440; ++minute) {
      CHECK((schedule_at(a, {day, minute}) != nullptr) ==
            (schedule_at(b, {day, minute}) != nullptr));
    }
  }
}

TEST_CASE("nothing holds without entries") {
  CHECK(schedule_now({}) == nullptr);
  const LocalTime now = local_time_now();
  CHECK(now.weekday < 7);
  CHECK(now.minute < 1440);
}

}  // namespace
}  // namespace ppspp::daemon
