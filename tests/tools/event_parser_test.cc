#include "event_parser.h"

#include <doctest/doctest.h>

#include <vector>

namespace ppspp::tools {
namespace {

std::vector<std::string> events_of(std::string_view stream, std::size_t piece) {
  EventParser parser;
  std::vector<std::string> events;
  while (!stream.empty()) {
    const auto fed = parser.feed(stream.substr(0, piece),
                                 [&](const std::string& data) { events.push_back(data); });
    REQUIRE(fed);
    stream.remove_prefix(std::min(stream.size(), piece));
  }
  return events;
}

TEST_SUITE("tools/event_parser") {
  TEST_CASE("events are the same however the stream is cut") {
    const std::string_view stream =
        ": comment\n\nevent: log\ndata: {\"a\":1}\n\r\ndata:x\r\ndata: y\r\n\r\n"
        "id: 7\n\nretry: 5\ndata\n\ndata: cut";
    for (std::size_t piece = 1; piece <= stream.size(); ++piece) {
      CAPTURE(piece);
      CHECK(events_of(stream, piece) == std::vector<std::string>{"{\"a\":1}", "x\ny", ""});
    }
  }

  TEST_CASE("an event that does not end is an error, not memory") {
    EventParser parser;
    const std::string block(1'000, 'x');
    std::size_t fed = 0;
    while (parser.feed(block, [](const std::string&) {})) {
      fed += block.size();
      REQUIRE(fed <= EventParser::kMaxEvent);
    }
    EventParser lines;
    fed = 0;
    while (lines.feed("data: " + block + "\n", [](const std::string&) {})) {
      fed += block.size();
      REQUIRE(fed <= EventParser::kMaxEvent);
    }
  }
}

}  // namespace
}  // namespace ppspp::tools
