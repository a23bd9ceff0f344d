// Where the core's random numbers come from: the system's cryptographic generator in programs, a
// seeded one in simulations, the input in fuzz targets.
#pragma once

#include <cstdint>

namespace ppspp {

class RandomSource {
 public:
  virtual ~RandomSource() = default;
  virtual std::uint64_t next_u64() = 0;

  // Uniform in [0, bound), without bias. bound is not 0.
  std::uint64_t below(std::uint64_t bound);
};

// A small fast generator with a seed (SplitMix64), the same on every machine. Not for secrets.
class Rng final : public RandomSource {
 public:
  explicit Rng(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next_u64() override;

 private:
  std::uint64_t state_;
};

}  // namespace ppspp
