#include <fmt/format.h>

#include <algorithm>

#include "control/json.h"
#include "control/names.h"
#include "metadata/percent_coding.h"
#include "metadata/text.h"

namespace ppspp::control {
namespace {

constexpr std::size_t kMaxPage = 1'000;
constexpr std::size_t kMaxText = 1'000;  // octets

Unexpected wrong(std::string_view name, std::string_view value, std::string_view right) {
  return fail(Errc::invalid_argument, fmt::format("{}: {} is not {}", name, quoted(value), right));
}

Result<void> take(SwarmQuery& query, std::string_view name, std::string_view value) {
  if (name == "kind") {
    query.kind = parse_swarm_kind(value);
    if (!query.kind) return wrong(name, value, swarm_kind_names());
  } else if (name == "state") {
    query.state = parse_swarm_state(value);
    if (!query.state) return wrong(name, value, swarm_state_names());
  } else if (name == "label" || name == "text") {
    if (value.size() > kMaxText || !is_utf8(value)) {
      return wrong(name, value, fmt::format("UTF-8 of up to {} octets", kMaxText));
    }
    (name == "label" ? query.label : query.text) = value;
  } else if (name == "after") {
    const auto after = parse_decimal<std::uint64_t>(value);
    if (!after) return wrong(name, value, "a swarm's number");
    query.after = *after;
  } else if (name == "limit") {
    const auto limit = parse_decimal<std::size_t>(value);
    if (!limit || *limit < 1 || *limit > kMaxPage) {
      return wrong(name, value, fmt::format("a number from 1 to {}", kMaxPage));
    }
    query.limit = *limit;
  } else {
    return fail(Errc::invalid_argument,
                fmt::format("{}: unknown; there are kind, state, label, text, after and limit",
                            quoted(name)));
  }
  return {};
}

}  // namespace

Result<SwarmQuery> swarm_query(const std::vector<std::pair<std::string, std::string>>& parameters) {
  SwarmQuery query;
  for (auto it = parameters.begin(); it != parameters.end(); ++it) {
    const auto taken = take(query, it->first, it->second);
    if (!taken) return tl::unexpected(taken.error());
    // Names that are known, and so few, are compared with those before.
    if (std::any_of(parameters.begin(), it,
                    [&](const auto& other) { return other.first == it->first; })) {
      return fail(Errc::invalid_argument, fmt::format("{}: it is given twice", it->first));
    }
  }
  return query;
}

std::string to_query_string(const SwarmQuery& query) {
  const SwarmQuery standard;
  std::string text;
  const auto add = [&](std::string_view name, std::string_view value) {
    if (!text.empty()) text += '&';
    text += fmt::format("{}={}", name, percent_encode(value));
  };
  if (query.kind) add("kind", to_string(*query.kind));
  if (query.state) add("state", to_string(*query.state));
  if (!query.label.empty()) add("label", query.label);
  if (!query.text.empty()) add("text", query.text);
  if (query.after != standard.after) add("after", std::to_string(query.after));
  if (query.limit != standard.limit) add("limit", std::to_string(query.limit));
  return text;
}

}  // namespace ppspp::control
