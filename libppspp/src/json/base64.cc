#include "json/base64.h"

#include <algorithm>

namespace ppspp {
namespace {

constexpr std::string_view kDigits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

// The octets of up to four digits; nothing for what is no digit or leaves bits over.
bool append_group(std::string_view digits, std::vector<std::uint8_t>& octets) {
  std::uint32_t bits = 0;
  for (const char c : digits) {
    const auto digit = kDigits.find(c);
    if (digit == std::string_view::npos) return false;
    bits = bits << 6 | static_cast<std::uint32_t>(digit);
  }
  bits <<= 6 * (4 - digits.size());
  for (std::size_t i = 0; i + 1 < digits.size(); ++i) {
    octets.push_back(static_cast<std::uint8_t>(bits >> (16 - 8 * i)));
  }
  const std::uint32_t unused = 24 - 8 * (static_cast<std::uint32_t>(digits.size()) - 1);
  return (bits & ((std::uint32_t{1} << unused) - 1)) == 0;
}

}  // namespace

std::string to_base64(std::span<const std::uint8_t> octets) {
  std::string text;
  text.reserve((octets.size() + 2) / 3 * 4);
  while (!octets.empty()) {
    const auto group = octets.first(std::min<std::size_t>(3, octets.size()));
    octets = octets.subspan(group.size());
    std::uint32_t bits = 0;
    for (std::size_t i = 0; i < 3; ++i) bits = bits << 8 | (i < group.size() ? group[i] : 0u);
    for (std::size_t i = 0; i < 4; ++i) {
      text.push_back(i <= group.size() ? kDigits[bits >> (18 - 6 * i) & 63] : '=');
    }
  }
  return text;
}

std::optional<std::vector<std::uint8_t>> from_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::vector<std::uint8_t> octets;
  octets.reserve(text.size() / 4 * 3);
  while (!text.empty()) {
    std::string_view group = text.substr(0, 4);
    text.remove_prefix(4);
    if (text.empty() && group.ends_with('=')) {
      group.remove_suffix(group.ends_with("==") ? 2 : 1);
      if (group.size() < 2) return std::nullopt;
    }
    if (!append_group(group, octets)) return std::nullopt;
  }
  return octets;
}

}  // namespace ppspp
