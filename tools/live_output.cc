#include "live_output.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace ppspp::tools {
namespace {

Unexpected system_error(const std::string& what) {
  const Errc code = errno == ENOENT   ? Errc::not_found
                    : errno == EEXIST ? Errc::exists
                    : errno == ENOSPC ? Errc::no_space
                                      : Errc::io;
  return fail(code, fmt::format("{}: {}", what, std::generic_category().message(errno)));
}

Unexpected in_the_way(const std::string& name) {
  return fail(
      Errc::exists,
      fmt::format("{} exists: choose another name with -o, or overwrite it with --force", name));
}

}  // namespace

Result<LiveOutput> LiveOutput::open(const std::string& name, bool force) {
  if (name == "-") {
    FileDescriptor copy(fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0));
    if (!copy) return system_error("cannot write to standard output");
    return LiveOutput(std::move(copy), {}, false);
  }
  struct stat status = {};
  const bool exists = stat(name.c_str(), &status) == 0;
  const bool is_file = !exists || S_ISREG(status.st_mode);
  if (exists && is_file && !force) return in_the_way(name);
  int flags = O_WRONLY | O_CLOEXEC | O_NOCTTY;
  if (!exists) {
    flags |= O_CREAT | O_EXCL;
  } else if (is_file) {
    flags |= O_TRUNC;
  }
  FileDescriptor file(::open(name.c_str(), flags, 0666));
  if (!file) return system_error(fmt::format("cannot write to {}", name));
  return LiveOutput(std::move(file), name, !exists);
}

LiveOutput::LiveOutput(FileDescriptor file, std::filesystem::path path, bool created)
    : file_(std::move(file)), path_(std::move(path)), created_(created) {}

std::string LiveOutput::name() const {
  return path_.empty() ? "standard output" : path_.string();
}

Result<void> LiveOutput::close() {
  const FileDescriptor file = std::exchange(file_, FileDescriptor(-1));
  if (path_.empty()) {
    // Ours is a copy; something has to stand in the original's place, or another file would.
    const FileDescriptor nowhere(::open("/dev/null", O_WRONLY | O_CLOEXEC));
    if (nowhere) dup2(nowhere.get(), STDOUT_FILENO);
    return {};
  }
  // Pipes and devices cannot be synchronised, and need not be.
  if (fsync(file.get()) == 0 || errno == EINVAL || errno == EROFS) return {};
  return system_error(fmt::format("cannot write to {}", name()));
}

void LiveOutput::discard() {
  std::error_code ignored;
  if (created_) std::filesystem::remove(path_, ignored);
}

}  // namespace ppspp::tools
