#include "wire/chunk_spec.h"

#include "wire/datagram.h"

namespace ppspp {
namespace {

ChunkRange nameable_chunks(const WireFormat& format) {
  return {0, max_chunk_count(format.addressing, format.chunk_size)};
}

// 4.1.2: the range begins on a chunk's border. It may end anywhere within a chunk, since the last
// chunk of the content may be short. A chunk that would end beyond the last offset has no name.
std::optional<ChunkRange> from_bytes(std::uint64_t first, std::uint64_t last,
                                     std::uint64_t chunk_size) {
  if (first > last || first % chunk_size != 0) return std::nullopt;
  const std::uint64_t last_chunk = last / chunk_size;
  if (last_chunk * chunk_size > ~std::uint64_t{0} - (chunk_size - 1)) return std::nullopt;
  return from_inclusive(first / chunk_size, last_chunk);
}

// 4.2: 0xFFFFFFFF is the empty interval; 0x7FFFFFFF, everything, is the root of the widest tree by
// the rule for all the others.
ChunkRange from_bin32(std::uint32_t number) {
  return number == ~std::uint32_t{0} ? ChunkRange{} : Bin(number).chunks();
}

// `range` is a binary interval, or empty, which the last number is for.
std::uint64_t bin_number(ChunkRange range) {
  PPSPP_ASSERT(range.empty() || is_binary(range));
  return bin_of(range).number();
}

}  // namespace

std::optional<ChunkRange> load_rare_chunk_spec(const std::byte* at, const WireFormat& format) {
  switch (format.addressing) {
    case ChunkAddressing::chunk32:
      break;  // load_chunk_spec
    case ChunkAddressing::chunk64:
      return from_inclusive(load<std::uint64_t>(at), load<std::uint64_t>(at + 8));
    case ChunkAddressing::bin32:
      return from_bin32(load<std::uint32_t>(at));
    case ChunkAddressing::bin64:
      return Bin(load<std::uint64_t>(at)).chunks();
    case ChunkAddressing::byte64:
      return from_bytes(load<std::uint64_t>(at), load<std::uint64_t>(at + 8), format.chunk_size);
  }
  return std::nullopt;
}

void store_rare_chunk_spec(std::byte* at, ChunkRange range, const WireFormat& format) {
  // Only bins have a name for the empty interval.
  PPSPP_ASSERT(format.uses_bins() || !range.empty());
  PPSPP_ASSERT(range.end <= max_chunk_count(format.addressing, format.chunk_size));
  switch (format.addressing) {
    case ChunkAddressing::chunk32:
      return;  // store_chunk_spec
    case ChunkAddressing::chunk64:
      store(at, range.begin);
      store(at + 8, range.end - 1);
      return;
    case ChunkAddressing::bin32:
      store(at, static_cast<std::uint32_t>(bin_number(range)));
      return;
    case ChunkAddressing::bin64:
      store(at, bin_number(range));
      return;
    case ChunkAddressing::byte64:  // the nominal end of the last chunk, also where it is short
      store(at, range.begin * format.chunk_size);
      store(at + 8, range.end * format.chunk_size - 1);  // modulo 2^64, for the very last chunk
      return;
  }
}

ChunkRange nameable_front(ChunkRange range, const WireFormat& format) {
  const ChunkRange nameable = intersection(range, nameable_chunks(format));
  if (nameable.empty() || !format.uses_bins()) return nameable;
  return first_bin_of(nameable).chunks();
}

ChunkRange nameable_around(ChunkIndex chunk, ChunkRange range, const WireFormat& format) {
  const ChunkRange nameable = intersection(range, nameable_chunks(format));
  if (!nameable.contains(chunk)) return {};
  return format.uses_bins() ? biggest_bin_around(chunk, nameable).chunks() : nameable;
}

}  // namespace ppspp
