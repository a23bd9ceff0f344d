// ChunkStore on a file: an existing one that is seeded, or one that is being downloaded.
//
// A download writes NAME in place, as a sparse file, so that a player can open it, and keeps
// NAME.ppspp beside it: what was verified, and the hashes. NAME.ppspp exists as long as NAME is not
// complete. A process killed at any moment loses nothing that was verified and leaves nothing that
// would be believed without being verified again.
//
// Used from one thread, the one that drives the Endpoint, but for what says otherwise.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "bins/bin_set.h"
#include "files/file_handle.h"
#include "files/hash_file.h"
#include "files/page_loader.h"
#include "files/piece_io.h"
#include "files/state_file.h"
#include "files/store_latency.h"
#include "files/tree_file.h"
#include "ppspp/chunk_range.h"
#include "ppspp/chunk_store.h"
#include "ppspp/result.h"
#include "ppspp/swarm_metadata.h"

namespace ppspp {

// Called from a thread of the store's when something that read() answered not_yet to may be there:
// post Endpoint::store_ready into the event loop. Never called after the store is gone.
using StoreReady = std::function<void()>;

struct DownloadOptions {
  bool force = false;  // an output file that is not this download's may be overwritten
  StoreReady ready = {};
  HashOptions check = {};  // threads, progress and cancel of the check of an interrupted download
};

struct OpenedDownload;

class FileChunkStore final : public ChunkStore {
 public:
  // Seeds what was hashed, read-only. The tree memory holds the whole tree.
  static std::unique_ptr<FileChunkStore> seed(HashedFile&& hashed, StoreReady ready);

  // Opens or creates NAME and NAME.ppspp, and finds out what is there already. Blocks while an
  // interrupted download is checked (options.check.progress). Errors: Errc::exists (the file is not
  // this download's, or another process is at it), content that contradicts the metadata, the
  // system.
  static Result<OpenedDownload> open_download(const std::filesystem::path& path,
                                              const SwarmMetadata& metadata,
                                              const DownloadOptions& options);

  // Seeds a file with the tree that was kept when it was hashed (kept_tree.h). Hashes nothing: the
  // content is suspect unless the file's stamp is the given one. Errors: the file or the tree
  // cannot be opened, the file has another length (Errc::content_changed), the tree is not that of
  // the swarm (Errc::integrity).
  static Result<std::unique_ptr<FileChunkStore>> host(const std::filesystem::path& path,
                                                      const std::filesystem::path& tree,
                                                      const SwarmMetadata& metadata,
                                                      const std::optional<FileStamp>& stamp,
                                                      StoreReady ready);

  // Keeps a download in files without a name in `directory`, for output that is a pipe: nothing is
  // left when the process ends.
  static Result<std::unique_ptr<FileChunkStore>> temporary(const std::filesystem::path& directory,
                                                           StoreReady ready);

  ~FileChunkStore() override;  // leaves a download resumable, though it will be checked again

  StoreStatus read(std::uint64_t offset, std::span<const std::span<std::byte>> pieces) override;
  StoreStatus write(std::uint64_t offset,
                    std::span<const std::span<const std::byte>> pieces) override;
  void prefetch(std::uint64_t offset, std::uint64_t size) override;
  // May be called again with another length as long as nothing was written: all begins anew.
  StoreStatus set_content_length(std::uint64_t length) override;
  // As for the length: a second call gives new memory, and what the first gave is gone.
  std::span<std::byte> tree_memory(std::size_t size) override;
  bool write_tree(std::size_t offset, std::span<const std::byte> nodes) override;
  // As of the last read or write: each looks at the file's timestamps when it is done, so that a
  // foreign write which began before it is noticed.
  bool content_suspect() override { return suspect_; }

  // Why a call answered `failed` (or tree_memory nothing): one line for the user.
  const std::optional<Error>& error() const { return error_; }
  const std::filesystem::path& path() const { return path_; }
  std::uint64_t length() const { return length_; }  // 0: not known

