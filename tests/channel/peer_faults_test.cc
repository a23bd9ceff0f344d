#include "channel/peer_faults.h"

#include <doctest/doctest.h>

#include "channel/delivery.h"
#include "support/seed.h"

namespace ppspp::test {

TEST_SUITE("channel/peer_faults") {
  TEST_CASE("good chunks count the same one by one and many at once") {
    Rng rng(seed());
    PeerFaults single;
    PeerFaults many;
    for (int round = 0; round < 2'000; ++round) {
      const auto wrong = static_cast<int>(rng.below(3));
      for (int i = 0; i < wrong; ++i) {
        single.add(PeerFault::wrong_chunk);
        many.add(PeerFault::wrong_chunk);
      }
      const std::uint64_t good = rng.below(round % 100 == 0 ? 30'000 : 300);
      for (std::uint64_t i = 0; i < good; ++i) single.add_good(1);
      many.add_good(good);
      REQUIRE(single.count(PeerFault::wrong_chunk) == many.count(PeerFault::wrong_chunk));
      REQUIRE(single.bad_signatures_left() == many.bad_signatures_left());
      REQUIRE(single.too_many() == many.too_many());
    }
  }
}

TEST_SUITE("channel/delivery") {
  TEST_CASE("chunks that came count the same one by one and many at once") {
    Rng rng(seed());
    Delivery single;
    Delivery many;
    TimePoint now{std::chrono::seconds(1)};
    for (int round = 0; round < 2'000; ++round) {
      now += std::chrono::milliseconds(1);
      const std::uint64_t failed = rng.below(20);
      single.add_failed(failed, now);
      many.add_failed(failed, now);
      const std::uint64_t good = rng.below(round % 100 == 0 ? 30'000 : 30);
      for (std::uint64_t i = 0; i < good; ++i) single.add_good(1);
      many.add_good(good);
      REQUIRE(single.is_poor() == many.is_poor());
      REQUIRE(single.ask_at() == many.ask_at());
    }
  }
}

}  // namespace ppspp::test
