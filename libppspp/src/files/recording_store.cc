#include "files/recording_store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <utility>

#include "bins/peaks.h"
#include "integrity/merkle_tree.h"

namespace ppspp {
namespace {

bool is_complete(const MerkleTree& tree) {
  for (const Bin peak : peaks(tree.chunk_count())) {
    const std::uint64_t last = Bin::leaf(peak.chunks().end - 1).number();
    for (std::uint64_t number = Bin::leaf(peak.first_chunk()).number(); number <= last; ++number) {
      if (!tree.is_known(Bin{number})) return false;
    }
  }
  return true;
}

Error changed(const std::filesystem::path& path) {
  return {Errc::content_changed,
          fmt::format("{} was changed by another program while it was being recorded: seed it as "
                      "it is now, as a file",
                      path.string())};
}

}  // namespace

RecordingStore::RecordingStore(std::filesystem::path path, FileHandle file)
    : path_(std::move(path)), file_(std::move(file)) {}

Result<std::unique_ptr<RecordingStore>> RecordingStore::create(const std::filesystem::path& path,
                                                               bool force) {
  auto file = open_regular(path, O_RDWR | O_CREAT | (force ? 0 : O_EXCL));
  if (!file && file.error().code == Errc::exists) {
    return fail(Errc::exists, fmt::format("{} exists: choose another file to record to, or "
                                          "overwrite it with --force",
                                          path.string()));
  }
  if (!file) return Unexpected{file.error()};
  // A file system without locks (ENOLCK, EOPNOTSUPP) must do without.
  if (flock(file->fd(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    return fail(Errc::exists,
                fmt::format("another process records to {}: choose another file", path.string()));
  }
  if (ftruncate(file->fd(), 0) != 0) {
    return Unexpected{system_error(errno, "cannot overwrite", path)};
  }
  std::unique_ptr<RecordingStore> store(new RecordingStore(path, std::move(*file)));
  store->expect_file_as_it_is();
  return store;
}

// Blocks where the octets are no longer in the page cache; what a feed's peers ask for is new.
StoreStatus RecordingStore::read(std::uint64_t offset,
                                 std::span<const std::span<std::byte>> pieces) {
  const std::uint64_t length = written_.empty() ? 0 : std::prev(written_.end())->second;
  if (!fits(offset, total_size(pieces), length)) {
    return fail_with({Errc::invalid_argument, "read beyond the end of " + path_.string()});
  }
  const PieceRead outcome = read_pieces(file_.fd(), offset, pieces, 0);
  if (outcome == PieceRead::short_read) {
    return fail_with({Errc::content_changed,
                      fmt::format("{} was shortened by another program while it was being recorded",
                                  path_.string())});
  }
  if (outcome != PieceRead::done) return fail_with(system_error(errno, "cannot read", path_));
  look_at_file();
  return StoreStatus::done;
}

StoreStatus RecordingStore::write(std::uint64_t offset,
                                  std::span<const std::span<const std::byte>> pieces) {
  const std::uint64_t size = total_size(pieces);
  if (error_) return StoreStatus::failed;
  look_at_file();
  if (!fits(offset, size, std::uint64_t{1} << 62)) return fail_write(EFBIG, offset);
  if (!write_pieces(file_.fd(), offset, pieces)) return fail_write(errno, offset);
  expect_file_as_it_is();
  note_written(offset, size);
  return StoreStatus::done;
}

void RecordingStore::prefetch(std::uint64_t offset, std::uint64_t size) {
  read_ahead_.ask(file_.fd(), offset, size, expected_.size);
}

std::span<std::byte> RecordingStore::grow_tree_memory(std::size_t size) {
  const auto memory = tree_.grow(size);
  if (memory) return *memory;
  fail_with(memory.error());
  return {};
}

Result<HashedFile> RecordingStore::finish(std::uint64_t length, std::uint32_t chunk_size,
                                          HashFunction hash) const {
  if (const auto whole = is_whole(length); !whole) return Unexpected{whole.error()};
  const std::uint64_t chunk_count = (length - 1) / chunk_size + 1;
  const std::uint64_t size = MerkleTree::memory_size(chunk_count, hash);
  const Error incomplete{
      Errc::integrity,
      fmt::format("not all the hashes of {} are there: seed it as a file", path_.string())};
  if (size > tree_.memory().size()) return Unexpected{incomplete};
  const auto identity = bring_to_disk();
  if (!identity) return Unexpected{identity.error()};
  auto tree_file = tree_.share(static_cast<std::size_t>(size));
  if (!tree_file) return Unexpected{tree_file.error()};
  const MerkleTree tree(chunk_count, hash, tree_file->memory());
  const auto root = tree.root();
  if (!root || !is_complete(tree)) return Unexpected{incomplete};
  FileHandle file(fcntl(file_.fd(), F_DUPFD_CLOEXEC, 0));
  if (!file.is_open()) return Unexpected{system_error(errno, "cannot open", path_)};
  tree_file->release_pages();
  return HashedFile{path_, std::move(file), *identity, length, std::move(*tree_file), *root};
}

void RecordingStore::note_written(std::uint64_t offset, std::uint64_t size) {
  if (size == 0) return;
  std::uint64_t end = offset + size;
  auto run = written_.upper_bound(offset);
  if (run != written_.begin() && std::prev(run)->second >= offset) offset = (--run)->first;
  while (run != written_.end() && run->first <= end) {
    end = std::max(end, run->second);
    run = written_.erase(run);
  }
  written_.emplace(offset, end);
}

StoreStatus RecordingStore::fail_write(int error_number, std::uint64_t offset) {
  Error error = system_error(error_number, "cannot write", path_);
  if (error.code == Errc::no_space) {
    error.context = fmt::format(
        "the disk is full: {} stops after {} MiB; free some space and "
        "record again",
        path_.string(), offset >> 20);
  } else if (error_number == EFBIG) {
    error.context = fmt::format("{} may not grow so large (ulimit -f, or the file system's limit)",
                                path_.string());
  }
  return fail_with(std::move(error));
}

StoreStatus RecordingStore::fail_with(Error error) {
  if (!error_) error_ = std::move(error);
  return StoreStatus::failed;
}

void RecordingStore::look_at_file() {
  struct stat status;
  if (fstat(file_.fd(), &status) == 0 && !is_as_expected(FileIdentity::of(status))) {
    suspect_ = true;
  }
}

// A recording may be given another name or owner; what is in it is as it was.
bool RecordingStore::is_as_expected(FileIdentity now) const {
  now.ctime_ns = expected_.ctime_ns;
  return now == expected_;
}

void RecordingStore::expect_file_as_it_is() {
  struct stat status;
  if (fstat(file_.fd(), &status) == 0) expected_ = FileIdentity::of(status);
}

Result<void> RecordingStore::is_whole(std::uint64_t length) const {
  if (length == 0 || written_.empty()) {
    return fail(
        Errc::invalid_argument,
        fmt::format("nothing was recorded in {}: there is nothing to seed", path_.string()));
  }
  std::uint64_t there = 0;
  for (const auto& [begin, end] : written_) there += end - begin;
  if (there == length && written_.begin()->second == length) return {};
  return fail(Errc::integrity,
              fmt::format("{} has {} of the {} octets of the feed: it is not the whole content",
                          path_.string(), there, length));
}

// What the file is, then; an error if others touched it.
Result<FileIdentity> RecordingStore::bring_to_disk() const {
  if (fsync(file_.fd()) != 0) return Unexpected{system_error(errno, "cannot write", path_)};
  sync_directory_of(path_);
  const auto identity = identify_settled(file_, path_);
  if (!identity) return identity;
  if (suspect_ || !is_as_expected(*identity)) return Unexpected{changed(path_)};
  struct stat status;
  if (fstat(file_.fd(), &status) == 0 && status.st_nlink == 0) {
    return fail(Errc::content_changed,
                fmt::format("{} was removed while it was being recorded", path_.string()));
  }
  return identity;
}

}  // namespace ppspp
