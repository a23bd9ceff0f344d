#include "ppspp/random_source.h"

#include <doctest/doctest.h>

#include <array>

namespace ppspp {
namespace {

class Stuck final : public RandomSource {
 public:
  std::uint64_t next_u64() override { return 0; }
};

}  // namespace

TEST_SUITE("base/random_source") {
  TEST_CASE("a seed gives the same numbers on every machine") {
    Rng rng(1);
    CHECK(rng.next_u64() == 0x910a2dec89025cc1);
    CHECK(rng.next_u64() == 0xbeeb8da1658eec67);
  }

  TEST_CASE("below() stays below, reaches everything, and ends on a source that is stuck") {
    Rng rng(2);
    std::array<int, 5> seen = {};
    for (int i = 0; i < 1000; ++i) ++seen.at(rng.below(5));
    for (const int count : seen) CHECK(count > 100);
    Stuck stuck;
    CHECK(stuck.below(3) < 3);
  }
}

}  // namespace ppspp
