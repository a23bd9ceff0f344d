#include "wire/chunk_spec.h"

#include "wire/datagram.h"

namespace ppspp {
namespace {

ChunkRange nameable_chunks(const WireFormat& format) {
  return {0, max_chunk_count(format.addressing, format.chunk_size)};
}

}  // namespace

void store_chunk_spec(std::byte* at, ChunkRange range, const WireFormat& format) {
  // Only bins have a name for the empty interval.
  PPSPP_ASSERT(format.uses_bins() || !range.empty());
  PPSPP_ASSERT(range.end <= max_chunk_count(format.addressing, format.chunk_size));
  switch (format.addressing) {
    case ChunkAddressing::chunk32:
      store(at, static_cast<std::uint32_t>(range.begin));
      store(at + 4, static_cast<std::uint32_t>(range.end - 1));
      return;
    case ChunkAddressing::chunk64:
      store(at, range.begin);
      store(at + 8, range.end - 1);
      return;
    case ChunkAddressing::bin32:
      store(at, range.empty() ? ~std::uint32_t{0}
                              : static_cast<std::uint32_t>(chunk_spec::bin_number(range)));
      return;
    case ChunkAddressing::bin64:
      store(at, range.empty() ? Bin::none().number() : chunk_spec::bin_number(range));
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