  // Brings what was written to the disk, so that complete() or close_clean() need not wait long.
  // May be called from another thread while the store is in use.
  Result<void> sync() const;

  // Every chunk is there and verified: brings it to the disk and removes NAME.ppspp; the store goes
  // on as one that seeds. If NAME was touched by others meanwhile, everything is hashed once more
  // first, and what is wrong is Errc::content_changed: the same download then repairs it. Blocks.
  // Nothing to do for seeding and temporary stores.
  Result<void> complete(const HashOptions& check = {});

  // The end of a run that is not complete. What was written (and it is verified when it is) will be
  // believed by the next run without hashing it again, if the file is left alone. Where nothing was
  // written and NAME is new, both files are removed again. The store must not be used any more.
  // Blocks. Nothing to do for seeding and temporary stores, and after complete().
  Result<void> close_clean();

  // Of content that is complete: what tells whether it is still the file that was hashed. Nothing
  // where that is in doubt.
  std::optional<FileStamp> stamp() const;
  // All nodes of the hash tree, once the content is complete: for keep_tree().
  std::span<std::byte> tree_nodes() const {
    return state_ != nullptr ? state_->tree() : tree_.memory();
  }
  // The file once enough time has passed since the last write for the next to be seen in its stamp
  // (20 ms). From any thread.
  Result<FileStamp> settled_stamp() const;

  // How long reads and writes take is counted there from now on.
  void count_in(std::shared_ptr<StoreCounters> counters) { counters_ = std::move(counters); }

  // The chunks that were written, in this run and before.
  const BinSet& have() const { return have_; }

 private:
  friend class DownloadOpener;  // open_download.cc

  enum class Mode {
    seeding,      // nobody may touch the file: any change of its identity makes it suspect
    downloading,  // only we may write to it
    temporary,
  };

  FileChunkStore(Mode mode, std::filesystem::path path, FileHandle file, StoreReady ready);

  bool wait_for_pages(std::uint64_t offset, std::uint64_t size);
  StoreStatus fail_read(PieceRead outcome);
  StoreStatus fail_write(int error_number);
  StoreStatus fail_with(Error error);
  bool begin_changing();
  void note_written(std::uint64_t offset, std::uint64_t size);
  void look_at_file();
  void expect_file_as_it_is();
  Result<std::span<std::byte>> make_tree_memory(std::size_t size);
  ResumeRecord record() const;
  static ResumeRecord::DataFile data_file_of(const FileIdentity& identity);
  Result<void> verify_everything(const HashOptions& check) const;
  Result<void> remove_files();

  Mode mode_;
  std::filesystem::path path_;
  FileHandle file_;
  StoreReady ready_;
  FileIdentity expected_;      // after our own last access
  bool suspect_ = false;       // it was not as expected
  bool created_ = false;       // NAME is new
  bool written_ = false;       // something is verified: length and tree are settled
  bool no_wait_works_ = true;  // RWF_NOWAIT
  std::uint64_t length_ = 0;
  ReadAhead read_ahead_;
  std::optional<Error> error_;
  SwarmMetadata metadata_;            // of a download
  BinSet have_;                       // of a download
  TreeFile tree_;                     // unless it is in the state file
  std::unique_ptr<StateFile> state_;  // of a download, also when it is complete
  std::shared_ptr<StoreCounters> counters_;
  std::unique_ptr<PageLoader> loader_;  // last: its thread reads file_ and calls ready_
};

// What the driver tells the Endpoint (SwarmContent) when it joins.
struct OpenedDownload {
  enum class State {
    unknown,   // from the start
    partial,   // `verified` is there; the tree memory holds the hashes, checked against the root
    complete,  // everything is there: call complete() on the store
  };
  std::unique_ptr<FileChunkStore> store;
  State state = State::unknown;
  std::uint64_t length = 0;          // octets; 0 for unknown
  std::vector<ChunkRange> verified;  // ascending; for partial and complete
  bool checked = false;              // it was hashed again, since it had been interrupted
};

}  // namespace ppspp
