// A directory as one content, so that a film of many files (HLS, DASH) is one swarm:
// ppspp-bundle(7).
//
//   octets 0-7    "PPSPPDIR"
//   octets 8-11   version, 1
//   octets 12-15  alignment: every file begins at a multiple of it
//   octets 16-23  length of the index
//   then          the index, JSON: {"files":[{"name":"a/b.ts","offset":0,"length":1,"type":"..."}]}
//   then          the files; their offsets count from the first multiple of the alignment at or
//                 behind the end of the index
//
// Numbers are big-endian. What lies between is zeros. The same directory gives the same octets.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ppspp/result.h"

namespace ppspp::daemon {

struct BundleHeader {
  static constexpr std::size_t kSize = 24;
  static constexpr std::uint64_t kMaxIndex = std::uint64_t{8} << 20;  // octets
  static constexpr std::uint32_t kMaxAlignment = 1 << 20;

  std::uint32_t alignment = 1;
  std::uint64_t index_length = 0;

  // Errors: not_found (it is no bundle), not_supported (another version), integrity (nonsense).
  static Result<BundleHeader> parse(std::span<const std::byte> octets);
  std::array<std::byte, kSize> to_octets() const;
  // Where the files begin.
  std::uint64_t content_offset() const;
};

struct BundleFile {
  std::string name;  // "video/0001.ts": UTF-8, no empty, "." or ".." segment, no control character
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  std::string type;  // as in Content-Type; empty: by the name
  friend bool operator==(const BundleFile&, const BundleFile&) = default;
};

struct BundleIndex {
  static constexpr std::size_t kMaxFiles = 65'536;
  static constexpr std::size_t kMaxName = 1024;  // octets

  std::vector<BundleFile> files;  // by name, each name once

  // Checks everything: the names, and that each file lies within `content_octets`, which is what
  // the whole content has behind content_offset(). Files may share octets.
  static Result<BundleIndex> parse(std::string_view json, std::uint64_t content_octets);
  std::string to_json() const;
  const BundleFile* find(std::string_view name) const;
  bool has_directory(
      std::string_view name) const;  // "video": some file's name begins with "video/"
};

struct BundleOptions {
  std::uint32_t alignment = 1024;  // the chunk size of the swarm
  // Octets done and in all; false: stop, which is the error `left`.
  std::function<bool(std::uint64_t done, std::uint64_t total)> progress;
};

struct BundleSummary {
  std::uint64_t length = 0;  // octets of the bundle
  std::size_t files = 0;
  // Names that were left out: hidden files, and what is neither a file nor a directory in the tree.
  std::vector<std::string> left_out;
};

// Writes the bundle of `directory` into `output`, which must not exist; it appears when it is
// complete and on disk. Symbolic links to files inside the directory are followed, others not.
// Blocks for as long as copying takes: not for the thread of an io_context. Errors: not_found,
// exists, invalid_argument (no files, a name that cannot be served, too many files),
// content_changed (a file while it was copied), no_space, io.
Result<BundleSummary> build_bundle(const std::filesystem::path& directory,
                                   const std::filesystem::path& output,
                                   const BundleOptions& options = {});

// What is different in the directory from when the bundle was built of it: "b.ts is new", for the
// first such file; empty: nothing. A file of the same length counts as written when it is newer
// than all were then. Blocks while the directory is read. Errors: no directory, no bundle, io.
Result<std::string> bundle_difference(const std::filesystem::path& directory,
                                      const std::filesystem::path& bundle);

}  // namespace ppspp::daemon
