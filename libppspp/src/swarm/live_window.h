// How much of a live feed is kept (RFC 7574, 6.2, 7.9).
#pragma once

#include <algorithm>
#include <cstdint>

namespace ppspp {

// 32 MiB, in chunks: a minute at 4 Mbit/s, 13 s at 20.
constexpr std::uint64_t default_window(std::uint32_t chunk_size) {
  return std::max<std::uint64_t>(2, (std::uint64_t{32} << 20) / chunk_size);
}

// What a source chooses by itself at most: 256 MiB.
constexpr std::uint64_t largest_chosen_window(std::uint32_t chunk_size) {
  return default_window(chunk_size) * 8;
}

}  // namespace ppspp
