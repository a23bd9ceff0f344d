#include "wire/signed_content.h"

#include "wire/chunk_spec.h"

namespace ppspp {
namespace {

constexpr std::uint64_t kMicrosecondsPerSecond = 1'000'000;
constexpr std::uint64_t kSecondsFrom1900To1970 = 2'208'988'800;
constexpr std::uint64_t kHalfUnit = std::uint64_t{1} << 31;

}  // namespace

std::uint64_t ntp_timestamp(WallTime time) {
  const std::uint64_t seconds = time.microseconds / kMicrosecondsPerSecond + kSecondsFrom1900To1970;
  const std::uint64_t fraction =
      ((time.microseconds % kMicrosecondsPerSecond) << 32) / kMicrosecondsPerSecond;
  return seconds << 32 | fraction;  // the upper half of the seconds falls away: the NTP era
}

Microseconds ntp_difference(std::uint64_t a, std::uint64_t b) {
  const auto difference = static_cast<std::int64_t>(a - b);
  const std::int64_t seconds = difference >> 32;  // rounded down, so that the rest is positive
  const std::uint64_t rest = static_cast<std::uint32_t>(difference);
  // To the nearest, which gives back the microseconds that timestamps were made of.
  const std::uint64_t microseconds = (rest * kMicrosecondsPerSecond + kHalfUnit) >> 32;
  return std::chrono::seconds(seconds) + Microseconds(microseconds);
}

void write_signed_content(ByteWriter& out, ChunkRange chunks, std::uint64_t ntp,
                          std::span<const std::byte> content, const WireFormat& format) {
  const auto spec = out.reserve(format.spec_size());
  if (!spec.empty()) store_chunk_spec(spec.data(), chunks, format);
  out.write(ntp);
  out.write_bytes(content);
}

}  // namespace ppspp
