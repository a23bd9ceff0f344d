#include "table.h"

#include <doctest/doctest.h>

#include <clocale>

namespace ppspp::tools {
namespace {

using Align = Table::Align;

TEST_SUITE("tools/table") {
  TEST_CASE("columns are as wide as what is in them, numbers stand on the right") {
    Table table({{"No", Align::right}, {"Name", Align::left, true}, {"Size", Align::right}});
    table.add({"7", "film.ts", "4.0 MiB"});
    table.add({"12345", "a", "1 B"});
    CHECK(table.lines(0) == std::vector<std::string>{"   No  Name        Size",
                                                     "    7  film.ts  4.0 MiB",
                                                     "12345  a            1 B"});
  }

  TEST_CASE("a table that is too wide clips the columns that may be, down to a few characters") {
    std::setlocale(LC_CTYPE, "C.UTF-8");
    Table table({{"Name", Align::left, true}, {"Label", Align::left, true}, {"State"}});
    table.add({std::string(60, 'n'), std::string(30, 'l'), "seeding"});
    for (const std::size_t width : {100u, 80u, 50u, 30u}) {
      CAPTURE(width);
      for (const std::string& line : table.lines(width)) {
        CHECK(display_width(line) <= width);
        CHECK((line.ends_with("seeding") || line.ends_with("State")));
      }
    }
    CHECK(table.lines(1)[1].find("seeding") != std::string::npos);
  }

  TEST_CASE("wide characters count as two columns, and are not cut in halves") {
    std::setlocale(LC_CTYPE, "C.UTF-8");
    CHECK(display_width("aä漢") == 4);
    CHECK(clip("漢字漢字", 8) == "漢字漢字");
    CHECK(clip("漢字漢字", 7) == "漢字漢…");
    CHECK(clip("漢字漢字", 6) == "漢字…");
    CHECK(clip("abc", 0) == "");
  }

  TEST_CASE("control characters and broken UTF-8 do not reach the terminal") {
    CHECK(printable("a\x1b[2J\n\x7f") == "a?[2J??");
    CHECK(printable("\xc2\x9b"
                    "1m") == "?1m");
    CHECK(printable("\xff\xc3") == "??");
    CHECK(printable("ä漢") == "ä漢");
  }

  TEST_CASE("a map shows something as something, and only all as all") {
    const std::uint8_t map[] = {0, 1, 128, 254, 255};
    CHECK(format_map(map, 5, true) == " ▁▄▇█");
    CHECK(format_map(map, 5, false) == " .:+#");
    CHECK(format_map({}, 3, true) == "   ");
    const std::uint8_t full[] = {255};
    CHECK(format_map(full, 4, false) == "####");
    const std::vector<std::uint8_t> many(1'000, 255);
    CHECK(format_map(many, 3, false) == "###");
  }

  TEST_CASE("a part is 100% only when nothing is missing") {
    CHECK(format_part(0.9999) == "99%");
    CHECK(format_part(1) == "100%");
    CHECK(format_rate(0) == "-");
    CHECK(format_rate(2048) == "2.0 KiB/s");
  }
}

}  // namespace
}  // namespace ppspp::tools
