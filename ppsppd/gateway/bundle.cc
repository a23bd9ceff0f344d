// Building a bundle.
#include "gateway/bundle.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <set>
#include <utility>

#include "gateway/content_types.h"
#include "metadata/text.h"
#include "tools/file_descriptor.h"

namespace ppspp::daemon {
namespace {

namespace fs = std::filesystem;
using tools::FileDescriptor;

constexpr std::size_t kPiece = std::size_t{8} << 20;  // octets between two words of progress
constexpr std::size_t kBuffer = std::size_t{256} << 10;

struct Found {
  std::string name;
  fs::path path;
  std::uint64_t length = 0;
  fs::file_time_type written;
};

Unexpected system_error(const fs::path& path, int error) {
  const Errc code = error == ENOSPC || error == EDQUOT ? Errc::no_space
                    : error == ENOENT                  ? Errc::not_found
                    : error == EEXIST                  ? Errc::exists
                                                       : Errc::io;
  return fail(code, path.string() + ": " + std::strerror(error));
}

Unexpected changed(const fs::path& path) {
  return fail(Errc::content_changed, path.string() + " changed while it was copied: try again");
}

bool is_inside(const fs::path& path, const fs::path& root) {
  const auto [end, at] = std::mismatch(root.begin(), root.end(), path.begin(), path.end());
  return end == root.end();
}

class Tree {
 public:
  explicit Tree(fs::path root) : root_(std::move(root)) {}

  Result<void> walk() {
    std::error_code error;
    fs::recursive_directory_iterator at(root_, error);
    for (; !error && at != fs::recursive_directory_iterator(); at.increment(error)) {
      if (at.depth() > kMaxDepth) {
        return fail(Errc::invalid_argument, at->path().string() + ": directories are too deep");
      }
      if (auto added = visit(at); !added) return added;
    }
    if (error) return fail(Errc::io, root_.string() + ": " + error.message());
    std::ranges::sort(found, {}, &Found::name);
    return {};
  }

  std::vector<Found> found;
  std::vector<std::string> left_out;

 private:
  static constexpr int kMaxDepth = 64;

  Result<void> visit(fs::recursive_directory_iterator& at) {
    const fs::path& path = at->path();
    std::string name = path.lexically_relative(root_).generic_string();
    std::error_code error;
    const auto kind = at->symlink_status(error).type();
    if (path.filename().string().starts_with('.')) {
      if (kind == fs::file_type::directory) at.disable_recursion_pending();
      left_out.push_back(std::move(name));
      return {};
    }
    if (kind == fs::file_type::directory) return {};
    const bool regular = kind == fs::file_type::regular ||
                         (kind == fs::file_type::symlink && leads_to_our_file(path));
    if (!regular) {
      left_out.push_back(std::move(name));
      return {};
    }
    return add(path, std::move(name));
  }

  bool leads_to_our_file(const fs::path& path) const {
    std::error_code error;
    const fs::path target = fs::canonical(path, error);
    return !error && is_inside(target, root_) && fs::is_regular_file(target, error);
  }

  Result<void> add(const fs::path& path, std::string name) {
    if (!is_utf8(name) || name.size() > BundleIndex::kMaxName ||
        std::any_of(name.begin(), name.end(), [](char c) {
          return static_cast<unsigned char>(c) < 0x20 || c == 0x7F || c == '\\';
        })) {
      return fail(Errc::invalid_argument,
                  "rename " + ppspp::quoted(name) + ": such a name cannot be in a URL");
    }
    if (found.size() == BundleIndex::kMaxFiles) {
      return fail(Errc::invalid_argument, root_.string() + " has more than " +
                                              std::to_string(BundleIndex::kMaxFiles) + " files");
    }
    std::error_code error;
    const auto length = fs::file_size(path, error);
    if (error) return fail(Errc::io, path.string() + ": " + error.message());
    const auto written = fs::last_write_time(path, error);
    if (error) return fail(Errc::io, path.string() + ": " + error.message());
    found.push_back({std::move(name), path, length, written});
    return {};
  }

  fs::path root_;
};

// The file that grows, under a name of its own until it is whole.
class Output {
 public:
  explicit Output(fs::path path) : path_(std::move(path)), part_(path_.string() + ".part") {}
  ~Output() {
    if (file_) ::unlink(part_.c_str());
  }
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  Result<void> open() {
    struct stat status = {};
    if (::lstat(path_.c_str(), &status) == 0) return system_error(path_, EEXIST);
    // What a run that was killed has left.
    ::unlink(part_.c_str());
    file_ = FileDescriptor(::open(part_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640));
    if (!file_) return system_error(part_, errno);
    return {};
  }

