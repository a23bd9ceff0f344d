// The seed of a property test: printed, and taken from the environment to repeat a run:
// PPSPP_TEST_SEED=123 build/debug/tests/bins/bins_test
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace ppspp::test {

inline std::uint64_t seed() {
  static const std::uint64_t value = [] {
    const char* given = std::getenv("PPSPP_TEST_SEED");
    const auto chosen =
        given != nullptr
            ? std::strtoull(given, nullptr, 0)
            : static_cast<unsigned long long>(
                  std::chrono::system_clock::now().time_since_epoch().count());
    std::printf("seed: PPSPP_TEST_SEED=%llu\n", chosen);
    return std::uint64_t{chosen};
  }();
  return value;
}

}  // namespace ppspp::test
