// How often one core does something in a second.
#pragma once

#include <time.h>

namespace bench {

// CPU time of this process: what others do on the machine does not count.
inline double cpu_seconds() {
  timespec now = {};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

// Calls `work` in groups of `group` for so long, and returns the calls per second. The clock is
// read once per group.
template <typename Work>
double rate_of(double seconds, int group, Work work) {
  work();  // warms up caches and the library
  const double start = cpu_seconds();
  double calls = 0;
  double spent = 0;
  while (spent < seconds) {
    for (int i = 0; i < group; ++i) work();
    calls += group;
    spent = cpu_seconds() - start;
  }
  return calls / spent;
}

}  // namespace bench
