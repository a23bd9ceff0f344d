// Percent-encoding (RFC 3986, section 2.1).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace ppspp {

// For a key or value of a query: every octet but the unreserved ones and ':', '/', '@' and ',' is
// encoded, so that '&', '=', '#' and a '+' that others read as a blank keep their meaning.
std::string percent_encode(std::string_view text);

// Nothing if a '%' is not followed by two hex digits. A '+' is a plus.
std::optional<std::string> percent_decode(std::string_view text);

}  // namespace ppspp
