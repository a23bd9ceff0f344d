// Zero-filled memory for hash trees, in a file: the kernel writes it out when memory is short, so
// that a tree of any size needs none of its own. All its blocks are allocated before it is mapped:
// a full disk is an error here, never a SIGBUS later.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <utility>

#include "files/file_handle.h"
#include "ppspp/result.h"

namespace ppspp {

// A shared mapping of a part of a file.
class MappedRegion {
 public:
  MappedRegion() = default;
  ~MappedRegion() { unmap(); }
  MappedRegion(MappedRegion&& other) noexcept;
  MappedRegion& operator=(MappedRegion&& other) noexcept;

  // Allocates the blocks of [offset, offset + size) and maps them. `offset` is a multiple of the
  // page size; `size` is not 0. `path` is for messages.
  static Result<MappedRegion> allocate(const FileHandle& file, std::uint64_t offset,
                                       std::size_t size, const std::filesystem::path& path);

  // Maps blocks that were allocated before.
  static Result<MappedRegion> map(const FileHandle& file, std::uint64_t offset, std::size_t size,
                                  const std::filesystem::path& path);

  // A copy of a file's first octets that is read as it is used. What is written to it stays here.
  static Result<MappedRegion> map_copy(const FileHandle& file, std::size_t size,
                                       const std::filesystem::path& path);

  std::span<std::byte> memory() const { return memory_; }
  void unmap();
  bool sync() const;           // to the disk; false with errno
  void release_pages() const;  // out of our resident memory; the content stays in the file

 private:
  std::span<std::byte> memory_;
};

// A mapped temporary file without a name, in $TMPDIR or /var/tmp: gone when the process ends. Or
// the nodes of a tree that was kept (kept_tree.h).
class TreeFile {
 public:
  TreeFile() = default;  // no memory
  static Result<TreeFile> create(std::size_t size);
  static Result<TreeFile> create(std::size_t size, const std::filesystem::path& directory);

  // The octets of the region behind the first `skip`, which it has.
  TreeFile(MappedRegion region, std::size_t skip) : region_(std::move(region)), skip_(skip) {}

  std::span<std::byte> memory() const { return region_.memory().subspan(skip_); }
  void release_pages() const { region_.release_pages(); }

 private:
  friend class GrowingTreeFile;
  MappedRegion region_;
  std::size_t skip_ = 0;
};

// The same for a tree whose size is not known before its content is: of a feed that is recorded.
class GrowingTreeFile {
 public:
  GrowingTreeFile() = default;  // no memory; made in temporary_directory()
  explicit GrowingTreeFile(std::filesystem::path directory) : directory_(std::move(directory)) {}

  std::span<std::byte> memory() const { return region_.memory(); }
  // At least `size` octets, mostly more: what was there is kept, and zeros behind it, though the
  // memory may move. After an error everything is as it was.
  Result<std::span<std::byte>> grow(std::size_t size);
  // The first `size` octets once more: both see what is written to either. `size` is not 0, nor
  // more than memory() has.
  Result<TreeFile> share(std::size_t size) const;

 private:
  Result<void> extend_to(std::size_t size);

  std::filesystem::path directory_;
  FileHandle file_;
  MappedRegion region_;
};

// $TMPDIR if it is set, or /var/tmp, which is on a disk (unlike /tmp on many systems).
std::filesystem::path temporary_directory();
// An open file in `directory` that has no name.
Result<FileHandle> open_unnamed(const std::filesystem::path& directory);

}  // namespace ppspp
