#include "http/target.h"

#include <algorithm>
#include <cstddef>

#include "metadata/percent_coding.h"

namespace ppspp::http {
namespace {

constexpr std::size_t kMaxQueryKeys = 256;

bool is_printable(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char c) {
    const auto octet = static_cast<unsigned char>(c);
    return octet < 0x20 || octet == 0x7F;
  });
}

bool is_dots(std::string_view segment) {
  return segment == "." || segment == "..";
}

// Every part between two slashes, also those slashes that were encoded.
bool has_dots(std::string_view path) {
  for (;;) {
    const std::size_t slash = path.find('/');
    if (is_dots(path.substr(0, slash))) return true;
    if (slash == std::string_view::npos) return false;
    path.remove_prefix(slash + 1);
  }
}

std::optional<std::string> decode(std::string_view text) {
  auto decoded = percent_decode(text);
  if (!decoded || !is_printable(*decoded)) return std::nullopt;
  return decoded;
}

// A target as it may be sent has neither blanks nor a fragment.
bool is_sent_so(std::string_view target) {
  return is_printable(target) && target.find_first_of(" #\"<>\\^`{|}") == std::string_view::npos;
}

bool begins_with_scheme(std::string_view target) {
  constexpr std::string_view kScheme = "http://";
  return target.size() > kScheme.size() &&
         std::equal(kScheme.begin(), kScheme.end(), target.begin(), [](char expected, char c) {
           return expected == c || (c >= 'A' && c <= 'Z' && expected == c - 'A' + 'a');
         });
}

// Origin form, whichever it was.
std::optional<std::string_view> origin_form(std::string_view target) {
  if (!is_sent_so(target)) return std::nullopt;
  if (begins_with_scheme(target)) {
    const std::size_t slash = target.find_first_of("/?", 7);
    if (slash == 7) return std::nullopt;  // no host
    if (slash == std::string_view::npos) return "/";
    if (target[slash] == '?') return std::nullopt;
    target.remove_prefix(slash);
  }
  if (target.empty() || target.front() != '/') return std::nullopt;
  return target;
}

bool parse_query(std::string_view text, Target& target) {
  while (!text.empty()) {
    const std::string_view pair = text.substr(0, text.find('&'));
    text.remove_prefix(std::min(text.size(), pair.size() + 1));
    if (pair.empty()) continue;
    const std::size_t equals = pair.find('=');
    auto key = decode(pair.substr(0, equals));
    auto value = decode(equals == std::string_view::npos ? "" : pair.substr(equals + 1));
    if (!key || !value || target.query.size() == kMaxQueryKeys) return false;
    target.query.emplace_back(std::move(*key), std::move(*value));
  }
  return true;
}

}  // namespace

std::optional<Target> parse_target(std::string_view text) {
  const auto origin = origin_form(text);
  if (!origin) return std::nullopt;
  const std::size_t mark = origin->find('?');
  auto path = decode(origin->substr(0, mark));
  if (!path || has_dots(*path)) return std::nullopt;
  Target target;
  target.path = std::move(*path);
  if (mark != std::string_view::npos && !parse_query(origin->substr(mark + 1), target)) {
    return std::nullopt;
  }
  return target;
}

std::optional<std::vector<std::string>> path_segments(std::string_view text) {
  const auto origin = origin_form(text);
  if (!origin) return std::nullopt;
  std::string_view path = origin->substr(1, origin->find('?') - 1);
  std::vector<std::string> segments;
  for (;;) {
    const std::size_t slash = path.find('/');
    auto segment = decode(path.substr(0, slash));
    if (!segment || has_dots(*segment)) return std::nullopt;
    segments.push_back(std::move(*segment));
    if (slash == std::string_view::npos) return segments;
    path.remove_prefix(slash + 1);
  }
}

}  // namespace ppspp::http
