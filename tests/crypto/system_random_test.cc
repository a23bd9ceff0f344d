#include "crypto/system_random.h"

#include <doctest/doctest.h>

#include <set>

namespace ppspp {

TEST_SUITE("crypto/system_random") {
  TEST_CASE("numbers do not repeat, also between two generators, and every bit takes both values") {
    const auto a = make_system_random();
    const auto b = make_system_random();
    std::set<std::uint64_t> seen;
    std::uint64_t ones = 0;
    std::uint64_t zeros = 0;
    for (int i = 0; i < 500; ++i) {
      for (const std::uint64_t number : {a->next_u64(), b->next_u64()}) {
        seen.insert(number);
        ones |= number;
        zeros |= ~number;
      }
    }
    CHECK(seen.size() == 1000);
    CHECK(ones == ~std::uint64_t{0});
    CHECK(zeros == ~std::uint64_t{0});
  }
}

}  // namespace ppspp
