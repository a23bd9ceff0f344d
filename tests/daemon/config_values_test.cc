#include "config_values.h"

#include <doctest/doctest.h>

namespace ppspp::daemon {
namespace {

TEST_CASE("days are ranges and lists, also over the weekend") {
  CHECK(parse_days("mon") == 0x01);
  CHECK(parse_days("mon-fri") == 0x1f);
  CHECK(parse_days("Sat,SUN") == 0x60);
  CHECK(parse_days("fri-mon") == 0x71);
  CHECK(parse_days("mon, wed ,fri") == 0x15);
  CHECK(parse_days("daily") == 0x7f);
  for (const auto* bad : {"", "mon-", "-", "monday", "mon-fri-sun", ",", "mon,", "weekdays"}) {
    CHECK_FALSE(parse_days(bad));
  }
}

TEST_CASE("every set of days survives being printed") {
  for (unsigned days = 1; days < 128; ++days) {
    CHECK(parse_days(print_days(static_cast<std::uint8_t>(days))) == days);
  }
}

TEST_CASE("every minute of the day survives being printed") {
  for (unsigned minute = 0; minute <= 1440; ++minute) {
    CHECK(parse_time_of_day(print_time_of_day(minute)) == minute);
  }
  CHECK(parse_time_of_day("8:00") == 480U);
  for (const auto* bad : {"", "8", "08:60", "24:01", "25:00", "008:00", "08:0", "08:000", "a:00",
                          "-1:00", "08:00 ", "4294967296:00"}) {
    CHECK_FALSE(parse_time_of_day(bad));
  }
}

TEST_CASE("a misspelt name is recognised, another word is not") {
  const std::vector<std::string_view> names = {"upload", "download", "disk"};
  CHECK(nearest_name("uplod", names) == "upload");
  CHECK(nearest_name("downlaod", names) == "download");
  CHECK(nearest_name("disc", names) == "disk");
  CHECK(nearest_name("xyzzy", names).empty());
  CHECK(nearest_name(std::string(5'000, 'x'), names).empty());
}

TEST_CASE("octets are printed as short as they can be without loss") {
  CHECK(print_octets(2U << 20) == "2M");
  CHECK(print_octets(1500) == "1500");
  CHECK(print_octets(1536) == "1536");
  CHECK(print_octets(1'572'864) == "1536k");
  CHECK(print_octets(std::uint64_t{10} << 40) == "10240G");
}

TEST_CASE("a path for a socket fits into its address") {
  CHECK(parse_path("/run/x", true) == "/run/x");
  CHECK_FALSE(parse_path("run/x", true));
  CHECK_FALSE(parse_path("/" + std::string(107, 'x'), true));
  CHECK(parse_path("/" + std::string(107, 'x'), false));
}

}  // namespace
}  // namespace ppspp::daemon
