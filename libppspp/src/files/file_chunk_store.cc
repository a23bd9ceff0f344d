#include "files/file_chunk_store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "base/assert.h"
#include "files/check_download.h"
#include "files/kept_tree.h"
#include "integrity/merkle_tree.h"

namespace ppspp {

FileChunkStore::FileChunkStore(Mode mode, std::filesystem::path path, FileHandle file,
                               StoreReady ready)
    : mode_(mode), path_(std::move(path)), file_(std::move(file)), ready_(std::move(ready)) {}

FileChunkStore::~FileChunkStore() = default;

std::unique_ptr<FileChunkStore> FileChunkStore::seed(HashedFile&& hashed, StoreReady ready) {
  std::unique_ptr<FileChunkStore> store(new FileChunkStore(
      Mode::seeding, std::move(hashed.path), std::move(hashed.file), std::move(ready)));
  store->expected_ = hashed.identity;
  store->length_ = hashed.length;
  store->tree_ = std::move(hashed.tree);
  return store;
}

Result<std::unique_ptr<FileChunkStore>> FileChunkStore::host(const std::filesystem::path& path,
                                                             const std::filesystem::path& tree,
                                                             const SwarmMetadata& metadata,
                                                             const std::optional<FileStamp>& stamp,
                                                             StoreReady ready) {
  HashedFile hashed;
  auto file = open_regular(path, O_RDONLY);
  if (!file) return Unexpected{file.error()};
  const auto identity = identify(*file, path);
  if (!identity) return Unexpected{identity.error()};
  hashed.length = metadata.content_length.value_or(0);
  if (identity->size != hashed.length || hashed.length == 0) {
    return fail(Errc::content_changed,
                fmt::format("{} was changed since it was hashed: it has {} octets and not {}; seed "
                            "it again",
                            path.string(), identity->size, hashed.length));
  }
  auto nodes = open_kept_tree(tree, metadata, hashed.length);
  if (!nodes) return Unexpected{nodes.error()};
  hashed.path = path;
  hashed.file = std::move(*file);
  hashed.identity = FileIdentity::of(stamp.value_or(FileStamp{}));
  hashed.tree = std::move(*nodes);
  auto store = seed(std::move(hashed), std::move(ready));
  store->look_at_file();
  return store;
}

Result<std::unique_ptr<FileChunkStore>> FileChunkStore::temporary(
    const std::filesystem::path& directory, StoreReady ready) {
  auto file = open_unnamed(directory);
  if (!file) return Unexpected{file.error()};
  return std::unique_ptr<FileChunkStore>(
      new FileChunkStore(Mode::temporary, directory, std::move(*file), std::move(ready)));
}

StoreStatus FileChunkStore::read(std::uint64_t offset,
                                 std::span<const std::span<std::byte>> pieces) {
  const LatencyScope latency(counters_ ? &counters_->reads : nullptr);
  const std::uint64_t size = total_size(pieces);
  if (!fits(offset, size, length_)) {
    return fail_with({Errc::invalid_argument, "read beyond the end of " + path_.string()});
  }
  const bool no_wait = no_wait_works_ && ready_ != nullptr;
  PieceRead outcome = read_pieces(file_.fd(), offset, pieces, no_wait ? RWF_NOWAIT : 0);
  if (outcome == PieceRead::unsupported && no_wait) {
    no_wait_works_ = false;
    outcome = read_pieces(file_.fd(), offset, pieces, 0);
  } else if (no_wait && (outcome == PieceRead::would_block || outcome == PieceRead::short_read)) {
    // Without waiting, a short read may just as well mean that only its front is in the cache.
    if (wait_for_pages(offset, size)) return StoreStatus::not_yet;
    outcome = read_pieces(file_.fd(), offset, pieces, 0);
  }
  if (outcome != PieceRead::done) return fail_read(outcome);
  look_at_file();
  return StoreStatus::done;
}

// False if there is no point in waiting: read it, even if that blocks.
bool FileChunkStore::wait_for_pages(std::uint64_t offset, std::uint64_t size) {
  if (loader_ == nullptr) {
    try {
      loader_ =
          std::make_unique<PageLoader>(file_.fd(), ready_, counters_ ? &counters_->reads : nullptr);
    } catch (const std::system_error&) {  // the system has no thread for us
      no_wait_works_ = false;
      return false;
    }
  }
  if (loader_->take_loaded(offset)) return false;
  loader_->load(offset, size);
  return true;
}

StoreStatus FileChunkStore::fail_read(PieceRead outcome) {
  if (outcome != PieceRead::short_read) {
    return fail_with(system_error(errno, "cannot read", path_));
  }
  const std::string_view what =
      mode_ == Mode::seeding
          ? "was shortened while it was being seeded: seed it again"
          : "was shortened by another program: run the same command again to repair it";
  return fail_with({Errc::content_changed, fmt::format("{} {}", path_.string(), what)});
}

StoreStatus FileChunkStore::write(std::uint64_t offset,
                                  std::span<const std::span<const std::byte>> pieces) {
  const LatencyScope latency(counters_ ? &counters_->writes : nullptr);
  const std::uint64_t size = total_size(pieces);
  if (mode_ == Mode::seeding || !fits(offset, size, length_)) {
    return fail_with({Errc::invalid_argument, "write beyond the end of " + path_.string()});
  }
  if (!begin_changing()) return StoreStatus::failed;
  look_at_file();
  if (!write_pieces(file_.fd(), offset, pieces)) return fail_write(errno);
  expect_file_as_it_is();
  note_written(offset, size);
  return StoreStatus::done;
}

StoreStatus FileChunkStore::fail_write(int error_number) {
  struct stat status = {};
  fstat(file_.fd(), &status);
  const std::uint64_t on_disk = static_cast<std::uint64_t>(status.st_blocks) * 512;
  const std::uint64_t missing = length_ > on_disk ? length_ - on_disk : 0;
  Error error = system_error(error_number, "cannot write", path_);
  if (error.code == Errc::no_space) {
    error.context =
        fmt::format("the disk is full: free {} MiB for {}", (missing >> 20) + 1, path_.string());
  } else if (error_number == EFBIG) {
    error.context = fmt::format("{} may not grow so large (ulimit -f, or the file system's limit)",
                                path_.string());
  }
  if (mode_ == Mode::downloading) error.context += " and run the same command again: it resumes";
  return fail_with(std::move(error));
}

StoreStatus FileChunkStore::fail_with(Error error) {
  if (!error_) error_ = std::move(error);
  return StoreStatus::failed;
}

// From now on the record on the disk promises nothing, whatever happens to this process.
bool FileChunkStore::begin_changing() {
  if (mode_ != Mode::downloading || !state_->record()->clean) return true;
  ResumeRecord changing = record();
  if (const auto saved = state_->save(std::move(changing)); !saved) {
    fail_with(saved.error());
    return false;
  }
  return true;
}

// Only whole chunks count.
void FileChunkStore::note_written(std::uint64_t offset, std::uint64_t size) {
  written_ = true;
  if (mode_ != Mode::downloading || size == 0) return;
  const std::uint64_t chunk_size = metadata_.chunk_size;
  const std::uint64_t end = offset + size;
  const ChunkRange chunks{(offset + chunk_size - 1) / chunk_size,
                          end == length_ ? (end - 1) / chunk_size + 1 : end / chunk_size};
  if (!chunks.empty()) have_.insert(chunks);
}

void FileChunkStore::look_at_file() {
  struct stat status;
  if (suspect_ || fstat(file_.fd(), &status) != 0) return;
  FileIdentity now = FileIdentity::of(status);
  // A download may be given another name or owner; what is in it is as it was.
  if (mode_ != Mode::seeding) now.ctime_ns = expected_.ctime_ns;
  suspect_ = now != expected_;
}

void FileChunkStore::expect_file_as_it_is() {
  struct stat status;
  if (fstat(file_.fd(), &status) == 0) expected_ = FileIdentity::of(status);
}

void FileChunkStore::prefetch(std::uint64_t offset, std::uint64_t size) {
  read_ahead_.ask(file_.fd(), offset, size, length_);
}

StoreStatus FileChunkStore::set_content_length(std::uint64_t length) {
  if (length == length_ && length != 0) return StoreStatus::done;
  if (mode_ == Mode::seeding || written_ || length == 0) {
    return fail_with({Errc::integrity,
                      fmt::format("{} has {} octets, not {}", path_.string(), length_, length)});
  }
  // To nothing first: what was there belongs to another length.
  if (ftruncate(file_.fd(), 0) != 0 ||
      ftruncate(file_.fd(), static_cast<off_t>(std::min(length, kMaxChunks - 1))) != 0) {
    return fail_with(
        system_error(errno, fmt::format("cannot make room for {} octets in", length), path_));
  }
  length_ = length;
  error_.reset();
  expect_file_as_it_is();
  if (mode_ == Mode::temporary) return StoreStatus::done;
  const auto saved = state_->save(record());
  return saved ? StoreStatus::done : fail_with(saved.error());
}

std::span<std::byte> FileChunkStore::tree_memory(std::size_t size) {
  const auto memory = make_tree_memory(size);
  if (memory) return *memory;
  fail_with(memory.error());
  return {};
}

bool FileChunkStore::write_tree(std::size_t offset, std::span<const std::byte> nodes) {
  return mode_ == Mode::downloading && state_->write_tree(offset, nodes);
}

Result<std::span<std::byte>> FileChunkStore::make_tree_memory(std::size_t size) {
  if (mode_ == Mode::downloading) {
    if (!begin_changing()) return Unexpected{*error_};
    if (written_ && state_->tree().size() == size) return state_->tree();
    return state_->new_tree(size);
  }
  if (mode_ == Mode::temporary) {
    auto tree = TreeFile::create(size, path_);
    if (!tree) return Unexpected{tree.error()};
    tree_ = std::move(*tree);
    return tree_.memory();
  }
  const auto memory = tree_nodes();
  if (memory.size() == size) return memory;
  return fail(Errc::integrity, fmt::format("the hash tree of {} has {} octets, not {}",
                                           path_.string(), memory.size(), size));
}

// As it is while the download goes on: not clean.
ResumeRecord FileChunkStore::record() const {
  ResumeRecord record;
  const auto id = metadata_.id.octets();
  record.swarm_id.assign(id.begin(), id.end());
  record.chunk_size = metadata_.chunk_size;
  record.hash = metadata_.hash;
  record.integrity = static_cast<std::uint8_t>(metadata_.integrity);
  record.content_length = length_;
  return record;
}

Result<void> FileChunkStore::sync() const {
  if (fdatasync(file_.fd()) == 0) return {};
  return Unexpected{system_error(errno, "cannot bring to the disk", path_)};
}

Result<FileStamp> FileChunkStore::settled_stamp() const {
  const auto identity = identify_settled(file_, path_);
  if (!identity) return Unexpected{identity.error()};
  return identity->stamp();
}

std::optional<FileStamp> FileChunkStore::stamp() const {
  if (mode_ != Mode::seeding || suspect_) return std::nullopt;
  return expected_.stamp();
}

Result<void> FileChunkStore::complete(const HashOptions& check) {
  if (mode_ != Mode::downloading) return {};
  struct stat status;
  if (fstat(file_.fd(), &status) == 0 && status.st_nlink == 0) {
    return fail(Errc::content_changed,
                fmt::format("{} was removed while it was being downloaded", path_.string()));
  }
  look_at_file();
  if (suspect_) {
    if (const auto verified = verify_everything(check); !verified) return verified;
  }
  if (const auto synced = sync(); !synced) return synced;
  if (const auto removed = state_->remove(); !removed) return removed;
  mode_ = Mode::seeding;
  suspect_ = false;
  expect_file_as_it_is();
  return {};
}

Result<void> FileChunkStore::verify_everything(const HashOptions& check) const {
  const std::uint64_t chunk_count = (length_ - 1) / metadata_.chunk_size + 1;
  const Error changed{Errc::content_changed,
                      fmt::format("{} was changed by another program while it was being "
                                  "downloaded: run the same command again to repair it",
                                  path_.string())};
  if (state_->tree().empty()) return Unexpected{changed};  // nothing to verify with
  const MerkleTree tree(chunk_count, metadata_.hash, state_->tree());
  const auto before = identify(file_, path_);
  const auto runs = check_chunks({file_, path_, tree, metadata_.chunk_size, length_}, check);
  if (!runs) return Unexpected{runs.error()};
  const auto after = identify(file_, path_);
  const bool whole = runs->size() == 1 && runs->front() == ChunkRange{0, chunk_count};
  if (!whole || !before || !after || *before != *after || after->size != length_) {
    return Unexpected{changed};
  }
  return {};
}

Result<void> FileChunkStore::close_clean() {
  if (mode_ != Mode::downloading) return {};
  if (created_ && !written_) return remove_files();
  look_at_file();
  if (const auto synced = sync(); !synced) return synced;
  if (const auto synced = state_->sync_tree(); !synced) return synced;
  const auto identity = identify_settled(file_, path_);
  if (!identity) return Unexpected{identity.error()};
  look_at_file();
  ResumeRecord last = record();
  last.clean = !suspect_;
  if (last.clean) {
    last.data_file = data_file_of(*identity);
    for (ChunkRange run = have_.next_run(0); !run.empty(); run = have_.next_run(run.end)) {
      last.verified.push_back(run);
    }
  }
  return state_->save(std::move(last));
}

Result<void> FileChunkStore::remove_files() {
  unlink(path_.c_str());
  return state_->remove();
}

ResumeRecord::DataFile FileChunkStore::data_file_of(const FileIdentity& identity) {
  return {identity.inode, identity.size, identity.mtime_ns, identity.ctime_ns};
}

}  // namespace ppspp
