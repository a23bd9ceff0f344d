// Whatever the text, parsing ends; and what it gives survives being written and read.
#include "ppspp/swarm_url.h"

#include <cstdint>

#include "base/assert.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using ppspp::SwarmUrl;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto url = SwarmUrl::parse(text);
  if (!url) {
    PPSPP_ASSERT(!url.error().context.empty());
    PPSPP_ASSERT(url.error().context.find('\n') == std::string::npos);
    return 0;
  }
  static_cast<void>(url->metadata.validate());
  const std::string file_name = url->file_name();
  PPSPP_ASSERT(!file_name.empty() && file_name.front() != '.');
  PPSPP_ASSERT(file_name.find('/') == std::string::npos);

  const std::string written = url->to_string();
  const auto again = SwarmUrl::parse(written);
  PPSPP_ASSERT(again);
  PPSPP_ASSERT(again->metadata == url->metadata);
  PPSPP_ASSERT(again->display_name == url->display_name);
  PPSPP_ASSERT(again->peers == url->peers);
  PPSPP_ASSERT(again->trackers == url->trackers);
  PPSPP_ASSERT(again->to_string() == written);
  return 0;
}
