// Limits by weekday and hour. What holds is a function of the wall clock alone, so that a clock
// that is put forward or back, by hand or for summer time, needs no care.
#pragma once

#include <vector>

#include "config.h"

namespace ppspp::daemon {

struct LocalTime {
  unsigned weekday = 0;  // 0 is Monday
  unsigned minute = 0;   // after midnight
};

LocalTime local_time_now();

// The first entry that fits, or null. The pointer is into `schedule`.
const ScheduleEntry* schedule_at(const std::vector<ScheduleEntry>& schedule, LocalTime time);
const ScheduleEntry* schedule_now(const std::vector<ScheduleEntry>& schedule);

}  // namespace ppspp::daemon
