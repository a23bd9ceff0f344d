// Hashes files on all cores: the hash tree of what is to be seeded, and the check of a file that
// may already be the content of a swarm.
//
// Memory does not grow with the file: the tree lives in a TreeFile, each thread has one buffer.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>

#include "crypto/hasher.h"
#include "files/file_handle.h"
#include "files/tree_file.h"
#include "ppspp/hash_function.h"
#include "ppspp/result.h"
#include "ppspp/swarm_metadata.h"

namespace ppspp {

struct HashOptions {
  unsigned threads = 0;  // 0: one for each core
  // Octets done and octets in all; from the calling thread, at most about ten times a second, and
  // once at the end.
  std::function<void(std::uint64_t done, std::uint64_t total)> progress = {};
  // Set it (from a signal handler or another thread) to give up; the error is then Errc::left.
  const std::atomic<bool>* cancel = nullptr;
};

// A file as it was while it was hashed. `file` stays open, so that what is seeded is what was
// hashed even if another file takes its name.
struct HashedFile {
  std::filesystem::path path;
  FileHandle file;
  FileIdentity identity;
  std::uint64_t length = 0;  // not 0
  TreeFile tree;             // all nodes, as MerkleTree lays them out
  Digest root;
};

// Blocks until done. Errors, each a line for the user: no such file, not a regular file, empty, not
// readable, changed meanwhile (Errc::content_changed), no room for the tree (Errc::no_space).
Result<HashedFile> hash_file(const std::filesystem::path& path, std::uint32_t chunk_size,
                             HashFunction function, const HashOptions& options = {});

// Is this file the complete content of the swarm? Looks at the length first where it is known, then
// hashes everything. nothing: it is not (or it is empty); an error: it could not be found out. What
// is returned can be seeded at once. Static content only.
Result<std::optional<HashedFile>> verify_complete_file(const std::filesystem::path& path,
                                                       const SwarmMetadata& metadata,
                                                       const HashOptions& options = {});

}  // namespace ppspp
