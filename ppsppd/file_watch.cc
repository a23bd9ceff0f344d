#include "file_watch.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <boost/asio/post.hpp>
#include <cerrno>
#include <system_error>
#include <utility>

#include "gateway/bundle.h"

namespace ppspp::daemon {
namespace {

std::int64_t nanoseconds(const timespec& time) {
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

FileWatch::Finding look_at(const FileWatch::File& file) {
  const auto stamp = stamp_of(file.path);
  if (!stamp) return {file.number, FileWatch::Sight::gone, stamp.error().context};
  if (!file.stamp || *stamp == *file.stamp) {
    if (file.directory.empty()) return {file.number, FileWatch::Sight::as_it_was, {}};
    auto difference = bundle_difference(file.directory, file.path);
    std::string reason = difference ? *std::move(difference) : difference.error().context;
    const bool same = reason.empty();
    return {file.number, same ? FileWatch::Sight::as_it_was : FileWatch::Sight::outdated,
            std::move(reason)};
  }
  const bool same_size = stamp->size == file.stamp->size;
  return {file.number, same_size ? FileWatch::Sight::touched : FileWatch::Sight::changed, {}};
}

}  // namespace

Result<FileStamp> stamp_of(const std::filesystem::path& file) {
  struct stat status = {};
  if (::stat(file.c_str(), &status) != 0) {
    const Errc code = errno == ENOENT || errno == ENOTDIR ? Errc::not_found : Errc::io;
    return fail(code, fmt::format("{}: {}", file.string(), std::generic_category().message(errno)));
  }
  if (!S_ISREG(status.st_mode)) {
    return fail(Errc::invalid_argument, fmt::format("{} is not a file", file.string()));
  }
  return FileStamp{status.st_dev, status.st_ino, static_cast<std::uint64_t>(status.st_size),
                   nanoseconds(status.st_mtim), nanoseconds(status.st_ctim)};
}

FileWatch::~FileWatch() {
  *cancelled_ = true;
  if (thread_.joinable()) thread_.join();
}

bool FileWatch::look(std::vector<File> files, Found found) {
  if (busy_->exchange(true)) return false;
  if (thread_.joinable()) thread_.join();  // it has said so: it is at its end
  thread_ = std::thread([&io = io_, files = std::move(files), found = std::move(found),
                         cancelled = cancelled_, busy = busy_] {
    std::vector<Finding> findings;
    for (const File& file : files) {
      if (*cancelled) break;
      Finding finding = look_at(file);
      if (finding.sight != Sight::as_it_was || file.told) findings.push_back(std::move(finding));
    }
    boost::asio::post(io, [findings = std::move(findings), found, cancelled]() mutable {
      if (!*cancelled) found(std::move(findings));
    });
    *busy = false;
  });
  return true;
}

}  // namespace ppspp::daemon
