#include "files/file_handle.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <system_error>
#include <thread>

namespace ppspp {
namespace {

// The kernel stamps files with the time of its last tick: 1 to 10 ms.
constexpr std::int64_t kTimestampStep_ns = 20'000'000;

std::int64_t nanoseconds(const timespec& time) {
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

Errc code_of(int error_number) {
  switch (error_number) {
    case ENOENT:
      return Errc::not_found;
    case EEXIST:
      return Errc::exists;
    case ENOSPC:
    case EDQUOT:
      return Errc::no_space;
    default:
      return Errc::io;
  }
}

}  // namespace

FileHandle& FileHandle::operator=(FileHandle&& other) noexcept {
  if (this != &other) {
    close();
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

void FileHandle::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

FileIdentity FileIdentity::of(const struct stat& status) {
  return {.device = status.st_dev,
          .inode = status.st_ino,
          .size = static_cast<std::uint64_t>(status.st_size),
          .mtime_ns = nanoseconds(status.st_mtim),
          .ctime_ns = nanoseconds(status.st_ctim)};
}

FileIdentity FileIdentity::of(const FileStamp& stamp) {
  return {.device = stamp.device,
          .inode = stamp.inode,
          .size = stamp.size,
          .mtime_ns = stamp.modified_ns,
          .ctime_ns = stamp.changed_ns};
}

Result<FileIdentity> identify(const FileHandle& file, const std::filesystem::path& path) {
  struct stat status;
  if (fstat(file.fd(), &status) != 0) {
    return Unexpected{system_error(errno, "cannot look at", path)};
  }
  return FileIdentity::of(status);
}

Result<FileIdentity> identify_settled(const FileHandle& file, const std::filesystem::path& path) {
  auto identity = identify(file, path);
  timespec now;
  if (!identity || clock_gettime(CLOCK_REALTIME, &now) != 0) return identity;
  // A time in the future tells of a clock that was set: the next change will get another one.
  const std::int64_t age = nanoseconds(now) - identity->ctime_ns;
  if (age < 0 || age >= kTimestampStep_ns) return identity;
  std::this_thread::sleep_for(std::chrono::nanoseconds(kTimestampStep_ns - age));
  return identify(file, path);
}

Result<FileHandle> open_regular(const std::filesystem::path& path, int flags) {
  FileHandle file(open(path.c_str(), flags | O_NONBLOCK | O_CLOEXEC, 0666));
  if (!file.is_open()) {
    // What can be written to and is no file: a directory, or a FIFO that nobody reads.
    if (errno == EISDIR || errno == ENXIO) {
      return fail(Errc::invalid_argument, fmt::format("{} is not a regular file", path.string()));
    }
    return Unexpected{system_error(errno, "cannot open", path)};
  }
  struct stat status;
  if (fstat(file.fd(), &status) != 0) {
    return Unexpected{system_error(errno, "cannot look at", path)};
  }
  if (!S_ISREG(status.st_mode)) {
    return fail(Errc::invalid_argument, fmt::format("{} is {}, not a regular file", path.string(),
                                                    S_ISDIR(status.st_mode)    ? "a directory"
                                                    : S_ISFIFO(status.st_mode) ? "a FIFO"
                                                                               : "a device"));
  }
  return file;
}

std::ptrdiff_t read_fully(int fd, std::span<std::byte> buffer, std::uint64_t offset) {
  std::size_t done = 0;
  while (done < buffer.size()) {
    const ssize_t size =
        pread(fd, buffer.data() + done, buffer.size() - done, static_cast<off_t>(offset + done));
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return -1;
    if (size == 0) break;
    done += static_cast<std::size_t>(size);
  }
  return static_cast<std::ptrdiff_t>(done);
}

bool write_fully(int fd, std::span<const std::byte> data, std::uint64_t offset) {
  while (!data.empty()) {
    const ssize_t size = pwrite(fd, data.data(), data.size(), static_cast<off_t>(offset));
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return false;
    data = data.subspan(static_cast<std::size_t>(size));
    offset += static_cast<std::uint64_t>(size);
  }
  return true;
}

bool lacks_descriptors() {
  const FileHandle any(open("/dev/null", O_RDONLY | O_CLOEXEC));
  return !any.is_open() && (errno == EMFILE || errno == ENFILE);
}

void sync_directory_of(const std::filesystem::path& path) {
  const auto directory = path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
  const FileHandle handle(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (handle.is_open()) fsync(handle.fd());
}

Error system_error(int error_number, std::string_view what, const std::filesystem::path& path) {
  return {code_of(error_number), fmt::format("{} {}: {}", what, path.string(),
                                             std::generic_category().message(error_number))};
}

}  // namespace ppspp
