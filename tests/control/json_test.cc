#include "control/json.h"

#include <doctest/doctest.h>

#include <limits>

#include "random_values.h"
#include "support/seed.h"

namespace ppspp::control {
namespace {

using test::any;

template <typename T>
void survives(test::Random& random) {
  const T value = any<T>(random);
  const std::string text = to_json(value);
  CAPTURE(text);
  const auto read = from_json<T>(text);
  if (!read) FAIL(read.error().context);
  CHECK(*read == value);
  CHECK(to_json(*read) == text);
}

TEST_SUITE("control/json") {
  TEST_CASE("every value is read as it was written") {
    test::Random random(ppspp::test::seed());
    for (int i = 0; i < 300; ++i) {
      survives<AddRequest>(random);
      survives<ChangeRequest>(random);
      survives<BanRequest>(random);
      survives<PeerRequest>(random);
      survives<Limits>(random);
      survives<LimitsChange>(random);
      survives<SwarmInfo>(random);
      survives<SwarmPage>(random);
      survives<std::vector<PeerInfo>>(random);
      survives<Availability>(random);
      survives<GlobalLimits>(random);
      survives<std::vector<BanInfo>>(random);
      survives<BanInfo>(random);
      survives<AccountPage>(random);
      survives<std::vector<LogEntry>>(random);
      survives<DaemonInfo>(random);
      survives<Event>(random);
    }
  }

  TEST_CASE("members have their names, optional ones that are absent are left out") {
    CHECK(to_json(Limits{.upload = 5, .weight = 100}) == R"({"upload":5,"weight":100})");
    CHECK(to_json(PeerRequest{"192.0.2.1:6778"}) == R"({"address":"192.0.2.1:6778"})");
    CHECK(to_json(std::vector<BanInfo>{{"192.0.2.0/24", "bad \"chunks\"", true, {}}}) ==
          R"({"bans":[{"network":"192.0.2.0/24","reason":"bad \"chunks\"","automatic":true}]})");
    CHECK(to_json(std::vector<PeerInfo>{}) == R"({"peers":[]})");
    CHECK(to_json(AccountPage{}) == R"({"accounts":[]})");
    CHECK(to_json(std::vector<LogEntry>{{7, "info", "hello"}}) ==
          R"({"log":[{"at":7,"level":"info","message":"hello"}]})");
    const std::string swarm =
        to_json(SwarmInfo{.kind = SwarmKind::feed, .state = SwarmState::live});
    CHECK(swarm.find(R"("kind":"feed","state":"live")") != std::string::npos);
    CHECK(swarm.find("opens_at") == std::string::npos);
  }

  TEST_CASE("a request needs only the members without which it says nothing") {
    const auto request = from_json<AddRequest>(R"({"file":{"path":"/srv/film.ts"}})");
    REQUIRE(request);
    AddRequest expected;
    expected.file = AddFile{.path = "/srv/film.ts"};
    CHECK(*request == expected);
    CHECK(*from_json<ChangeRequest>("{}") == ChangeRequest{});
  }

  TEST_CASE("a change of the limits keeps apart what stays and what is lifted") {
    const auto change = from_json<LimitsChange>(R"({"upload":null,"download":9})");
    REQUIRE(change);
    const GlobalLimits before{.upload = 1, .download = 2, .upload_per_peer = 3};
    const GlobalLimits after = apply(before, *change);
    CHECK_FALSE(after.upload);
    CHECK(after.download == 9);
    CHECK(after.upload_per_peer == 3);
    CHECK(to_json(*change) == R"({"upload":null,"download":9})");
  }

  TEST_CASE("octets that are no UTF-8 are replaced, since JSON cannot carry them") {
    const SwarmInfo swarm{.path = "/srv/\xff\xc3\xa4\xc3.ts"};
    const auto read = from_json<SwarmInfo>(to_json(swarm));
    REQUIRE(read);
    CHECK(read->path == "/srv/\xef\xbf\xbd\xc3\xa4\xef\xbf\xbd.ts");
  }

  TEST_CASE("numbers that are none become zero") {
    const std::vector<PeerInfo> peers{{.available = std::numeric_limits<double>::quiet_NaN(),
                                       .rtt_ms = std::numeric_limits<double>::infinity()}};
    const auto read = from_json<std::vector<PeerInfo>>(to_json(peers));
    REQUIRE(read);
    CHECK(read->front().available == 0);
    CHECK(read->front().rtt_ms == 0);
  }

  TEST_CASE("errors keep their code and their words") {
    const Error error{Errc::not_found, "there is no swarm \"12\""};
    const std::string text = error_json(error);
    CHECK(text == R"({"error":{"code":"not_found","message":"there is no swarm \"12\""}})");
    const auto read = error_from_json(text);
    REQUIRE(read);
    CHECK(read->code == Errc::not_found);
    CHECK(read->context == error.context);
    for (int code = 0; code <= static_cast<int>(Errc::timed_out); ++code) {
      const auto again = error_from_json(error_json({static_cast<Errc>(code), ""}));
      REQUIRE(again);
      CHECK(again->code == static_cast<Errc>(code));
    }
    CHECK_FALSE(error_from_json(R"({"error":{"code":"oops","message":""}})"));
    CHECK_FALSE(error_from_json("<html>"));
  }
}

}  // namespace
}  // namespace ppspp::control
