// What this process has used of a core: other than the time on the wall, it does not depend on what
// else the machine does.
#pragma once

#include <sys/resource.h>

namespace ppspp::sim {

inline double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

}  // namespace ppspp::sim
