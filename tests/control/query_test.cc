#include <doctest/doctest.h>

#include "control/json.h"
#include "metadata/percent_coding.h"
#include "random_values.h"
#include "support/seed.h"

namespace ppspp::control {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

Pairs split(std::string_view text) {
  Pairs pairs;
  while (!text.empty()) {
    const std::string_view pair = text.substr(0, text.find('&'));
    text.remove_prefix(std::min(text.size(), pair.size() + 1));
    const auto equals = pair.find('=');
    REQUIRE(equals != std::string_view::npos);
    pairs.emplace_back(*percent_decode(pair.substr(0, equals)),
                       *percent_decode(pair.substr(equals + 1)));
  }
  return pairs;
}

std::string refusal(const Pairs& pairs) {
  const auto query = swarm_query(pairs);
  return query ? "accepted" : query.error().context;
}

TEST_SUITE("control/query") {
  TEST_CASE("every query is read as it was written") {
    test::Random random(ppspp::test::seed());
    for (int i = 0; i < 500; ++i) {
      SwarmQuery query;
      if (test::below(random, 2) == 1) query.kind = test::any<SwarmKind>(random);
      if (test::below(random, 2) == 1) query.state = test::any<SwarmState>(random);
      query.label = test::text(random);
      query.text = test::text(random);
      query.after = test::number(random);
      query.limit = 1 + test::below(random, 1'000);
      const std::string text = to_query_string(query);
      CAPTURE(text);
      const auto read = swarm_query(split(text));
      REQUIRE(read);
      CHECK(*read == query);
    }
    CHECK(to_query_string({}) == "");
  }

  TEST_CASE("unknown names, bad values and repetitions are errors") {
    CHECK(refusal({{"stat", "seeding"}}) ==
          "'stat': unknown; there are kind, state, label, text, after and limit");
    CHECK(refusal({{"kind", "film"}}) ==
          "kind: 'film' is not file, download, feed, live or directory");
    CHECK(refusal({{"limit", "0"}}) == "limit: '0' is not a number from 1 to 1000");
    CHECK(refusal({{"limit", "1001"}}) == "limit: '1001' is not a number from 1 to 1000");
    CHECK(refusal({{"after", "-1"}}) == "after: '-1' is not a swarm's number");
    CHECK(refusal({{"limit", "5"}, {"limit", "5"}}) == "limit: it is given twice");
    CHECK(refusal({{"label", "\xff"}}) != "accepted");
    CHECK(refusal({{"text", std::string(1'001, 'x')}}) != "accepted");
  }
}

}  // namespace
}  // namespace ppspp::control