  Result<void> write(std::span<const std::byte> octets, std::uint64_t offset) {
    while (!octets.empty()) {
      const ssize_t size =
          ::pwrite(file_.get(), octets.data(), octets.size(), static_cast<off_t>(offset));
      if (size < 0 && errno == EINTR) continue;
      if (size < 0) return system_error(part_, errno);
      offset += static_cast<std::uint64_t>(size);
      octets = octets.subspan(static_cast<std::size_t>(size));
    }
    return {};
  }

  // Up to `size` octets of the other file, of which `done` have been copied; 0: it has no more.
  Result<std::size_t> copy(const FileDescriptor& from, std::uint64_t done, std::uint64_t offset,
                           std::size_t size) {
    auto in = static_cast<off64_t>(done);
    auto out = static_cast<off64_t>(offset);
    while (!by_hand_) {
      const ssize_t copied = ::copy_file_range(from.get(), &in, file_.get(), &out, size, 0);
      if (copied >= 0) return static_cast<std::size_t>(copied);
      if (errno == ENOSPC || errno == EDQUOT || errno == EIO) return system_error(part_, errno);
      by_hand_ = errno != EINTR;  // between file systems, or where it is not allowed
    }
    buffer_.resize(kBuffer);
    const std::size_t wanted = std::min(size, buffer_.size());
    const ssize_t got = ::pread(from.get(), buffer_.data(), wanted, static_cast<off_t>(done));
    if (got < 0) return system_error(part_, errno);
    const auto read = std::span(buffer_).first(static_cast<std::size_t>(got));
    if (auto written = write(read, offset); !written) return tl::unexpected(written.error());
    return read.size();
  }

  Result<void> finish(std::uint64_t length) {
    if (::ftruncate(file_.get(), static_cast<off_t>(length)) != 0 || ::fsync(file_.get()) != 0) {
      return system_error(part_, errno);
    }
    if (::renameat2(AT_FDCWD, part_.c_str(), AT_FDCWD, path_.c_str(), RENAME_NOREPLACE) != 0) {
      return system_error(path_, errno);
    }
    file_ = FileDescriptor(-1);
    return {};
  }

 private:
  const fs::path path_;
  const fs::path part_;
  FileDescriptor file_{-1};
  bool by_hand_ = false;
  std::vector<std::byte> buffer_;
};

std::uint64_t aligned(std::uint64_t value, std::uint32_t alignment) {
  return (value + alignment - 1) / alignment * alignment;
}

std::string known_type(std::string_view name) {
  const std::string_view type = content_type(name);
  return type == kUnknownType ? std::string() : std::string(type);
}

BundleIndex lay_out(const std::vector<Found>& found, std::uint32_t alignment) {
  BundleIndex index;
  std::uint64_t offset = 0;
  for (const Found& file : found) {
    offset = aligned(offset, alignment);
    index.files.push_back({file.name, offset, file.length, known_type(file.name)});
    offset += file.length;
  }
  return index;
}

class Copying {
 public:
  Copying(Output& output, const BundleOptions& options, std::uint64_t total)
      : output_(output), options_(options), total_(total) {}

