// What one part of the library costs: CPU time and allocations for each unit of its work.
#pragma once

#include <fmt/core.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string_view>

#include "cpu_rate.h"
#include "support/heap.h"

namespace bench {

// One JSON object: nanoseconds of CPU and allocations per unit, and MB/s where a unit has octets.
inline void print_part(std::string_view what, std::string_view unit, double seconds,
                       double allocations, double units, std::size_t octets) {
  fmt::print("{{\"what\":\"{}\",\"unit\":\"{}\",\"ns\":{:.1f},\"allocations\":{:.4f}", what, unit,
             seconds / units * 1e9, allocations / units);
  if (octets > 0) {
    fmt::print(",\"mb_per_s\":{:.0f}", static_cast<double>(octets) * units / seconds / 1e6);
  }
  fmt::print("}}\n");
  std::fflush(stdout);
}

// `work` does so many units, each of so many octets of content (0: has none).
template <typename Work>
void measure_part(std::string_view what, std::string_view unit, std::size_t units,
                  std::size_t octets, Work work) {
  constexpr double kSeconds = 0.3;
  work();  // warms up, and makes what grows as large as it will be
  const std::int64_t allocated = ppspp::test::allocations();
  const double start = cpu_seconds();
  double spent = 0.0;
  double done = 0.0;
  while (spent < kSeconds) {
    work();
    done += static_cast<double>(units);
    spent = cpu_seconds() - start;
  }
  const auto allocations = static_cast<double>(ppspp::test::allocations() - allocated);
  print_part(what, unit, spent, allocations, done, octets);
}

// A whole transfer between two endpoints in one process: no sockets, no files, no real time.
void measure_endpoints(std::size_t chunk_size);

}  // namespace bench
