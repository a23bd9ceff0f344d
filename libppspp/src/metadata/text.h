// Text that came from outside: numbers, UTF-8, and how it is shown in an error of one line.
#pragma once

#include <charconv>
#include <concepts>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

namespace ppspp {

// All of `text` as a decimal number without a sign; nothing if it is not one or does not fit.
template <std::unsigned_integral T>
std::optional<T> parse_decimal(std::string_view text) {
  T value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || stop != end) return std::nullopt;
  return value;
}

bool is_utf8(std::string_view text);

// The start of `text` that has at most `size` octets and ends between two characters of UTF-8.
std::string_view utf8_front(std::string_view text, std::size_t size);

// In quotation marks, clipped, and with control characters replaced, so that it stays one line and
// cannot steer a terminal.
std::string quoted(std::string_view text);

}  // namespace ppspp
