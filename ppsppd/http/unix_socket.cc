#include "http/unix_socket.h"

#include <grp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

namespace ppspp::http {
namespace {

constexpr int kBacklog = 128;

Unexpected system_error(const std::filesystem::path& path, const char* what) {
  const int error = errno;
  return fail(error == EADDRINUSE ? Errc::exists : Errc::io,
              path.string() + ": " + what + ": " + std::strerror(error));
}

Result<sockaddr_un> address_of(const std::filesystem::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string text = path.string();
  if (text.empty() || text.size() >= sizeof(address.sun_path)) {
    return fail(Errc::invalid_argument, "a socket's path has 1 to " +
                                            std::to_string(sizeof(address.sun_path) - 1) +
                                            " characters: '" + text + "'");
  }
  std::memcpy(static_cast<char*>(address.sun_path), text.data(), text.size());
  return address;
}

int new_socket() {
  return ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

const sockaddr* generic(const sockaddr_un& address) {
  return static_cast<const sockaddr*>(static_cast<const void*>(&address));
}

bool is_listened_on(const sockaddr_un& address) {
  const int fd = new_socket();
  if (fd < 0) return true;
  const bool refused =
      ::connect(fd, generic(address), sizeof(address)) != 0 && errno == ECONNREFUSED;
  ::close(fd);
  return !refused;
}

// What an earlier run left there, if it is that.
Result<void> clear(const std::filesystem::path& path, const sockaddr_un& address) {
  struct stat status = {};
  if (::lstat(path.c_str(), &status) != 0) {
    if (errno == ENOENT) return {};
    return system_error(path, "cannot be looked at");
  }
  if (!S_ISSOCK(status.st_mode)) {
    return fail(Errc::exists, path.string() + " is in the way: it is not a socket");
  }
  if (is_listened_on(address)) {
    return fail(Errc::exists, path.string() + " is in use: another program listens on it");
  }
  if (::unlink(path.c_str()) != 0) return system_error(path, "cannot be replaced");
  return {};
}

Result<gid_t> find_group(const std::string& name) {
  std::array<char, 16 * 1024> space;
  group entry{};
  group* found = nullptr;
  ::getgrnam_r(name.c_str(), &entry, space.data(), space.size(), &found);
  if (found == nullptr) return fail(Errc::not_found, "there is no group '" + name + "'");
  return found->gr_gid;
}

Result<void> allow(const std::filesystem::path& path, unsigned mode, std::optional<gid_t> group) {
  // Not without need: what hardens a service may forbid every chown().
  struct stat status = {};
  const bool has_it = group && ::stat(path.c_str(), &status) == 0 && status.st_gid == *group;
  if (group && !has_it && ::chown(path.c_str(), static_cast<uid_t>(-1), *group) != 0) {
    return system_error(path, "cannot be given to its group");
  }
  if (::chmod(path.c_str(), mode) != 0) return system_error(path, "cannot get its mode");
  return {};
}

}  // namespace

Result<UnixListener> UnixListener::open(const std::filesystem::path& path, unsigned mode,
                                        const std::string& group) {
  const auto address = address_of(path);
  if (!address) return tl::unexpected(address.error());
  std::optional<gid_t> owner;
  if (!group.empty()) {
    const auto found = find_group(group);
    if (!found) return tl::unexpected(found.error());
    owner = *found;
  }
  if (auto cleared = clear(path, *address); !cleared) return tl::unexpected(cleared.error());
  const int fd = new_socket();
  if (fd < 0) return system_error(path, "no socket");
  UnixListener listener(fd, {});
  // The file begins its life with this mode: nobody else comes in before allow().
  ::fchmod(fd, 0600);
  if (::bind(fd, generic(*address), sizeof(*address)) != 0) {
    return system_error(path, "cannot be made");
  }
  listener.path_ = path;
  struct stat status = {};
  if (::lstat(path.c_str(), &status) == 0) {
    listener.device_ = status.st_dev;
    listener.inode_ = status.st_ino;
  }
  if (auto allowed = allow(path, mode, owner); !allowed) return tl::unexpected(allowed.error());
  if (::listen(fd, kBacklog) != 0) return system_error(path, "cannot be listened on");
  return listener;
}

UnixListener::UnixListener(UnixListener&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      path_(std::exchange(other.path_, {})),
      device_(other.device_),
      inode_(other.inode_) {}

UnixListener::~UnixListener() {
  if (fd_ >= 0) ::close(fd_);
  struct stat status = {};
  if (path_.empty() || ::lstat(path_.c_str(), &status) != 0) return;
  if (status.st_dev == device_ && status.st_ino == inode_) ::unlink(path_.c_str());
}

int UnixListener::release_socket() {
  return std::exchange(fd_, -1);
}

}  // namespace ppspp::http
