#include "ppspp/random_source.h"

#include "base/assert.h"

namespace ppspp {

std::uint64_t RandomSource::below(std::uint64_t bound) {
  PPSPP_ASSERT(bound != 0);
  // The values below `excess` would be drawn once more often than the others: draw again.
  const std::uint64_t excess = (0 - bound) % bound;
  std::uint64_t value = next_u64();
  // A source that returns the same value forever must not hang its caller.
  for (int attempt = 0; value < excess && attempt < 64; ++attempt) value = next_u64();
  return value % bound;
}

std::uint64_t Rng::next_u64() {
  state_ += 0x9e3779b97f4a7c15;
  std::uint64_t z = state_;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

}  // namespace ppspp
