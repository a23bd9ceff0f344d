#include "files/whole_file.h"

#include <fcntl.h>
#include <stdio.h>  // renameat2
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <span>

namespace ppspp {
namespace {

constexpr mode_t kOwnerOnly = 0600;

std::filesystem::path with_suffix(std::filesystem::path path, const char* suffix) {
  path += suffix;
  return path;
}

// A file that goes away unless it gets its name.
class TemporaryFile {
 public:
  TemporaryFile(int fd, std::string name) : file_(fd), name_(std::move(name)) {}
  ~TemporaryFile() {
    if (file_.is_open() && !is_named_) unlink(name_.c_str());
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  // The steps return false with errno.
  bool fill(std::string_view octets) {
    return file_.is_open() && fchmod(file_.fd(), kOwnerOnly) == 0 &&
           write_fully(file_.fd(), std::as_bytes(std::span(octets)), 0) && fsync(file_.fd()) == 0;
  }
  bool rename_over(const std::filesystem::path& path) {
    is_named_ = rename(name_.c_str(), path.c_str()) == 0;
    return is_named_;
  }
  bool rename_to_new(const std::filesystem::path& path) {
    is_named_ = renameat2(AT_FDCWD, name_.c_str(), AT_FDCWD, path.c_str(), RENAME_NOREPLACE) == 0;
    if (is_named_ || (errno != EINVAL && errno != ENOSYS)) return is_named_;
    // Some file systems, NFS among them, do not know this call. Links never replace either.
    return link(name_.c_str(), path.c_str()) == 0;
  }

 private:
  FileHandle file_;
  std::string name_;
  bool is_named_ = false;
};

}  // namespace

Result<void> create_whole_file(const std::filesystem::path& path, std::string_view octets) {
  std::string name = with_suffix(path, ".new-XXXXXX");
  const int fd = mkostemp(name.data(), O_CLOEXEC);
  TemporaryFile file(fd, std::move(name));
  if (!file.fill(octets) || !file.rename_to_new(path)) {
    return Unexpected{system_error(errno, "cannot create", path)};
  }
  sync_directory_of(path);
  return {};
}

Result<void> replace_whole_file(const std::filesystem::path& path, std::string_view octets) {
  const std::string name = with_suffix(path, ".new");
  unlink(name.c_str());  // of a process that was killed
  const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  TemporaryFile file(open(name.c_str(), flags, kOwnerOnly), name);
  if (!file.fill(octets) || !file.rename_over(path)) {
    return Unexpected{system_error(errno, "cannot write", path)};
  }
  sync_directory_of(path);
  return {};
}

Result<std::string> read_whole_file(const FileHandle& file, std::size_t size_max,
                                    const std::filesystem::path& path) {
  std::string octets(size_max, '\0');
  const std::ptrdiff_t size = read_fully(file.fd(), std::as_writable_bytes(std::span(octets)), 0);
  if (size < 0) return Unexpected{system_error(errno, "cannot read", path)};
  octets.resize(static_cast<std::size_t>(size));
  return octets;
}

}  // namespace ppspp
