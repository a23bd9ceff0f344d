#include "metadata/text.h"

#include <algorithm>
#include <cstdint>

namespace ppspp {
namespace {

constexpr std::size_t kMaxQuoted = 80;

std::uint8_t octet(std::string_view text, std::size_t at) {
  return static_cast<std::uint8_t>(text[at]);
}

bool is_continuation(std::uint8_t octet) {
  return (octet & 0xc0) == 0x80;
}

// The octets of a character that begins with this one; 0: none does.
std::size_t character_size(std::uint8_t first) {
  if (first < 0x80) return 1;
  if (first < 0xc2) return 0;  // a continuation, or an overlong form of ASCII
  if (first < 0xe0) return 2;
  if (first < 0xf0) return 3;
  return first < 0xf5 ? 4 : 0;
}

// What the second octet must not be (RFC 3629, section 4): overlong forms, surrogates, and numbers
// beyond the last character.
bool second_octet_fits(std::uint8_t first, std::uint8_t second) {
  switch (first) {
    case 0xe0:
      return second >= 0xa0;
    case 0xed:
      return second < 0xa0;
    case 0xf0:
      return second >= 0x90;
    case 0xf4:
      return second < 0x90;
    default:
      return true;
  }
}

}  // namespace

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t size = character_size(octet(text, 0));
    if (size == 0 || size > text.size()) return false;
    for (std::size_t i = 1; i < size; ++i) {
      if (!is_continuation(octet(text, i))) return false;
    }
    if (size > 1 && !second_octet_fits(octet(text, 0), octet(text, 1))) return false;
    text.remove_prefix(size);
  }
  return true;
}

std::string_view utf8_front(std::string_view text, std::size_t size) {
  if (text.size() <= size) return text;
  std::size_t end = size;
  // A character has at most three continuations; more of them are no UTF-8, and cut anywhere.
  while (end > 0 && size - end < 3 && is_continuation(octet(text, end))) --end;
  return text.substr(0, is_continuation(octet(text, end)) ? size : end);
}

std::string quoted(std::string_view text) {
  std::string shown(utf8_front(text, kMaxQuoted));
  const bool printable = is_utf8(shown);
  std::replace_if(
      shown.begin(), shown.end(),
      [&](char c) {
        const auto code = static_cast<unsigned char>(c);
        return code < 0x20 || code == 0x7f || (code >= 0x80 && !printable);
      },
      '?');
  return "'" + shown + (shown.size() < text.size() ? "...'" : "'");
}

}  // namespace ppspp
