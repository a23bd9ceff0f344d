#include "files/tree_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <string>
#include <utility>

#include "base/assert.h"

namespace ppspp {
namespace {

// A tree that grows is at first doubled, and never has more than this to spare: its blocks are
// taken from the disk.
constexpr std::size_t kLeastGrowth = 1 << 20;
constexpr std::size_t kMostGrowth = 64 << 20;

constexpr std::uint64_t kMaxSize = std::uint64_t{1} << 62;  // a file's offsets have 63 bits

// The system's call first: the library's posix_fallocate() would write to each block of a file
// system that cannot do it, which is only worth it there. Returns an error number.
int allocate_blocks(int fd, std::uint64_t offset, std::uint64_t size) {
  if (size > kMaxSize) return EFBIG;
  for (;;) {
    if (fallocate(fd, 0, static_cast<off_t>(offset), static_cast<off_t>(size)) == 0) return 0;
    if (errno != EINTR) break;
  }
  if (errno != EOPNOTSUPP) return errno;
  return posix_fallocate(fd, static_cast<off_t>(offset), static_cast<off_t>(size));
}

Error with_advice(Error error) {
  error.context += "; set TMPDIR to a directory with more room";
  return error;
}

std::string mebibytes(std::uint64_t size) {
  return fmt::format("{} MiB", (size >> 20) + 1);
}

}  // namespace

MappedRegion::MappedRegion(MappedRegion&& other) noexcept
    : memory_(std::exchange(other.memory_, {})) {}

MappedRegion& MappedRegion::operator=(MappedRegion&& other) noexcept {
  if (this != &other) {
    unmap();
    memory_ = std::exchange(other.memory_, {});
  }
  return *this;
}

Result<MappedRegion> MappedRegion::allocate(const FileHandle& file, std::uint64_t offset,
                                            std::size_t size, const std::filesystem::path& path) {
  if (const int error = allocate_blocks(file.fd(), offset, size); error != 0) {
    return Unexpected{system_error(
        error, fmt::format("cannot get {} for the hash tree in", mebibytes(size)), path)};
  }
  return map(file, offset, size, path);
}

Result<MappedRegion> MappedRegion::map(const FileHandle& file, std::uint64_t offset,
                                       std::size_t size, const std::filesystem::path& path) {
  void* const memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file.fd(),
                            static_cast<off_t>(offset));
  if (memory == MAP_FAILED) return Unexpected{system_error(errno, "cannot map", path)};
  // The way up from a chunk touches pages all over the file: reading around each would fill
  // megabytes with zeros before the first chunk is verified.
  madvise(memory, size, MADV_RANDOM);
  MappedRegion region;
  region.memory_ = {static_cast<std::byte*>(memory), size};
  return region;
}

Result<MappedRegion> MappedRegion::map_copy(const FileHandle& file, std::size_t size,
                                            const std::filesystem::path& path) {
  void* const memory =
      mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, file.fd(), 0);
  if (memory == MAP_FAILED) return Unexpected{system_error(errno, "cannot map", path)};
  MappedRegion region;
  region.memory_ = {static_cast<std::byte*>(memory), size};
  return region;
}

void MappedRegion::unmap() {
  if (!memory_.empty()) munmap(memory_.data(), memory_.size());
  memory_ = {};
}

bool MappedRegion::sync() const {
  return memory_.empty() || msync(memory_.data(), memory_.size(), MS_SYNC) == 0;
}

// The pages of a shared mapping keep their content in the page cache.
void MappedRegion::release_pages() const {
  if (!memory_.empty()) madvise(memory_.data(), memory_.size(), MADV_DONTNEED);
}

Result<TreeFile> TreeFile::create(std::size_t size) {
  return create(size, temporary_directory());
}

Result<TreeFile> TreeFile::create(std::size_t size, const std::filesystem::path& directory) {
  const auto file = open_unnamed(directory);
  if (!file) return Unexpected{file.error()};
  auto region = MappedRegion::allocate(*file, 0, size, directory);
  if (!region) return Unexpected{with_advice(region.error())};
  TreeFile tree;
  tree.region_ = std::move(*region);
  return tree;
}

Result<std::span<std::byte>> GrowingTreeFile::grow(std::size_t size) {
  const std::size_t now = memory().size();
  if (size <= now) return memory();
  if (!file_.is_open()) {
    if (directory_.empty()) directory_ = temporary_directory();
    auto file = open_unnamed(directory_);
    if (!file) return Unexpected{file.error()};
    file_ = std::move(*file);
  }
  const std::size_t roomy = now + std::clamp(now, kLeastGrowth, kMostGrowth);
  if (size < roomy && extend_to(roomy)) return memory();
  if (const auto extended = extend_to(size); !extended) return Unexpected{extended.error()};
  return memory();
}

Result<void> GrowingTreeFile::extend_to(std::size_t size) {
  auto region = MappedRegion::allocate(file_, 0, size, directory_);
  if (!region) return Unexpected{with_advice(region.error())};
  region_ = std::move(*region);
  return {};
}

Result<TreeFile> GrowingTreeFile::share(std::size_t size) const {
  PPSPP_ASSERT(size > 0 && size <= memory().size());
  auto region = MappedRegion::map(file_, 0, size, directory_);
  if (!region) return Unexpected{region.error()};
  TreeFile tree;
  tree.region_ = std::move(*region);
  return tree;
}

std::filesystem::path temporary_directory() {
  const char* const given = std::getenv("TMPDIR");
  return given != nullptr && *given != '\0' ? given : "/var/tmp";
}

Result<FileHandle> open_unnamed(const std::filesystem::path& directory) {
  FileHandle file(open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (file.is_open()) return file;
  // A file system (or a kernel) that has no files without a name: take the name away at once.
  std::string name = directory / "ppspp-XXXXXX";
  file = FileHandle(mkostemp(name.data(), O_CLOEXEC));
  if (!file.is_open()) {
    return Unexpected{system_error(errno, "cannot make a temporary file in", directory)};
  }
  unlink(name.c_str());
  return file;
}

}  // namespace ppspp
