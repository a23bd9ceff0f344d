#include "storage/resume_record.h"

#include <array>

#include "base/assert.h"
#include "base/bytes.h"

namespace ppspp {
namespace {

constexpr std::uint64_t kMagic = 0x7070737070726573;  // "ppsppres"
constexpr std::uint16_t kVersion = 1;
constexpr std::uint8_t kClean = 1;
// Magic to flags, then to the swarm ID's length, and what follows the ID.
constexpr std::size_t kFixedSize = 8 + 4 + 2 + 8 + 3 + 4 + 8 + 4 * 8 + 2 + 4 + 8;
constexpr std::size_t kChecksumSize = 8;
constexpr std::size_t kMaxVarintSize = 10;

constexpr std::array<std::uint64_t, 256> make_crc_table() {
  std::array<std::uint64_t, 256> table = {};
  for (std::uint64_t i = 0; i < table.size(); ++i) {
    std::uint64_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0xC96C5795D7870F42 : 0);
    table[i] = crc;
  }
  return table;
}

void write_varint(ByteWriter& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.write(static_cast<std::uint8_t>(value | 0x80));
  out.write(static_cast<std::uint8_t>(value));
}

// Fails the reader for what is not in the fewest octets or does not fit 63 bits.
std::uint64_t read_varint(ByteReader& in) {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 63; shift += 7) {
    const auto octet = in.read<std::uint8_t>();
    value |= std::uint64_t{octet & 0x7Fu} << shift;
    if ((octet & 0x80) != 0) continue;
    if (octet == 0 && shift > 0) in.fail();
    return value;
  }
  in.fail();
  return 0;
}

void write_data_file(ByteWriter& out, const ResumeRecord::DataFile& file) {
  out.write(file.inode);
  out.write(file.size);
  out.write(static_cast<std::uint64_t>(file.mtime_ns));
  out.write(static_cast<std::uint64_t>(file.ctime_ns));
}

ResumeRecord::DataFile read_data_file(ByteReader& in) {
  ResumeRecord::DataFile file;
  file.inode = in.read<std::uint64_t>();
  file.size = in.read<std::uint64_t>();
  file.mtime_ns = static_cast<std::int64_t>(in.read<std::uint64_t>());
  file.ctime_ns = static_cast<std::int64_t>(in.read<std::uint64_t>());
  return file;
}

void write_runs(ByteWriter& out, const std::vector<ChunkRange>& runs) {
  out.write(static_cast<std::uint32_t>(runs.size()));
  ChunkIndex end = 0;
  for (const ChunkRange run : runs) {
    write_varint(out, run.begin - end);
    write_varint(out, run.size());
    end = run.end;
  }
}

// Fails the reader for runs that are empty, touch each other or go beyond `chunk_count`.
std::vector<ChunkRange> read_runs(ByteReader& in, std::uint64_t chunk_count) {
  std::vector<ChunkRange> runs;
  const auto count = in.read<std::uint32_t>();
  ChunkIndex end = 0;
  for (std::uint32_t i = 0; i < count && in.ok(); ++i) {  // a run takes octets: no bound needed
    const std::uint64_t gap = read_varint(in);
    const std::uint64_t size = read_varint(in);
    const bool apart = gap > 0 || i == 0;
    if (!apart || size == 0 || gap > chunk_count - end || size > chunk_count - end - gap) {
      in.fail();
      break;
    }
    runs.push_back({end + gap, end + gap + size});
    end = runs.back().end;
  }
  return runs;
}

// The octets that the checksum covers, if it holds.
std::optional<std::span<const std::byte>> checked_body(std::span<const std::byte> octets) {
  ByteReader head(octets);
  if (head.read<std::uint64_t>() != kMagic) return std::nullopt;
  const auto size = head.read<std::uint32_t>();
  if (size < kFixedSize || size > octets.size()) return std::nullopt;
  const auto body = octets.first(size - kChecksumSize);
  ByteReader tail(octets.subspan(body.size(), kChecksumSize));
  if (tail.read<std::uint64_t>() != crc64(body)) return std::nullopt;
  return body;
}

bool makes_sense(const ResumeRecord& record) {
  if (record.chunk_size == 0 || record.content_length >= kMaxChunks) return false;
  if (record.clean) return true;
  return record.verified.empty() && record.data_file == ResumeRecord::DataFile{};
}

}  // namespace

std::uint64_t crc64(std::span<const std::byte> octets) {
  static constexpr std::array<std::uint64_t, 256> kTable = make_crc_table();
  std::uint64_t crc = ~std::uint64_t{0};
  for (const std::byte octet : octets) {
    crc = kTable[(crc ^ std::to_integer<std::uint64_t>(octet)) & 0xFF] ^ (crc >> 8);
  }
  return ~crc;
}

std::uint64_t ResumeRecord::chunk_count() const {
  return content_length == 0 ? 0 : (content_length - 1) / chunk_size + 1;
}

std::vector<std::byte> ResumeRecord::encode() const {
  PPSPP_ASSERT(swarm_id.size() <= kMaxSwarmIdSize);
  PPSPP_ASSERT(makes_sense(*this));
  std::vector<std::byte> octets(kFixedSize + swarm_id.size() +
                                verified.size() * 2 * kMaxVarintSize);
  ByteWriter out(octets);
  out.write(kMagic);
  out.write(std::uint32_t{0});  // the size, below
  out.write(kVersion);
  out.write(generation);
  out.write(static_cast<std::uint8_t>(hash));
  out.write(integrity);
  out.write(clean ? kClean : std::uint8_t{0});
  out.write(chunk_size);
  out.write(content_length);
  write_data_file(out, data_file);
  out.write(static_cast<std::uint16_t>(swarm_id.size()));
  out.write_bytes(swarm_id);
  write_runs(out, verified);
  octets.resize(out.size() + kChecksumSize);
  ByteWriter(std::span(octets).subspan(8)).write(static_cast<std::uint32_t>(octets.size()));
  const auto body = std::span(octets).first(octets.size() - kChecksumSize);
  ByteWriter(std::span(octets).subspan(body.size())).write(crc64(body));
  return octets;
}

std::optional<ResumeRecord> ResumeRecord::parse(std::span<const std::byte> octets) {
  const auto body = checked_body(octets);
  if (!body) return std::nullopt;
  ByteReader in(body->subspan(8 + 4));
  if (in.read<std::uint16_t>() != kVersion) return std::nullopt;
  ResumeRecord record;
  record.generation = in.read<std::uint64_t>();
  const auto hash = in.read<std::uint8_t>();
  record.integrity = in.read<std::uint8_t>();
  const auto flags = in.read<std::uint8_t>();
  if (hash > static_cast<std::uint8_t>(HashFunction::sha512) || flags > kClean) return std::nullopt;
  record.hash = static_cast<HashFunction>(hash);
  record.clean = flags == kClean;
  record.chunk_size = in.read<std::uint32_t>();
  record.content_length = in.read<std::uint64_t>();
  record.data_file = read_data_file(in);
  const auto id = in.take(in.read<std::uint16_t>());
  record.swarm_id.assign(id.begin(), id.end());
  if (id.size() > kMaxSwarmIdSize || record.chunk_size == 0) return std::nullopt;
  record.verified = read_runs(in, record.chunk_count());
  if (!in.ok() || !in.at_end() || !makes_sense(record)) return std::nullopt;
  return record;
}

}  // namespace ppspp
