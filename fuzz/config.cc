// Whatever the text, reading ends; what is wrong is said in bounded lines, and what is right
// survives being printed and read.
#include "ppsppd/config.h"

#include <cstdint>

#include "base/assert.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ppspp::daemon;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto config = parse_config(text, "fuzz.toml");
  if (!config) {
    PPSPP_ASSERT(!config.error().empty() && config.error().size() <= kMostErrors);
    for (const ConfigError& error : config.error()) {
      PPSPP_ASSERT(!error.message.empty() && error.message.size() < 2'000);
      PPSPP_ASSERT(error.message.find('\n') == std::string::npos);
    }
    return 0;
  }
  const std::string printed = print_config(*config);
  const auto again = parse_config(printed, "fuzz.toml");
  PPSPP_ASSERT(again);
  PPSPP_ASSERT(*again == *config);
  PPSPP_ASSERT(print_config(*again) == printed);
  return 0;
}
