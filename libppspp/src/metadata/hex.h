// Hex digits.
#pragma once

namespace ppspp {

// The value of a hex digit of either case; -1: it is none.
constexpr int hex_value(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  return -1;
}

// `value` is below 16.
constexpr char lower_hex_digit(unsigned value) {
  return "0123456789abcdef"[value];
}
constexpr char upper_hex_digit(unsigned value) {
  return "0123456789ABCDEF"[value];
}

}  // namespace ppspp
