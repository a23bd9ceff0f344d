// What a download writes down about itself, so that it can go on after it was interrupted.
//
// Octets in network order:
//   8  "ppsppres"            4  octets of the whole record
//   2  version               8  generation
//   1  hash function         1  integrity method       1  flags: 1 = clean
//   4  chunk size            8  content length, 0 = not known
//   8  inode                 8  size                   8  mtime, ns       8  ctime, ns
//   2  octets of swarm ID    the swarm ID
//   4  runs                  for each run: chunks between it and the one before, chunks in it, as
//                            LEB128 in the fewest octets
//   8  CRC-64 (ECMA-182, reflected) of all before it
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "ppspp/chunk_range.h"
#include "ppspp/hash_function.h"

namespace ppspp {

struct ResumeRecord {
  static constexpr std::size_t kMaxSwarmIdSize = 1024;

  // The data file at the clean end of a run.
  struct DataFile {
    std::uint64_t inode = 0;
    std::uint64_t size = 0;
    std::int64_t mtime_ns = 0;
    std::int64_t ctime_ns = 0;
    friend bool operator==(const DataFile&, const DataFile&) = default;
  };

  std::uint64_t generation = 0;
  std::vector<std::byte> swarm_id;
  std::uint32_t chunk_size = 0;
  HashFunction hash = HashFunction::sha256;
  std::uint8_t integrity = 0;        // as on the wire (RFC 7574, section 7.5)
  std::uint64_t content_length = 0;  // octets; 0: not known
  bool clean = false;                // the run ended as it should: data_file and verified hold
  DataFile data_file;                // zeros unless clean
  // Chunks on the disk, ascending, none empty, none touching the next. Empty unless clean.
  std::vector<ChunkRange> verified;

  std::uint64_t chunk_count() const;  // 0: not known

  std::vector<std::byte> encode() const;
  // The record at the front of `octets`; what follows it is ignored. Any octets may come: nothing,
  // unless it is a whole record whose fields make sense, and then encode() gives the same octets.
  static std::optional<ResumeRecord> parse(std::span<const std::byte> octets);

  friend bool operator==(const ResumeRecord&, const ResumeRecord&) = default;
};

// The checksum of the record; CRC-64/XZ.
std::uint64_t crc64(std::span<const std::byte> octets);

}  // namespace ppspp
