#include "ctl_options.h"

#include <doctest/doctest.h>
#include <stdlib.h>

#include <ctime>

#include "control_client.h"

namespace ppspp::tools {
namespace {

template <typename... Words>
Parsed<CtlCommand> parse(Words... words) {
  const char* argv[] = {"ppspp-ctl", words...};
  return parse_ctl_command(int{sizeof...(words)} + 1, argv);
}

TEST_SUITE("tools/ctl_options") {
  TEST_CASE("times are local, UTC, or from now on") {
    setenv("TZ", "Europe/Berlin", 1);
    tzset();
    CHECK(parse_time("2026-11-24T20:00:00Z", 0) == 1'795'550'400);
    CHECK(parse_time("2026-11-24 21:00", 0) == 1'795'550'400);
    CHECK(parse_time("2026-11-24 21:00:05", 0) == 1'795'550'405);
    CHECK(parse_time("2026-07-01 02:00", 0) == 1'782'864'000);  // in summer
    CHECK(parse_time("+90m", 1'000) == 6'400);
    CHECK(parse_time("+7", 1'000) == 1'007);
    for (const char* text : {"", "+", "+0", "+9y", "tomorrow", "2026-13-01 00:00", "2026-11-24",
                             "2026-11-24 20:00 ", "12345"}) {
      CAPTURE(text);
      CHECK_FALSE(parse_time(text, 0));
    }
    unsetenv("TZ");
    tzset();
  }

  TEST_CASE("durations have units, and an end") {
    CHECK(parse_duration("90") == 90u);
    CHECK(parse_duration("15m") == 900u);
    CHECK(parse_duration("12h") == 43'200u);
    CHECK(parse_duration("7d") == 604'800u);
    for (const char* text : {"", "m", "0s", "-1", "1.5h", "99999999999999999999d", "1000000000d"}) {
      CAPTURE(text);
      CHECK_FALSE(parse_duration(text));
    }
  }

  TEST_CASE("options of the program may stand before and behind the command") {
    for (const auto& parsed : {parse("--json", "--socket", "/s", "pause", "7", "8f8f8f"),
                               parse("pause", "7", "8f8f8f", "--socket=/s", "--json")}) {
      REQUIRE(parsed);
      CHECK(parsed->json);
      CHECK(parsed->socket == "/s");
      const auto* const pause = std::get_if<ctl::Pause>(&parsed->action);
      REQUIRE(pause != nullptr);
      CHECK(pause->refs == std::vector<std::string>{"7", "8f8f8f"});
    }
  }

  TEST_CASE("a limit that is lifted is not one that is left alone") {
    const auto parsed = parse("limit", "--upload", "none", "--download", "1k");
    REQUIRE(parsed);
    const auto& limit = std::get<ctl::Limit>(parsed->action);
    REQUIRE(limit.upload);
    CHECK_FALSE(*limit.upload);
    CHECK(limit.download == LimitChange(1'024u));
    CHECK_FALSE(limit.upload_per_peer);
    CHECK(limit.ref.empty());
  }

  TEST_CASE("the socket comes from the environment where no option says otherwise") {
    setenv("PPSPP_SOCKET", "/e", 1);
    CHECK(parse("info")->socket == "/e");
    CHECK(parse("info", "--socket", "/s")->socket == "/s");
    setenv("PPSPP_SOCKET", "", 1);
    CHECK(parse("info")->socket == "/run/ppspp/control.sock");
    unsetenv("PPSPP_SOCKET");
    CHECK(parse("info")->socket == "/run/ppspp/control.sock");
  }

  TEST_CASE("a reference is nothing that means something in a path") {
    CHECK(swarm_target("8fA", "/peers") == "/v1/swarms/8fA/peers");
    for (const char* ref : {"", ".", "..", "7/pause", "7?x", "%37", "g"}) {
      CAPTURE(ref);
      CHECK_FALSE(swarm_target(ref));
    }
    CHECK(encode_segment("2001:db8::/32") == "2001:db8::%2F32");
  }
}

}  // namespace
}  // namespace ppspp::tools
