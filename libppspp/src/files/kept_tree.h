// The hash tree of a static content in a file of its own, kept so that the content can be served
// later without being hashed again.
//
//   0    "PPSPTREE", then big-endian: version (4), chunk size (4), hash function (1), zero (1),
//        octets of the swarm ID (2), zero (4), content length (8)
//   32   FileStamp of the content: device, inode, size, modified, changed (8 each)
//   72   the swarm ID, and zeros up to 64 octets
//   136  SHA-256 of all the above, and zeros
//   192  the nodes, as MerkleTree lays them out, to the end of the file
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

#include "files/tree_file.h"
#include "ppspp/file_stamp.h"
#include "ppspp/result.h"
#include "ppspp/swarm_metadata.h"

namespace ppspp {

// Writes the file under a temporary name (PATH.new), brings it to the disk and then gives it its
// name: it is whole or not there, whenever the process is killed. A kept tree that was there is
// replaced; Errc::exists if it is anything else. Blocks.
Result<void> keep_tree(const std::filesystem::path& path, const SwarmMetadata& metadata,
                       std::uint64_t length, const FileStamp& stamp,
                       std::span<const std::byte> nodes);

// The nodes of a tree that was kept for this swarm and length, as a copy in memory that the kernel
// reads as it is used. Its peaks are compared with the swarm ID. Errors, in words that name the
// file: not there, no kept tree, of another version, torn, of another swarm (Errc::integrity).
Result<TreeFile> open_kept_tree(const std::filesystem::path& path, const SwarmMetadata& metadata,
                                std::uint64_t length);

// Whether every node is the hash of its children: what open_kept_tree() does not look at. Takes as
// long as hashing the nodes does; gives up, and says yes, when `cancel` is set.
bool is_whole_tree(std::span<std::byte> nodes, const SwarmMetadata& metadata, std::uint64_t length,
                   const std::atomic<bool>* cancel = nullptr);

// What to say if not.
Error damaged_tree(const std::filesystem::path& path);

}  // namespace ppspp
