// A file descriptor that closes itself, and what identifies the state of a file.
#pragma once

#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <utility>

#include "ppspp/file_stamp.h"
#include "ppspp/result.h"

namespace ppspp {

class FileHandle {
 public:
  FileHandle() = default;
  explicit FileHandle(int fd) : fd_(fd) {}
  ~FileHandle() { close(); }
  FileHandle(FileHandle&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileHandle& operator=(FileHandle&& other) noexcept;

  int fd() const { return fd_; }
  bool is_open() const { return fd_ >= 0; }
  void close();

 private:
  int fd_ = -1;
};

// Which file this is and when it was last touched. Any write changes mtime and ctime; ctime cannot
// be set back by a program.
struct FileIdentity {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::uint64_t size = 0;
  std::int64_t mtime_ns = 0;
  std::int64_t ctime_ns = 0;

  static FileIdentity of(const struct stat& status);
  static FileIdentity of(const FileStamp& stamp);
  FileStamp stamp() const { return {device, inode, size, mtime_ns, ctime_ns}; }
  friend bool operator==(const FileIdentity&, const FileIdentity&) = default;
};

// What the file is now; an error only when the system refuses.
Result<FileIdentity> identify(const FileHandle& file, const std::filesystem::path& path);

// The identity once enough time has passed since the last change for the next one to get another
// timestamp: file systems stamp with the kernel's tick (at most 10 ms), so that two writes within
// one tick look alike. Sleeps at most about 20 ms.
Result<FileIdentity> identify_settled(const FileHandle& file, const std::filesystem::path& path);

// Opens for reading and makes sure that it is a regular file: never waits for the other end of a
// FIFO. Errors name the file.
Result<FileHandle> open_regular(const std::filesystem::path& path, int flags);

// Fills `buffer` from `offset`; returns how much there was before the end of the file, or -1 and
// errno.
std::ptrdiff_t read_fully(int fd, std::span<std::byte> buffer, std::uint64_t offset);
// Writes all, or returns false with errno.
bool write_fully(int fd, std::span<const std::byte> data, std::uint64_t offset);

// Whether the system has no file descriptor for us at the moment.
bool lacks_descriptors();

// The name of a file is safe only when its directory is on the disk, too.
void sync_directory_of(const std::filesystem::path& path);

// "cannot read movie.mkv: Input/output error", with the code that belongs to `error_number`.
Error system_error(int error_number, std::string_view what, const std::filesystem::path& path);

}  // namespace ppspp
