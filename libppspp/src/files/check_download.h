// Finds out which chunks of an interrupted download are on the disk.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "files/file_handle.h"
#include "files/hash_file.h"
#include "integrity/merkle_tree.h"
#include "ppspp/chunk_range.h"
#include "ppspp/result.h"

namespace ppspp {

struct DownloadToCheck {
  const FileHandle& file;
  const std::filesystem::path& path;
  const MerkleTree& tree;  // checked against the root hash
  std::uint32_t chunk_size;
  std::uint64_t length;  // of the content, octets
};

// Hashes every chunk whose hash is known, on all cores, leaving out the file's holes. Returns the
// runs of those that are what they should be.
Result<std::vector<ChunkRange>> check_chunks(const DownloadToCheck& download,
                                             const HashOptions& options);

// The parts of `runs` whose leaves are known.
std::vector<ChunkRange> with_known_hash(const std::vector<ChunkRange>& runs,
                                        const MerkleTree& tree);

}  // namespace ppspp
