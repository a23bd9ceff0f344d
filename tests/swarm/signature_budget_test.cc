#include "swarm/signature_budget.h"

#include <doctest/doctest.h>

#include "ppspp/random_source.h"
#include "support/seed.h"

namespace ppspp::test {
namespace {

using namespace std::chrono_literals;

}  // namespace

TEST_SUITE("swarm/signature_budget") {
  TEST_CASE("32 wrong ones at once, then 16 in a second (12.6.5, decision 30)") {
    SignatureBudget budget;
    TimePoint now{1s};
    const auto spend = [&] {
      int spent = 0;
      for (; budget.allows(now) && spent < 1'000; ++spent) budget.on_wrong();
      return spent;
    };
    CHECK(spend() == 32);
    CHECK(spend() == 0);
    now += 62'499us;
    CHECK(spend() == 0);
    now += 1us;
    CHECK(spend() == 1);
    now += 1s;
    CHECK(spend() == 16);
    now += 1h;
    CHECK(spend() == 32);
  }

  TEST_CASE("what is genuine costs nothing") {
    SignatureBudget budget;
    for (int i = 0; i < 1'000; ++i) CHECK(budget.allows(TimePoint{1s}));
  }

  TEST_CASE("wrong ones of those who need not ask are counted, and no debt is left") {
    SignatureBudget budget;
    for (int i = 0; i < 500; ++i) budget.on_wrong();
    CHECK_FALSE(budget.allows(TimePoint{0s}));
    CHECK(budget.allows(TimePoint{62'500us}));
  }

  TEST_CASE("however it is asked, never more than 32 and 16 for each second") {
    Rng random(seed());
    for (int round = 0; round < 100; ++round) {
      SignatureBudget budget;
      TimePoint now{Microseconds(random.below(1'000'000'000))};
      budget.allows(now);
      const TimePoint began = now;
      std::int64_t spent = 0;
      for (int step = 0; step < 500; ++step) {
        now += Microseconds(random.below(random.below(2) == 0 ? 1'000 : 200'000));
        if (!budget.allows(now)) continue;
        budget.on_wrong();
        ++spent;
        REQUIRE(spent <= 32 + (now - began) / 62'500us + 1);
      }
    }
  }
}

}  // namespace ppspp::test
