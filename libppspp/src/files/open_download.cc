// FileChunkStore::open_download: whose files are these, and what of the content is in them.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "files/check_download.h"
#include "files/file_chunk_store.h"
#include "integrity/merkle_tree.h"

namespace ppspp {
namespace {

bool is_of(const ResumeRecord& record, const SwarmMetadata& metadata) {
  return std::ranges::equal(record.swarm_id, metadata.id.octets()) &&
         record.chunk_size == metadata.chunk_size && record.hash == metadata.hash &&
         record.integrity == static_cast<std::uint8_t>(metadata.integrity);
}

bool contradicts_length(const ResumeRecord& record, const SwarmMetadata& metadata) {
  return record.content_length != 0 && metadata.content_length &&
         record.content_length != *metadata.content_length;
}

}  // namespace

class DownloadOpener {
 public:
  DownloadOpener(const std::filesystem::path& path, const SwarmMetadata& metadata,
                 const DownloadOptions& options)
      : path_(path), metadata_(metadata), options_(options) {}

  Result<OpenedDownload> open() {
    if (metadata_.live) {
      return fail(Errc::not_supported, "a live swarm has no end, and is not kept in a file");
    }
    if (const auto looked = look_at_output(); !looked) return Unexpected{looked.error()};
    auto state = StateFile::open(path_, options_.force);
    if (!state) return Unexpected{state.error()};
    state_ = std::move(*state);
    auto opened = open_files();
    // A refusal leaves nothing behind.
    if (!opened && state_ != nullptr && state_->created()) state_->remove();
    return opened;
  }

 private:
  // Before anything is made beside something that can be no output.
  Result<void> look_at_output() {
    std::error_code error;
    const auto status = std::filesystem::status(path_, error);
    exists_ = std::filesystem::exists(status);
    if (!exists_ || std::filesystem::is_regular_file(status)) return {};
    return fail(Errc::invalid_argument,
                fmt::format("{} is not a regular file: choose another output", path_.string()));
  }

  Result<OpenedDownload> open_files() {
    if (const auto ours = is_ours(); !ours) return Unexpected{ours.error()};
    OpenedDownload opened;
    if (const auto made = make_store(); !made) return Unexpected{made.error()};
    if (resumes_) {
      if (const auto found = find_content(opened); !found) return Unexpected{found.error()};
    }
    store_->expect_file_as_it_is();
    for (const ChunkRange run : opened.verified) store_->have_.insert(run);
    if (!opened.verified.empty()) {
      store_->written_ = true;
      opened.length = store_->length_;
      opened.state = opened.verified.front().size() == state_of_store().chunk_count()
                         ? OpenedDownload::State::complete
                         : OpenedDownload::State::partial;
    }
    opened.store = std::move(store_);
    return opened;
  }

  // Sets resumes_; an error if what is there may not be touched.
  Result<void> is_ours() {
    const auto& record = state_->record();
    resumes_ = record && is_of(*record, metadata_) && !contradicts_length(*record, metadata_);
    if (resumes_ || options_.force) return {};
    if (record && is_of(*record, metadata_)) {
      return fail(
          Errc::exists,
          fmt::format("{} belongs to a download of {} octets, not {}: remove it, or use "
                      "--force, to start again",
                      state_->path().string(), record->content_length, *metadata_.content_length));
    }
    if (record) {
      return fail(Errc::exists, fmt::format("{} belongs to another download: choose another "
                                            "output, or overwrite it with --force",
                                            path_.string()));
    }
    if (!exists_) return {};
    return fail(Errc::exists, fmt::format("{} exists and is not this download's: choose another "
                                          "output, or overwrite it with --force",
                                          path_.string()));
  }

  // The record is on the disk before NAME is, so that NAME is never taken for somebody else's.
  Result<void> make_store() {
    store_.reset(
        new FileChunkStore(FileChunkStore::Mode::downloading, path_, FileHandle(), options_.ready));
    store_->metadata_ = metadata_;
    store_->created_ = !exists_;
    if (!resumes_) {
      if (const auto saved = state_->save(store_->record()); !saved) return saved;
    }
    const bool is_new = !resumes_ && !options_.force;
    auto file = open_regular(path_, O_RDWR | O_CREAT | (is_new ? O_EXCL : 0));
    if (!file) return Unexpected{file.error()};
    if (!resumes_ && ftruncate(file->fd(), 0) != 0) {
      return Unexpected{system_error(errno, "cannot overwrite", path_)};
    }
    store_->file_ = std::move(*file);
    if (!exists_) sync_directory_of(path_);
    store_->state_ = std::move(state_);
    return {};
  }

  const ResumeRecord& state_of_store() const { return *store_->state_->record(); }

  Result<void> find_content(OpenedDownload& opened) {
    const ResumeRecord& record = state_of_store();
    if (record.content_length == 0) return {};
    store_->length_ = record.content_length;
    const auto identity = identify(store_->file_, path_);
    if (!identity) return Unexpected{identity.error()};
    const bool untouched =
        record.clean && record.data_file == FileChunkStore::data_file_of(*identity);
    auto found = metadata_.integrity == IntegrityMethod::none ? believe(record, untouched)
                                                              : check(record, untouched, opened);
    if (!found) return Unexpected{found.error()};
    opened.verified = std::move(*found);
    return restore_length(identity->size);
  }

  // Without hashes, what is not believed cannot be checked, and is fetched again.
  static Result<std::vector<ChunkRange>> believe(const ResumeRecord& record, bool untouched) {
    return untouched ? record.verified : std::vector<ChunkRange>{};
  }

  // The tree is always checked against the root hash, which costs little next to the content.
  Result<std::vector<ChunkRange>> check(const ResumeRecord& record, bool untouched,
                                        OpenedDownload& opened) {
    const std::uint64_t size = MerkleTree::memory_size(record.chunk_count(), metadata_.hash);
    const auto memory = store_->state_->keep_tree(static_cast<std::size_t>(size));
    if (!memory) return Unexpected{memory.error()};
    if (memory->empty()) return std::vector<ChunkRange>{};
    MerkleTree tree(record.chunk_count(), metadata_.hash, *memory);
    if (!tree.check(metadata_.id.octets())) return std::vector<ChunkRange>{};
    if (untouched) return with_known_hash(record.verified, tree);
    opened.checked = true;
    auto found = check_chunks(
        {store_->file_, path_, tree, metadata_.chunk_size, record.content_length}, options_.check);
    store_->state_->release_pages();
    return found;
  }

  Result<void> restore_length(std::uint64_t size) {
    const std::uint64_t length = store_->length_;
    if (size == length || ftruncate(store_->file_.fd(), static_cast<off_t>(length)) == 0) return {};
    return Unexpected{system_error(errno, "cannot restore the length of", path_)};
  }

  const std::filesystem::path& path_;
  const SwarmMetadata& metadata_;
  const DownloadOptions& options_;
  bool exists_ = false;
  bool resumes_ = false;
  std::unique_ptr<StateFile> state_;
  std::unique_ptr<FileChunkStore> store_;
};

Result<OpenedDownload> FileChunkStore::open_download(const std::filesystem::path& path,
                                                     const SwarmMetadata& metadata,
                                                     const DownloadOptions& options) {
  return DownloadOpener(path, metadata, options).open();
}

}  // namespace ppspp
