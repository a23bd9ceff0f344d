#include "config_values.h"

#include <fmt/format.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <numeric>
#include <optional>

#include "metadata/text.h"
#include "tracker/url.h"

namespace ppspp::daemon {
namespace {

constexpr std::array<std::string_view, 7> kDays = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};
constexpr std::uint8_t kEveryDay = 0x7f;

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return result;
}

std::optional<unsigned> day_of(std::string_view text) {
  const auto found = std::find(kDays.begin(), kDays.end(), text);
  if (found == kDays.end()) return std::nullopt;
  return static_cast<unsigned>(found - kDays.begin());
}

// "fri-mon" or "sat".
std::optional<std::uint8_t> days_of_part(std::string_view part) {
  const auto dash = part.find('-');
  const auto first = day_of(part.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : day_of(part.substr(dash + 1));
  if (!first || !last) return std::nullopt;
  unsigned days = 1U << *last;
  for (unsigned day = *first; day != *last; day = (day + 1) % 7) days |= 1U << day;
  return static_cast<std::uint8_t>(days);
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
    }
  }
  return row[b.size()];
}

}  // namespace

Result<std::uint8_t> parse_days(std::string_view text) {
  const std::string all = lower(text);
  if (all == "daily") return kEveryDay;
  std::uint8_t days = 0;
  std::string_view rest = all;
  while (true) {
    const auto comma = rest.find(',');
    std::string_view part = rest.substr(0, comma);
    while (part.starts_with(' ')) part.remove_prefix(1);
    while (part.ends_with(' ')) part.remove_suffix(1);
    const auto some = days_of_part(part);
    if (!some) {
      return fail(Errc::invalid_argument,
                  fmt::format("{} is no day or range of days; write days such as \"mon-fri\", "
                              "\"sat,sun\" or \"daily\"",
                              ppspp::quoted(part)));
    }
    days = static_cast<std::uint8_t>(days | *some);
    if (comma == std::string_view::npos) return days;
    rest.remove_prefix(comma + 1);
  }
}

std::string print_days(std::uint8_t days) {
  if (days == kEveryDay) return "daily";
  std::string text;
  for (unsigned day = 0; day < 7; ++day) {
    if ((days >> day & 1) == 0) continue;
    unsigned last = day;
    while (last + 1 < 7 && (days >> (last + 1) & 1) != 0) ++last;
    if (!text.empty()) text += ',';
    text += kDays[day];
    if (last > day) text += fmt::format("-{}", kDays[last]);
    day = last;
  }
  return text;
}

Result<unsigned> parse_time_of_day(std::string_view text) {
  const auto colon = text.find(':');
  const auto hour = parse_decimal<unsigned>(text.substr(0, colon));
  const auto minute = colon == std::string_view::npos || text.size() != colon + 3
                          ? std::nullopt
                          : parse_decimal<unsigned>(text.substr(colon + 1));
  if (!hour || !minute || colon > 2 || *minute > 59 || *hour * 60 + *minute > 24 * 60) {
    return fail(Errc::invalid_argument,
                fmt::format("{} is not a time of day; write it as \"08:00\" or \"17:30\", from "
                            "\"00:00\" to \"24:00\"",
                            ppspp::quoted(text)));
  }
  return *hour * 60 + *minute;
}

std::string print_time_of_day(unsigned minute) {
  return fmt::format("{:02}:{:02}", minute / 60, minute % 60);
}

Result<unsigned> parse_mode(std::string_view text) {
  unsigned mode = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, mode, 8);
  if (error != std::errc{} || stop != end || mode > 0777 || text.size() > 4 || mode == 0) {
    return fail(
        Errc::invalid_argument,
        fmt::format("{} is not a file mode; write it in octal, as \"0660\"", ppspp::quoted(text)));
  }
  return mode;
}

std::string print_mode(unsigned mode) {
  return fmt::format("{:04o}", mode);
}

Result<std::string> parse_origin(std::string_view text) {
  if (text == "*") return std::string(text);
  std::string_view rest = text;
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (rest.starts_with(scheme)) rest.remove_prefix(scheme.size());
  }
  const bool plain = std::all_of(rest.begin(), rest.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
           std::string_view("-._:[]").find(c) != std::string_view::npos;
  });
  if (rest.empty() || rest.size() == text.size() || !plain) {
    return fail(Errc::invalid_argument,
                fmt::format("{} is not an origin; write scheme, host and port only, as "
                            "\"https://example.org\" or \"http://localhost:8000\", or \"*\"",
                            ppspp::quoted(text)));
  }
  return std::string(text);
}

Result<std::string> parse_host_name(std::string_view text) {
  const bool plain = std::all_of(text.begin(), text.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '.' || c == '_';
  });
  if (text == "*" || (plain && !text.empty())) return std::string(text);
  return fail(Errc::invalid_argument,
              fmt::format("{} is not a host name; write it without scheme and port, as "
                          "\"media.example.org\", or \"*\" for any",
                          ppspp::quoted(text)));
}

Result<std::string> parse_tracker(std::string_view text) {
  return tracker::Url::parse(text).map([](const tracker::Url& url) { return url.to_string(); });
}

Result<std::string> parse_group(std::string_view text) {
  const bool plain = std::all_of(text.begin(), text.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
           std::string_view("-._").find(c) != std::string_view::npos;
  });
  if (!plain || text.size() > 32 || text.starts_with('-')) {
    return fail(Errc::invalid_argument,
                fmt::format("{} is not the name of a group; write one of /etc/group, or \"\"",
                            ppspp::quoted(text)));
  }
  return std::string(text);
}

Result<std::string> parse_path(std::string_view text, bool of_socket) {
  if (!text.starts_with('/') || text.find('\0') != std::string_view::npos) {
    return fail(
        Errc::invalid_argument,
        fmt::format("{} is not an absolute path; it must begin with '/'", ppspp::quoted(text)));
  }
  if (of_socket && text.size() >= sizeof(sockaddr_un::sun_path)) {
    return fail(Errc::invalid_argument,
                fmt::format("{} is too long for a socket; the limit is {} octets",
                            ppspp::quoted(text), sizeof(sockaddr_un::sun_path) - 1));
  }
  return std::string(text);
}

std::string print_octets(std::uint64_t octets) {
  constexpr std::string_view kSuffixes = "kMG";
  std::string_view suffix;
  for (std::size_t i = 0; i < kSuffixes.size() && octets != 0 && octets % 1024 == 0; ++i) {
    octets /= 1024;
    suffix = kSuffixes.substr(i, 1);
  }
  return fmt::format("{}{}", octets, suffix);
}

std::string_view nearest_name(std::string_view name, const std::vector<std::string_view>& names) {
  std::string_view best;
  std::size_t least = 1 + std::min<std::size_t>(name.size(), 24) / 3;
  if (name.size() > 64) return {};
  for (const std::string_view candidate : names) {
    const std::size_t distance = edit_distance(name, candidate);
    if (distance < least || (distance == least && best.empty())) {
      least = distance;
      best = candidate;
    }
  }
  return best;
}

}  // namespace ppspp::daemon
