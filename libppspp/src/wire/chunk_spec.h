// Chunk specifications (RFC 7574, section 4): the octets that name a range of chunks, in the five
// methods of addressing.
#pragma once

#include <bit>
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

namespace chunk_spec {

inline std::optional<ChunkRange> from_inclusive(std::uint64_t first, std::uint64_t last) {
  if (first > last || last >= kMaxChunks) return std::nullopt;
  return ChunkRange{first, last + 1};
}

// 4.1.2: the range begins on a chunk's border. It may end anywhere within a chunk, since the last
// chunk of the content may be short. A chunk that would end beyond the last offset has no name.
inline std::optional<ChunkRange> from_bytes(std::uint64_t first, std::uint64_t last,
                                            std::uint64_t chunk_size) {
  if (first > last || first % chunk_size != 0) return std::nullopt;
  const std::uint64_t last_chunk = last / chunk_size;
  if (last_chunk * chunk_size > ~std::uint64_t{0} - (chunk_size - 1)) return std::nullopt;
  return from_inclusive(first / chunk_size, last_chunk);
}

// 4.2: 0xFFFFFFFF is the empty interval; 0x7FFFFFFF, everything, is the root of the widest tree by
// the rule for all the others.
inline ChunkRange from_bin32(std::uint32_t number) {
  return number == ~std::uint32_t{0} ? ChunkRange{} : Bin(number).chunks();
}

// `range` is a binary interval.
inline std::uint64_t bin_number(ChunkRange range) {
  const std::uint64_t size = range.size();
  PPSPP_ASSERT(std::has_single_bit(size) && (range.begin & (size - 1)) == 0);
  return (range.begin << 1) + (size - 1);
}

}  // namespace chunk_spec

// The range that the spec_size() octets at `at` name; with bins it may be empty. Nothing: they name
// no range.
inline std::optional<ChunkRange> load_chunk_spec(const std::byte* at, const WireFormat& format) {
  switch (format.addressing) {
    case ChunkAddressing::chunk32:
      return chunk_spec::from_inclusive(load<std::uint32_t>(at), load<std::uint32_t>(at + 4));
    case ChunkAddressing::chunk64:
      return chunk_spec::from_inclusive(load<std::uint64_t>(at), load<std::uint64_t>(at + 8));
    case ChunkAddressing::bin32:
      return chunk_spec::from_bin32(load<std::uint32_t>(at));
    case ChunkAddressing::bin64:
      return Bin(load<std::uint64_t>(at)).chunks();
    case ChunkAddressing::byte64:
      return chunk_spec::from_bytes(load<std::uint64_t>(at), load<std::uint64_t>(at + 8),
                                    format.chunk_size);
  }
  return std::nullopt;
}

// Writes the spec_size() octets that name `range`, which has to be nameable.
void store_chunk_spec(std::byte* at, ChunkRange range, const WireFormat& format);

}  // namespace ppspp
