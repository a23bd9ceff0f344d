#include "gateway/byte_ranges.h"

#include <doctest/doctest.h>

#include <optional>
#include <random>
#include <regex>

#include "support/seed.h"

namespace ppspp::daemon {
namespace {

using Kind = ByteRanges::Kind;
using Ranges = std::vector<ByteRange>;

ByteRanges parse(std::string_view header, std::uint64_t length = 1000) {
  return parse_ranges(header, length);
}

TEST_CASE("one range is what RFC 9110 says") {
  CHECK(parse("bytes=0-0").ranges == Ranges{{0, 1}});
  CHECK(parse("bytes=0-").ranges == Ranges{{0, 1000}});
  CHECK(parse("bytes=999-").ranges == Ranges{{999, 1}});
  CHECK(parse("bytes=500-5000").ranges == Ranges{{500, 500}});
  CHECK(parse("bytes=-1").ranges == Ranges{{999, 1}});
  CHECK(parse("bytes=-5000").ranges == Ranges{{0, 1000}});
  CHECK(parse("BYTES= 1 - 2 ").ranges == Ranges{{1, 2}});
}

TEST_CASE("several ranges keep their order, and those outside are left out") {
  const auto ranges = parse("bytes=500-599, 0-9,2000-3000,-1");
  CHECK(ranges.kind == Kind::some);
  CHECK(ranges.ranges == Ranges{{500, 100}, {0, 10}, {999, 1}});
}

TEST_CASE("what cannot be satisfied is said to be so") {
  for (const char* header : {"bytes=1000-", "bytes=-0", "bytes=5-4", "bytes=a", "bytes=1",
                             "bytes=-", "bytes=1-2,", "bytes=1-2,x", "bytes=1-2;3-4", "bytes=--1",
                             "bytes=99999999999999999999-", "bytes=0-99999999999999999999"}) {
    CAPTURE(header);
    CHECK(parse(header).kind == Kind::unsatisfiable);
  }
}

TEST_CASE("other units, too many ranges and more than the content are answered with all of it") {
  for (const char* header : {"", "bytes", "bytes=", "octets=0-1", "items=1-2", "bytes =0-1",
                             "bytes=0-999,0-0", "bytes=0-600,300-999"}) {
    CAPTURE(header);
    CHECK(parse(header).kind == Kind::none);
  }
  std::string many = "bytes=0-0";
  for (std::size_t i = 1; i < kMaxRanges; ++i) many += ",0-0";
  CHECK(parse(many).ranges.size() == kMaxRanges);
  CHECK(parse(many + ",0-0").kind == Kind::none);
}

TEST_CASE("empty content has no range") {
  CHECK(parse("bytes=0-", 0).kind == Kind::none);
  CHECK(parse("bytes=-1", 0).kind == Kind::none);
  CHECK(parse("bytes=1-", 0).kind == Kind::unsatisfiable);
}

// Straight from the grammar (RFC 9110, 14.1.2 and 14.2), without looking at the other code.
ByteRanges model(const std::string& header, std::uint64_t length) {
  static const std::regex one("(\\d*)-(\\d*)");
  ByteRanges all{Kind::some, {}};
  std::uint64_t sum = 0;
  for (std::size_t at = 6; at <= header.size();) {
    const std::size_t comma = std::min(header.find(',', at), header.size());
    const std::string text = header.substr(at, comma - at);
    at = comma + 1;
    std::smatch match;
    REQUIRE(std::regex_match(text, match, one));
    std::uint64_t first = 0;
    std::uint64_t last = length - 1;
    if (match[1].length() == 0) {
      const std::uint64_t suffix = std::stoull(match[2]);
      first = suffix >= length ? 0 : length - suffix;
    } else {
      first = std::stoull(match[1]);
      if (match[2].length() > 0) last = std::min<std::uint64_t>(last, std::stoull(match[2]));
    }
    if (first > last) continue;
    all.ranges.push_back({first, last - first + 1});
    sum += last - first + 1;
  }
  if (all.ranges.empty()) return {Kind::unsatisfiable, {}};
  if (sum > length) return {Kind::none, {}};
  return all;
}

TEST_CASE("random ranges are those of a plain reading of the grammar") {
  std::mt19937_64 random(test::seed());
  for (int i = 0; i < 20'000; ++i) {
    const std::uint64_t length = 1 + random() % (i % 2 == 0 ? 30 : 1'000'000);
    const auto number = [&] { return std::to_string(random() % (length + length / 4 + 2)); };
    std::string header = "bytes=";
    const std::size_t count = 1 + random() % 5;
    for (std::size_t k = 0; k < count; ++k) {
      if (k > 0) header += ",";
      const auto shape = random() % 4;
      if (shape == 0) {
        header += number() + "-";
      } else if (shape == 1) {
        header += "-" + number();
      } else {
        const std::uint64_t first = 1 + random() % (length + 3);  // 0-: see empty ranges at 0
        header += std::to_string(first) + "-" + std::to_string(first + random() % length);
      }
    }
    CAPTURE(header);
    CAPTURE(length);
    const auto expected = model(header, length);
    const auto actual = parse_ranges(header, length);
    REQUIRE(actual.kind == expected.kind);
    if (actual.kind == Kind::some) REQUIRE(actual.ranges == expected.ranges);
  }
}

TEST_CASE("whatever the octets, ranges lie in the content and are bounded") {
  std::mt19937_64 random(test::seed());
  constexpr std::string_view kAlphabet = "0123456789-, =bytesx";
  for (int i = 0; i < 50'000; ++i) {
    std::string header = "bytes=";
    for (auto n = random() % 24; n > 0; --n) header += kAlphabet[random() % kAlphabet.size()];
    const std::uint64_t length = random() % 100;
    const auto parsed = parse_ranges(header, length);
    std::uint64_t sum = 0;
    for (const auto& range : parsed.ranges) {
      REQUIRE(range.length > 0);
      REQUIRE(range.offset + range.length <= length);
      sum += range.length;
    }
    if (parsed.kind == Kind::some) {
      REQUIRE(sum > 0);
      REQUIRE(sum <= length);
    }
  }
}

TEST_CASE("a multipart body is as long as it is said to be") {
  const Multipart parts{"00000000000000000001", "video/mp4"};
  const Ranges ranges = {{0, 10}, {990, 10}};
  std::string body;
  for (const auto& range : ranges) body += parts.head(range, 1000) + std::string(range.length, 'x');
  body += parts.tail();
  CHECK(body.size() == parts.size(ranges, 1000));
  CHECK(
      body.starts_with("\r\n--00000000000000000001\r\nContent-Type: video/mp4\r\nContent-Range: "
                       "bytes 0-9/1000\r\n\r\n"));
  CHECK(body.ends_with("\r\n--00000000000000000001--\r\n"));
}

TEST_CASE("preconditions compare ETags strongly or weakly, as each is defined") {
  const std::string_view tag = "\"abc\"";
  CHECK(holds_if_none_match("", tag));
  CHECK(!holds_if_none_match("*", tag));
  CHECK(!holds_if_none_match("\"abc\"", tag));
  CHECK(!holds_if_none_match("W/\"abc\"", tag));
  CHECK(!holds_if_none_match("\"x\", W/\"y\" ,\"abc\"", tag));
  for (const char* other : {"abc", "\"ab\"", "\"abcd\"", "\"", "W/", "W/\"", ",", "\"x\",\"y\""}) {
    CAPTURE(other);
    CHECK(holds_if_none_match(other, tag));
  }
  CHECK(!fails_if_match("", tag));
  CHECK(!fails_if_match("*", tag));
  CHECK(!fails_if_match("\"x\", \"abc\"", tag));
  CHECK(fails_if_match("W/\"abc\"", tag));
  CHECK(fails_if_match("\"x\"", tag));
  CHECK(holds_if_range("", tag));
  CHECK(holds_if_range("\"abc\"", tag));
  CHECK(!holds_if_range("W/\"abc\"", tag));
  CHECK(!holds_if_range("Sun, 06 Nov 1994 08:49:37 GMT", tag));
}

}  // namespace
}  // namespace ppspp::daemon
