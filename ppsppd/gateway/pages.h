// The pages that the gateway makes itself: plain HTML, without scripts.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "gateway/bundle.h"
#include "gateway/content_source.h"

namespace ppspp::daemon {

std::string escape_html(std::string_view text);
// "3.4 MiB"
std::string readable_size(std::uint64_t octets);
std::string swarms_page(std::span<const Listed> swarms);
// What is in a directory of a bundle; `directory` is empty or ends with '/'.
std::string directory_page(const BundleIndex& index, std::string_view directory);

}  // namespace ppspp::daemon
