// Chunk specifications (RFC 7574, section 4): the octets that name a range of chunks, in the five
// methods of addressing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/assert.h"
#include "base/bytes.h"
#include "bins/bin.h"
#include "ppspp/chunk_range.h"
#include "wire/message.h"

namespace ppspp {

// Loads and stores for octets whose number was checked before, in one go for a whole message.
template <std::unsigned_integral T>
T load(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof(T));
  return big_endian(value);
}

template <std::unsigned_integral T>
void store(std::byte* at, T value) {
  const T wire = big_endian(value);
  std::memcpy(at, &wire, sizeof(T));
}

// As on the wire, with the last chunk.
inline std::optional<ChunkRange> from_inclusive(std::uint64_t first, std::uint64_t last) {
  if (first > last || last >= kMaxChunks) return std::nullopt;
  return ChunkRange{first, last + 1};
}

// Those that are not so common.
std::optional<ChunkRange> load_rare_chunk_spec(const std::byte* at, const WireFormat& format);
void store_rare_chunk_spec(std::byte* at, ChunkRange range, const WireFormat& format);

// The range that the spec_size() octets at `at` name; with bins it may be empty. Nothing: they name
// no range.
inline std::optional<ChunkRange> load_chunk_spec(const std::byte* at, const WireFormat& format) {
  if (format.addressing != ChunkAddressing::chunk32) return load_rare_chunk_spec(at, format);
  return from_inclusive(load<std::uint32_t>(at), load<std::uint32_t>(at + 4));
}

// Writes the spec_size() octets that name `range`, which has to be nameable.
inline void store_chunk_spec(std::byte* at, ChunkRange range, const WireFormat& format) {
  if (format.addressing != ChunkAddressing::chunk32) {
    return store_rare_chunk_spec(at, range, format);
  }
  PPSPP_ASSERT(!range.empty() && range.end <= std::uint64_t{1} << 32);
  store(at, static_cast<std::uint32_t>(range.begin));
  store(at + 4, static_cast<std::uint32_t>(range.end - 1));
}

}  // namespace ppspp
