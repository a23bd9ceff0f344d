#include "schedule.h"

#include <algorithm>
#include <ctime>

namespace ppspp::daemon {
namespace {

bool begins_on(const ScheduleEntry& entry, unsigned weekday) {
  return (entry.days >> weekday & 1) != 0;
}

bool holds_at(const ScheduleEntry& entry, LocalTime time) {
  const bool today = begins_on(entry, time.weekday);
  if (entry.from_minute < entry.to_minute) {
    return today && time.minute >= entry.from_minute && time.minute < entry.to_minute;
  }
  const bool since_yesterday = begins_on(entry, (time.weekday + 6) % 7);
  return (today && time.minute >= entry.from_minute) ||
         (since_yesterday && time.minute < entry.to_minute);
}

}  // namespace

LocalTime local_time_now() {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  return {static_cast<unsigned>((local.tm_wday + 6) % 7),
          static_cast<unsigned>(local.tm_hour * 60 + local.tm_min)};
}

const ScheduleEntry* schedule_at(const std::vector<ScheduleEntry>& schedule, LocalTime time) {
  const auto found = std::find_if(schedule.begin(), schedule.end(),
                                  [&](const auto& entry) { return holds_at(entry, time); });
  return found == schedule.end() ? nullptr : &*found;
}

const ScheduleEntry* schedule_now(const std::vector<ScheduleEntry>& schedule) {
  if (schedule.empty()) return nullptr;
  return schedule_at(schedule, local_time_now());
}

}  // namespace ppspp::daemon
