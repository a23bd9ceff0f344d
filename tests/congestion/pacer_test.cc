#include "congestion/pacer.h"

#include <doctest/doctest.h>

#include <chrono>
#include <limits>

#include "ppspp/random_source.h"
#include "support/seed.h"

namespace ppspp {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint kBegin{1h};
constexpr auto kMaxSize = std::numeric_limits<std::size_t>::max();

}  // namespace

TEST_SUITE("congestion/pacer") {
  TEST_CASE("at most a burst leaves at once, and then the rate") {
    TokenBucket bucket(1'000'000, 10'000, kBegin);
    CHECK(bucket.available(kBegin) == 10'000);
    bucket.take(10'000, kBegin);
    CHECK(!bucket.can_send(kBegin));
    CHECK(bucket.available(kBegin + 3ms) == 3'000);
    CHECK(bucket.available(kBegin + 1h) == 10'000);
  }

  TEST_CASE("a datagram larger than the burst leaves, and its debt is waited out") {
    TokenBucket bucket(1'000'000, 1'000, kBegin);
    bucket.take(65'000, kBegin);
    CHECK(!bucket.can_send(kBegin + 64ms));
    CHECK(bucket.ready_at(1, kBegin) == kBegin + 64'001us);
    CHECK(bucket.available(kBegin + 64'001us) == 1);
    CHECK(bucket.ready_at(65'000, kBegin) == kBegin + 65ms);  // a full burst, more never comes
  }

  TEST_CASE("a rate of zero is no limit") {
    TokenBucket bucket(0, 1'000, kBegin);
    bucket.take(kMaxSize, kBegin);
    CHECK(bucket.available(kBegin) == kMaxSize);
    CHECK(bucket.ready_at(kMaxSize, kBegin) == kBegin);
    bucket.set(1'000, 1'000, kBegin);
    CHECK(bucket.available(kBegin) == 1'000);
  }

  TEST_CASE("a new rate counts from when it is set") {
    TokenBucket bucket(1'000, 5'000, kBegin);
    bucket.take(5'000, kBegin);
    bucket.set(1'000'000, 5'000, kBegin + 1s);
    CHECK(bucket.available(kBegin + 1s) == 1'000);
    CHECK(bucket.available(kBegin + 1'001ms) == 2'000);
    bucket.set(1'000'000, 500, kBegin + 1'001ms);
    CHECK(bucket.available(kBegin + 1'001ms) == 500);
  }

  TEST_CASE("a slow rate asked often loses nothing to rounding") {
    TokenBucket bucket(7, 100, kBegin);
    bucket.take(100, kBegin);
    TimePoint now = kBegin;
    for (int i = 0; i < 100'000; ++i) bucket.available(now += 100us);
    CHECK(bucket.available(now) == 70);
  }

  TEST_CASE("over any time no more leaves than the rate allows and the bursts, and hardly less") {
    Rng rng(test::seed());
    const std::uint64_t rate = 1 + rng.below(500'000'000);
    const std::size_t burst = 2'000 + rng.below(1'000'000);
    CAPTURE(rate);
    CAPTURE(burst);
    TokenBucket bucket(rate, burst, kBegin);
    TimePoint now = kBegin;
    double sent = 0.0;
    for (int i = 0; i < 20'000; ++i) {
      now = bucket.ready_at(1, now);
      REQUIRE(bucket.can_send(now));
      const std::size_t size = 1 + rng.below(65'000);
      bucket.take(size, now);
      sent += static_cast<double>(size);
    }
    const double seconds = static_cast<double>((now - kBegin).count()) / 1e6;
    const double allowed = seconds * static_cast<double>(rate) + static_cast<double>(burst);
    CHECK(sent <= allowed + 65'001.0);
    // Of a rate of an octet per microsecond and more, at most the burst is lost between two sends.
    CHECK(sent >= seconds * static_cast<double>(rate));
  }

  TEST_CASE("no numbers overflow it, and time that goes back gives nothing") {
    TokenBucket bucket(std::numeric_limits<std::uint64_t>::max(), kMaxSize, TimePoint::min());
    for (int i = 0; i < 5; ++i) bucket.take(kMaxSize, TimePoint::min());
    CHECK(bucket.ready_at(kMaxSize, TimePoint::max()) == TimePoint::max());
    CHECK(bucket.available(TimePoint::max()) > 0);
    bucket.take(kMaxSize, TimePoint::max());
    const std::size_t left = bucket.available(TimePoint::max());
    CHECK(bucket.available(TimePoint::min()) == left);
    TokenBucket slow(1, 1, kBegin);
    slow.take(kMaxSize, kBegin);
    CHECK(slow.ready_at(1, kBegin) > kBegin + 24h);
  }
}

}  // namespace ppspp
