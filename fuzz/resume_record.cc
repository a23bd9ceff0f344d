// Any octets give a resume record or nothing, and what they give encodes to the same octets. The
// input is also taken as the body of a record whose size and checksum are right, so that the fuzzer
// reaches the fields.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "storage/resume_record.h"

namespace {

void check(std::span<const std::byte> octets) {
  const auto record = ppspp::ResumeRecord::parse(octets);
  if (!record) return;
  const std::vector<std::byte> again = record->encode();
  if (again.size() > octets.size() || !std::ranges::equal(again, octets.first(again.size()))) {
    std::abort();
  }
}

std::vector<std::byte> as_record(std::span<const std::byte> input) {
  constexpr std::size_t kHeadSize = 8 + 4;
  std::vector<std::byte> octets(kHeadSize + input.size() + 8);
  ppspp::ByteWriter out(octets);
  out.write(std::uint64_t{0x7070737070726573});
  out.write(static_cast<std::uint32_t>(octets.size()));
  out.write_bytes(input);
  out.write(ppspp::crc64(out.written()));
  return octets;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span octets{reinterpret_cast<const std::byte*>(data), size};
  check(octets);
  check(as_record(octets));
  return 0;
}
