#include "files/state_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <thread>
#include <utility>
#include <vector>

#include "base/bytes.h"

namespace ppspp {
namespace {

constexpr std::chrono::seconds kLongestWait{2};
constexpr std::chrono::milliseconds kLookAgain{10};
constexpr std::size_t kLeastWritten = 4'000;  // most of a page

// An open file that has this name, ours alone; `created` tells whether it is new.
Result<FileHandle> open_or_create(const std::filesystem::path& path, bool& created) {
  for (;;) {
    auto file = open_regular(path, O_RDWR | O_CREAT | O_EXCL);
    created = file.has_value();
    if (created || file.error().code != Errc::exists) return file;
    file = open_regular(path, O_RDWR | O_NOFOLLOW);
    if (file || file.error().code != Errc::not_found) return file;
  }
}

// False when the file lost its name between open() and flock(): whoever had it is through.
bool has_name(const FileHandle& file, const std::filesystem::path& path) {
  struct stat open_file;
  struct stat named;
  return fstat(file.fd(), &open_file) == 0 && stat(path.c_str(), &named) == 0 &&
         open_file.st_ino == named.st_ino && open_file.st_dev == named.st_dev;
}

// Whoever has it may be about to go, and brings what it has to the disk first: a download that is
// gone on with as soon as it was paused, or a program that is begun again as soon as it was ended.
bool lock(const FileHandle& file) {
  const auto until = std::chrono::steady_clock::now() + kLongestWait;
  // A file system without locks (ENOLCK, EOPNOTSUPP) must do without.
  while (flock(file.fd(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    if (std::chrono::steady_clock::now() >= until) return false;
    std::this_thread::sleep_for(kLookAgain);
  }
  return true;
}

Result<FileHandle> open_locked(const std::filesystem::path& path, bool& created) {
  for (;;) {
    auto file = open_or_create(path, created);
    if (!file) return file;
    if (!lock(*file)) {
      return fail(Errc::exists,
                  fmt::format("another process is at this download: it holds {}", path.string()));
    }
    if (has_name(*file, path)) return file;
  }
}

}  // namespace

std::filesystem::path StateFile::path_for(const std::filesystem::path& output) {
  std::filesystem::path path = output;
  path += ".ppspp";
  return path;
}

Result<std::unique_ptr<StateFile>> StateFile::open(const std::filesystem::path& output,
                                                   bool force) {
  std::unique_ptr<StateFile> state(new StateFile);
  state->path_ = path_for(output);
  auto file = open_locked(state->path_, state->created_);
  if (!file) return Unexpected{file.error()};
  state->file_ = std::move(*file);
  if (state->read_records() || force) return state;
  return fail(Errc::exists,
              fmt::format("{} is damaged, or no state of a download: remove it to start again",
                          state->path_.string()));
}

// False: there is something in the slots, but no record.
bool StateFile::read_records() {
  std::vector<std::byte> slots(kTreeOffset);
  const std::ptrdiff_t size = read_fully(file_.fd(), slots, 0);
  if (size < 0) return false;
  for (const std::uint64_t offset : {std::uint64_t{0}, kSlotSize}) {
    auto found = ResumeRecord::parse(std::span(slots).subspan(offset, kSlotSize));
    if (!found || (record_ && record_->generation > found->generation)) continue;
    record_ = std::move(found);
  }
  return record_ || is_all_zero(slots);
}

Result<void> StateFile::save(ResumeRecord record) {
  record.generation = record_ ? record_->generation + 1 : 0;
  std::vector<std::byte> octets = record.encode();
  if (octets.size() > kSlotSize) {
    record.clean = false;
    record.data_file = {};
    record.verified.clear();
    octets = record.encode();
  }
  const std::uint64_t offset = record.generation % 2 * kSlotSize;
  if (!write_fully(file_.fd(), octets, offset) || fdatasync(file_.fd()) != 0) {
    return Unexpected{system_error(errno, "cannot write", path_)};
  }
  record_ = std::move(record);
  return {};
}

Result<std::span<std::byte>> StateFile::keep_tree(std::size_t size) {
  const auto identity = identify(file_, path_);
  if (!identity) return Unexpected{identity.error()};
  if (identity->size != kTreeOffset + size) return std::span<std::byte>{};
  return map_tree(size);
}

Result<std::span<std::byte>> StateFile::new_tree(std::size_t size) {
  tree_.unmap();  // before its pages go
  if (ftruncate(file_.fd(), kTreeOffset) != 0) {
    return Unexpected{system_error(errno, "cannot write", path_)};
  }
  auto memory = map_tree(size);
  // What could be had of the room is of no use.
  if (!memory && ftruncate(file_.fd(), kTreeOffset) != 0) return memory;
  return memory;
}

Result<std::span<std::byte>> StateFile::map_tree(std::size_t size) {
  auto region = MappedRegion::allocate(file_, kTreeOffset, size, path_);
  if (!region) return Unexpected{region.error()};
  tree_ = std::move(*region);
  return tree_.memory();
}

// A file system that writes past the page cache may leave what is mapped as it was: found out with
// the first write, to a page that is mapped by then.
bool StateFile::write_tree(std::size_t offset, std::span<const std::byte> nodes) {
  const std::span place = tree_.memory().subspan(offset, nodes.size());
  if (nodes.size() < kLeastWritten || memory_shows_writes_ == false) return false;
  if (!memory_shows_writes_) static_cast<void>(*static_cast<const volatile std::byte*>(place.data()));
  if (!write_fully(file_.fd(), nodes, kTreeOffset + offset)) return false;
  if (!memory_shows_writes_) memory_shows_writes_ = std::ranges::equal(place, nodes);
  return *memory_shows_writes_;
}

Result<void> StateFile::sync_tree() const {
  if (!tree_.sync()) return Unexpected{system_error(errno, "cannot write", path_)};
  return {};
}

Result<void> StateFile::remove() {
  if (unlink(path_.c_str()) != 0 && errno != ENOENT) {
    return Unexpected{system_error(errno, "cannot remove", path_)};
  }
  return {};
}

}  // namespace ppspp
