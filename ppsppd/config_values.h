// The values of the configuration as text: how they are written, and what is said of wrong ones.
// Errors are half sentences that go behind the directive's name.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ppspp/result.h"

namespace ppspp::daemon {

// "mon-fri", "sat,sun", "fri-mon", "daily". Bit 0 is Monday.
Result<std::uint8_t> parse_days(std::string_view text);
std::string print_days(std::uint8_t days);

// "08:00"; minutes after midnight, up to "24:00".
Result<unsigned> parse_time_of_day(std::string_view text);
std::string print_time_of_day(unsigned minute);

// "0660".
Result<unsigned> parse_mode(std::string_view text);
std::string print_mode(unsigned mode);

// "*", or scheme, host and perhaps a port: "https://example.org".
Result<std::string> parse_origin(std::string_view text);
Result<std::string> parse_host_name(std::string_view text);  // without a port, or "*"

Result<std::string> parse_tracker(std::string_view text);  // the URL of one

// The name of a Unix group; empty is one, too.
Result<std::string> parse_group(std::string_view text);

// Absolute, and short enough for the address of a socket if it is one.
Result<std::string> parse_path(std::string_view text, bool of_socket);

// With the largest suffix that loses nothing: "2M", "1500".
std::string print_octets(std::uint64_t octets);

// That one of `names` that was probably meant, or empty.
std::string_view nearest_name(std::string_view name, const std::vector<std::string_view>& names);

}  // namespace ppspp::daemon
