// Base64 (RFC 4648, section 4), for the map of Availability.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ppspp::control {

std::string to_base64(std::span<const std::uint8_t> octets);
// Nothing if it is not the one way to write these octets: padded, and without stray bits.
std::optional<std::vector<std::uint8_t>> from_base64(std::string_view text);

}  // namespace ppspp::control
