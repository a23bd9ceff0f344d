// ChunkStore that keeps a live feed whole, in a file that grows, with its hash tree beside it in a
// file without a name. When the feed has ended it is a static content whose hashes are all there
// (RFC 7574, 6.1.2.1, last paragraph).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>

#include "files/file_handle.h"
#include "files/hash_file.h"
#include "files/piece_io.h"
#include "files/tree_file.h"
#include "ppspp/chunk_store.h"
#include "ppspp/hash_function.h"
#include "ppspp/result.h"

namespace ppspp {

class RecordingStore final : public ChunkStore {
 public:
  // An existing file is refused (Errc::exists) unless `force`, which empties it; one that another
  // process records to is refused in any case.
  static Result<std::unique_ptr<RecordingStore>> create(const std::filesystem::path& path,
                                                        bool force);

  StoreStatus read(std::uint64_t offset, std::span<const std::span<std::byte>> pieces) override;
  StoreStatus write(std::uint64_t offset,
                    std::span<const std::span<const std::byte>> pieces) override;
  void prefetch(std::uint64_t offset, std::uint64_t size) override;
  StoreStatus set_content_length(std::uint64_t) override { return StoreStatus::done; }
  std::span<std::byte> tree_memory(std::size_t) override { return {}; }
  StoreStatus set_window(std::uint64_t) override { return StoreStatus::done; }
  // May give more than was asked for; its blocks are on the disk (TreeFile).
  std::span<std::byte> grow_tree_memory(std::size_t size) override;
  bool content_suspect() override { return suspect_; }

  // Why a call answered `failed`: one line for the user.
  const std::optional<Error>& error() const { return error_; }
  const std::filesystem::path& path() const { return path_; }

  // The feed has ended after `length` octets: brings the file to the disk and gives what it takes
  // to seed it (FileChunkStore::seed), without hashing a chunk. The tree's nodes are all there;
  // only the root is computed, of the peaks. The recording can still be read from (by the peers of
  // the live swarm) afterwards. Blocks. Errors: nothing was recorded, the file was changed by
  // others, a part or a node is missing, the disk.
  //
  // May run in another thread while this one reads, but not while it writes or grows the tree.
  Result<HashedFile> finish(std::uint64_t length, std::uint32_t chunk_size,
                            HashFunction hash) const;

 private:
  RecordingStore(std::filesystem::path path, FileHandle file);

  void note_written(std::uint64_t offset, std::uint64_t size);
  StoreStatus fail_write(int error_number, std::uint64_t offset);
  StoreStatus fail_with(Error error);
  void look_at_file();
  bool is_as_expected(FileIdentity now) const;
  void expect_file_as_it_is();
  Result<void> is_whole(std::uint64_t length) const;
  Result<FileIdentity> bring_to_disk() const;

  std::filesystem::path path_;
  FileHandle file_;
  FileIdentity expected_;             // after our own last write
  std::atomic<bool> suspect_{false};  // it was not as expected
  // What was written, as runs of octets that do not touch: usually one, and one more for each gap.
  std::map<std::uint64_t, std::uint64_t> written_;  // ends, by begin
  ReadAhead read_ahead_;
  GrowingTreeFile tree_;
  std::optional<Error> error_;
};

}  // namespace ppspp
