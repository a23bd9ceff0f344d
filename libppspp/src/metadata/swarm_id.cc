#include <fmt/format.h>

#include <functional>

#include "base/assert.h"
#include "metadata/hex.h"
#include "metadata/text.h"
#include "ppspp/swarm_metadata.h"

namespace ppspp {

SwarmId::SwarmId(std::span<const std::byte> octets) : octets_(octets.begin(), octets.end()) {
  PPSPP_ASSERT(octets.size() <= kMaxSize);
}

Result<SwarmId> SwarmId::from_hex(std::string_view text) {
  if (text.empty()) return fail(Errc::invalid_argument, "the swarm ID is missing");
  if (text.size() > 2 * kMaxSize) {
    return fail(
        Errc::invalid_argument,
        fmt::format("the swarm ID has {} hex digits; {} is the most", text.size(), 2 * kMaxSize));
  }
  if (text.size() % 2 != 0) {
    return fail(Errc::invalid_argument,
                fmt::format("the swarm ID has {} hex digits; give all of them, two for each octet",
                            text.size()));
  }
  SwarmId id;
  id.octets_.reserve(text.size() / 2);
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int high = hex_value(text[i]);
    const int low = hex_value(text[i + 1]);
    if (high < 0 || low < 0) {
      return fail(Errc::invalid_argument,
                  fmt::format("a swarm ID consists of hex digits only, {} does not", quoted(text)));
    }
    id.octets_.push_back(static_cast<std::byte>(high << 4 | low));
  }
  return id;
}

std::string SwarmId::to_hex() const {
  std::string text;
  text.reserve(2 * octets_.size());
  for (const std::byte octet : octets_) {
    text += lower_hex_digit(std::to_integer<unsigned>(octet) >> 4);
    text += lower_hex_digit(std::to_integer<unsigned>(octet) & 15);
  }
  return text;
}

std::size_t SwarmId::hash() const {
  return std::hash<std::string_view>{}(
      {reinterpret_cast<const char*>(octets_.data()), octets_.size()});
}

}  // namespace ppspp
