// What a file is, by the end of its name.
#pragma once

#include <string_view>

namespace ppspp::daemon {

// As in Content-Type; "application/octet-stream" where the name does not tell.
std::string_view content_type(std::string_view name);

inline constexpr std::string_view kUnknownType = "application/octet-stream";

}  // namespace ppspp::daemon
