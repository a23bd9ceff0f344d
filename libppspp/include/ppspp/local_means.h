// How peers on the local network are found.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace ppspp {

enum class LocalMeans : std::uint8_t {
  any,        // both: others may have one of them only
  dns_sd,     // by Avahi alone (the map's decision 49)
  multicast,  // by multicast of our own alone (decision 48)
};

// Names as in options: "any", "dns-sd", "multicast".
constexpr std::string_view to_string(LocalMeans means) {
  if (means == LocalMeans::any) return "any";
  return means == LocalMeans::dns_sd ? "dns-sd" : "multicast";
}

constexpr std::optional<LocalMeans> parse_local_means(std::string_view name) {
  for (const auto means : {LocalMeans::any, LocalMeans::dns_sd, LocalMeans::multicast}) {
    if (to_string(means) == name) return means;
  }
  return std::nullopt;
}

}  // namespace ppspp
