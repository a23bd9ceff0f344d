// Octets written as hex digits, blanks between them allowed: hex("03 00000007 00000009").
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ppspp::test {

inline std::vector<std::byte> hex(std::string_view text) {
  const auto digit = [](char c) {
    return static_cast<unsigned>(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
  };
  std::string digits;
  for (const char c : text) {
    if (c != ' ' && c != '\n') digits.push_back(c);
  }
  std::vector<std::byte> octets;
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
    octets.push_back(static_cast<std::byte>(digit(digits[i]) << 4 | digit(digits[i + 1])));
  }
  return octets;
}

inline std::string to_hex(std::span<const std::byte> octets) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const std::byte octet : octets) {
    text.push_back(kDigits[std::to_integer<unsigned>(octet) >> 4]);
    text.push_back(kDigits[std::to_integer<unsigned>(octet) & 15]);
  }
  return text;
}

}  // namespace ppspp::test
