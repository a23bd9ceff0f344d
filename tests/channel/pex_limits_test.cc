#include "channel/pex_limits.h"

#include <doctest/doctest.h>

namespace ppspp {
namespace {

using namespace std::chrono_literals;

TEST_SUITE("channel/pex_limits") {
  TEST_CASE("a peer is asked again after pauses that grow while it brings nothing new") {
    PexLimits limits;
    TimePoint now{1s};
    Microseconds pause = 1min;
    for (int i = 0; i < 8; ++i) {
      CHECK(limits.may_ask(now));
      limits.on_asked(now);
      CHECK_FALSE(limits.may_ask(now + pause - 1us));
      CHECK(limits.ask_at() == now + pause);
      now += pause;
      pause = std::min<Microseconds>(pause * 2, 16min);
    }
    limits.on_new_address();
    limits.on_asked(now);
    CHECK(limits.ask_at() == now + 1min);
  }

  TEST_CASE("answers are taken when they were asked for, so many and so long") {
    PexLimits limits;
    const TimePoint now{1s};
    CHECK_FALSE(limits.take_address(now));
    limits.on_asked(now);
    for (int i = 0; i < PexLimits::kMaxTaken; ++i) CHECK(limits.take_address(now + 29s));
    CHECK_FALSE(limits.take_address(now + 29s));
    limits.on_asked(now + 1min);
    CHECK_FALSE(limits.take_address(now + 1min + 30s));
  }

  TEST_CASE("of certificates a few more, unasked, as a peer shows its own") {
    PexLimits limits;
    TimePoint now{1h};
    CHECK(limits.take_certificate(now));
    CHECK(limits.take_certificate(now));
    CHECK_FALSE(limits.take_certificate(now));
    limits.on_asked(now);
    for (int i = 0; i < PexLimits::kMaxCertificatesTaken; ++i) CHECK(limits.take_certificate(now));
    CHECK_FALSE(limits.take_certificate(now));
    now += 10min;
    CHECK(limits.take_certificate(now));
    CHECK_FALSE(limits.discards_certificates(now));
    limits.on_defective_certificate(now);
    CHECK(limits.discards_certificates(now + 59s));
    CHECK_FALSE(limits.discards_certificates(now + 1min));
  }

  TEST_CASE("a peer is answered every ten seconds at most") {
    PexLimits limits;
    const TimePoint now{1s};
    CHECK(limits.take_request(now));
    CHECK_FALSE(limits.take_request(now + 9s));
    CHECK(limits.take_request(now + 10s));
  }
}

}  // namespace
}  // namespace ppspp
