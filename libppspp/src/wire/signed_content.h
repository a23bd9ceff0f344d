// What a signature of a live feed is computed over (RFC 7574, 6.1.1, 6.1.2.2), and its timestamps.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "ppspp/chunk_range.h"
#include "ppspp/time.h"
#include "wire/message.h"

namespace ppspp {

// NTP timestamps (RFC 5905): seconds since 1900 in the upper 32 bits, fractions in the lower. They
// wrap in 2036, hence only their differences are used.
std::uint64_t ntp_timestamp(WallTime time);
// How much later `a` is than `b`, in microseconds; negative if it is earlier.
Microseconds ntp_difference(std::uint64_t a, std::uint64_t b);

// The chunk specification and timestamp as they stand on the wire, then the hash of the munro, or
// with Sign All the chunk. Needs spec_size() + 8 octets and the content's.
void write_signed_content(ByteWriter& out, ChunkRange chunks, std::uint64_t ntp,
                          std::span<const std::byte> content, const WireFormat& format);

}  // namespace ppspp
