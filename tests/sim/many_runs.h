// Runs of random swarms, one or many.
#pragma once

#include <cstdint>
#include <string>

namespace ppspp::sim {

struct SingleRun {
  bool twice = false;
  bool text = false;
  std::string pcap;  // a file; empty: none
};

// Prints the options first, then how it went. 0; 1: a wrong result, or two runs that differ; 3: no
// progress.
int run_one(std::uint64_t seed, const SingleRun& how);

struct ManyRuns {
  std::uint64_t from = 1;
  std::uint64_t count = 100;
  unsigned jobs = 1;
  unsigned seconds = 120;  // that one may take
  bool twice = false;
};

// Prints a line for each that fails, and how many did. 0, or 1 if any did.
int run_many(const ManyRuns& many);

}  // namespace ppspp::sim
