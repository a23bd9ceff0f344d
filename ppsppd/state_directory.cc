#include "state_directory.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <limits>
#include <system_error>
#include <utility>

#include "catalogue.h"

namespace ppspp::daemon {
namespace {

namespace fs = std::filesystem;

std::string why(int error) {
  return std::generic_category().message(error);
}

Unexpected unusable(const fs::path& directory, const std::string& reason) {
  return fail(Errc::io, fmt::format("the state directory {} cannot be used: {}; make it, owned by "
                                    "the user that ppsppd runs as, or name another one as "
                                    "directory in [state]",
                                    directory.string(), reason));
}

Result<void> make(const fs::path& directory) {
  std::error_code error;
  fs::create_directories(directory, error);
  if (error) return unusable(directory, error.message());
  if (::access(directory.c_str(), R_OK | W_OK | X_OK) != 0) {
    return unusable(directory, why(errno));
  }
  return {};
}

}  // namespace

Result<StateDirectory> StateDirectory::open(const fs::path& directory) {
  if (directory.empty()) {
    return fail(Errc::invalid_argument, "no state directory is configured: name one in [state]");
  }
  for (const char* part : {"", "trees", "content", "bundles", "keys"}) {
    const fs::path place = *part == '\0' ? directory : directory / part;
    if (const auto made = make(place); !made) return tl::unexpected(made.error());
  }
  std::error_code ignored;
  fs::permissions(directory / "keys", fs::perms::owner_all, ignored);
  const fs::path lock = directory / "lock";
  const int fd = ::open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return unusable(directory, why(errno));
  if (::flock(fd, LOCK_EX | LOCK_NB) == 0) return StateDirectory(directory, fd);
  const int reason = errno;
  ::close(fd);
  if (reason != EWOULDBLOCK) return unusable(directory, why(reason));
  return fail(Errc::exists, fmt::format("another ppsppd uses the state directory {}: stop it, or "
                                        "name another directory in [state]",
                                        directory.string()));
}

Result<void> StateDirectory::check(const fs::path& directory) {
  std::error_code error;
  if (!fs::exists(directory, error) && !error) return {};  // it is made at the start
  if (error) return unusable(directory, error.message());
  if (!fs::is_directory(directory, error)) return unusable(directory, "it is no directory");
  if (::access(directory.c_str(), R_OK | W_OK | X_OK) != 0) {
    return unusable(directory, why(errno));
  }
  return Catalogue::check(directory / "catalogue.db");
}

StateDirectory::StateDirectory(StateDirectory&& other) noexcept
    : path_(std::move(other.path_)), lock_(std::exchange(other.lock_, -1)) {}

StateDirectory& StateDirectory::operator=(StateDirectory&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(lock_, other.lock_);
  return *this;
}

StateDirectory::~StateDirectory() {
  if (lock_ >= 0) ::close(lock_);
}

fs::path StateDirectory::tree(std::uint64_t number) const {
  return path_ / "trees" / fmt::format("{}.tree", number);
}

fs::path StateDirectory::bundle(std::uint64_t number) const {
  return path_ / "bundles" / fmt::format("{}.bundle", number);
}

fs::path StateDirectory::key(std::uint64_t number) const {
  return path_ / "keys" / fmt::format("{}.pem", number);
}

std::uint64_t free_space(const fs::path& path) {
  std::error_code error;
  fs::path there = path;
  while (!fs::exists(there, error) && there.has_parent_path() && there != there.parent_path()) {
    there = there.parent_path();
  }
  struct statvfs status = {};
  if (::statvfs(there.c_str(), &status) != 0) return std::numeric_limits<std::uint64_t>::max();
  return std::uint64_t{status.f_bavail} * status.f_frsize;
}

std::uint64_t allocated_octets(const fs::path& file) {
  struct stat status = {};
  if (::stat(file.c_str(), &status) != 0) return 0;
  return static_cast<std::uint64_t>(status.st_blocks) * 512;
}

}  // namespace ppspp::daemon