  Result<void> copy(const Found& found, std::uint64_t offset) {
    const FileDescriptor from(::open(found.path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!from) return system_error(found.path, errno);
    struct stat before = {};
    if (::fstat(from.get(), &before) != 0) return system_error(found.path, errno);
    if (!S_ISREG(before.st_mode) || static_cast<std::uint64_t>(before.st_size) != found.length) {
      return changed(found.path);
    }
    for (std::uint64_t done = 0; done < found.length;) {
      const auto size =
          static_cast<std::size_t>(std::min<std::uint64_t>(kPiece, found.length - done));
      const auto copied = output_.copy(from, done, offset + done, size);
      if (!copied) return tl::unexpected(copied.error());
      if (*copied == 0) return changed(found.path);
      done += *copied;
      if (!report(*copied)) return fail(Errc::left, "stopped");
    }
    struct stat after = {};
    if (::fstat(from.get(), &after) != 0) return system_error(found.path, errno);
    const bool same = after.st_size == before.st_size &&
                      after.st_mtim.tv_sec == before.st_mtim.tv_sec &&
                      after.st_mtim.tv_nsec == before.st_mtim.tv_nsec;
    if (!same) return changed(found.path);
    return {};
  }

 private:
  bool report(std::uint64_t more) {
    done_ += more;
    return !options_.progress || options_.progress(done_, total_);
  }

  Output& output_;
  const BundleOptions& options_;
  const std::uint64_t total_;
  std::uint64_t done_ = 0;
};

Result<BundleSummary> write_bundle(Tree& tree, const fs::path& output,
                                   const BundleOptions& options) {
  const BundleIndex index = lay_out(tree.found, options.alignment);
  const std::string json = index.to_json();
  if (json.size() > BundleHeader::kMaxIndex) {
    return fail(Errc::invalid_argument, "the names of the files are too long for one bundle");
  }
  const BundleHeader header{options.alignment, json.size()};
  const BundleFile& last = index.files.back();
  const std::uint64_t length = header.content_offset() + last.offset + last.length;
  std::uint64_t total = 0;
  for (const Found& file : tree.found) total += file.length;
  Output out(output);
  if (auto opened = out.open(); !opened) return tl::unexpected(opened.error());
  auto written = out.write(header.to_octets(), 0);
  if (written) written = out.write(std::as_bytes(std::span(json)), BundleHeader::kSize);
  Copying copying(out, options, total);
  for (std::size_t i = 0; written && i < tree.found.size(); ++i) {
    written = copying.copy(tree.found[i], header.content_offset() + index.files[i].offset);
  }
  if (written) written = out.finish(length);
  if (!written) return tl::unexpected(written.error());
  // For bundle_difference(): no clock is as good as the files' own times.
  std::error_code ignored;
  const auto newest = std::ranges::max(tree.found, {}, &Found::written).written;
  fs::last_write_time(output, newest, ignored);
  return BundleSummary{length, index.files.size(), std::move(tree.left_out)};
}

Result<Tree> read_tree(const fs::path& directory) {
  std::error_code error;
  const fs::path root = fs::canonical(directory, error);
  if (error) return system_error(directory, error.value());
  if (!fs::is_directory(root, error)) {
    return fail(Errc::invalid_argument, directory.string() + " is not a directory");
  }
  Tree tree(root);
  if (auto walked = tree.walk(); !walked) return tl::unexpected(walked.error());
  return tree;
}

Result<std::string> read_part(std::ifstream& file, std::uint64_t length, const fs::path& path) {
  std::string text(static_cast<std::size_t>(length), '\0');
  if (!file.read(text.data(), static_cast<std::streamsize>(length))) {
    return fail(Errc::io, path.string() + " cannot be read");
  }
  return text;
}

Result<BundleIndex> read_index(const fs::path& bundle) {
  std::error_code error;
  const auto size = fs::file_size(bundle, error);
  if (error) return system_error(bundle, error.value());
  std::ifstream file(bundle, std::ios::binary);
  const auto head = read_part(file, BundleHeader::kSize, bundle);
  if (!head) return tl::unexpected(head.error());
  const auto header = BundleHeader::parse(std::as_bytes(std::span(*head)));
  if (!header) return tl::unexpected(header.error());
  const auto json = read_part(file, header->index_length, bundle);
  if (!json) return tl::unexpected(json.error());
  return BundleIndex::parse(*json, size - std::min(size, header->content_offset()));
}

}  // namespace

Result<BundleSummary> build_bundle(const fs::path& directory, const fs::path& output,
                                   const BundleOptions& options) {
  if (options.alignment == 0 || options.alignment > BundleHeader::kMaxAlignment) {
    return fail(Errc::invalid_argument, "a bundle's alignment is 1 to 1048576 octets");
  }
  auto tree = read_tree(directory);
  if (!tree) return tl::unexpected(tree.error());
  if (tree->found.empty()) {
    return fail(Errc::invalid_argument, directory.string() + " has no files to be published");
  }
  return write_bundle(*tree, output, options);
}

Result<std::string> bundle_difference(const fs::path& directory, const fs::path& bundle) {
  const auto tree = read_tree(directory);
  if (!tree) return tl::unexpected(tree.error());
  const auto index = read_index(bundle);
  if (!index) return tl::unexpected(index.error());
  std::error_code error;
  const auto newest = fs::last_write_time(bundle, error);
  if (error) return system_error(bundle, error.value());
  auto then = index->files.begin();
  for (const Found& now : tree->found) {
    if (then != index->files.end() && then->name < now.name) return then->name + " is gone";
    if (then == index->files.end() || now.name < then->name) return now.name + " is new";
    if (now.length != then->length || now.written > newest) return now.name + " was written";
    ++then;
  }
  return then == index->files.end() ? std::string() : then->name + " is gone";
}

}  // namespace ppspp::daemon
