#include "tracker/request_limits.h"

#include <doctest/doctest.h>

namespace ppspp::tracker {
namespace {

TimePoint at(std::int64_t milliseconds) {
  return TimePoint(std::chrono::milliseconds(milliseconds));
}
Network network(std::uint32_t number) {
  return Network::of(TransportAddress::v4(number, 1));
}

TEST_SUITE("tracker_server/request_limits") {
  TEST_CASE("a network may ask in a burst, and then at its rate") {
    RequestLimits limits({.per_second = 10, .burst = 5});
    for (int i = 0; i < 5; ++i) CHECK(limits.allow(network(1), 1, at(0)));
    CHECK_FALSE(limits.allow(network(1), 1, at(0)));
    CHECK(limits.allow(network(2), 1, at(0)));
    CHECK_FALSE(limits.allow(network(1), 1, at(99)));
    CHECK(limits.allow(network(1), 1, at(100)));
    CHECK_FALSE(limits.allow(network(1), 1, at(150)));
    for (int i = 0; i < 5; ++i) CHECK(limits.allow(network(1), 1, at(60'000)));
    CHECK_FALSE(limits.allow(network(1), 1, at(60'000)));
    CHECK(limits.wait(network(1), 1, at(60'000)).count() == 1);
  }

  TEST_CASE("so many networks are remembered, those that asked last") {
    RequestLimits limits({.per_second = 1, .burst = 1, .max_networks = 10});
    for (std::uint32_t i = 0; i < 1'000; ++i) CHECK(limits.allow(network(i), 1, at(0)));
    CHECK(limits.networks() == 10);
    CHECK_FALSE(limits.allow(network(999), 1, at(0)));
    CHECK_FALSE(limits.allow(network(990), 1, at(0)));
    CHECK(limits.allow(network(0), 1, at(0)));
    CHECK(limits.networks() == 10);
  }
}

}  // namespace
}  // namespace ppspp::tracker
