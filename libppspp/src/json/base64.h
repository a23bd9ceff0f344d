// Base64 (RFC 4648, section 4), for octets in JSON.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ppspp {

std::string to_base64(std::span<const std::uint8_t> octets);
// Nothing if it is not the one way to write these octets: padded, and without stray bits.
std::optional<std::vector<std::uint8_t>> from_base64(std::string_view text);

}  // namespace ppspp
