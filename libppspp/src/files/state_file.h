// NAME.ppspp, beside a download that is not complete: two slots for the resume record, written in
// turns so that a torn write leaves the other one, and then the nodes of the hash tree, mapped.
//
//   0        slot 0: ResumeRecord with an even generation
//   64 KiB   slot 1: with an odd one
//   128 KiB  the tree, in the machine's own order of nodes (MerkleTree)
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>

#include "files/file_handle.h"
#include "files/tree_file.h"
#include "ppspp/result.h"
#include "storage/resume_record.h"

namespace ppspp {

class StateFile {
 public:
  static constexpr std::uint64_t kSlotSize = 64 * 1024;
  static constexpr std::uint64_t kTreeOffset = 2 * kSlotSize;

  static std::filesystem::path path_for(const std::filesystem::path& output);

  // Opens or creates the file and locks it against others; waits a little for one that is about to
  // go. Errc::exists: another process holds it, or it is something else than a state file and
  // `force` is not given.
  static Result<std::unique_ptr<StateFile>> open(const std::filesystem::path& output, bool force);

  const std::filesystem::path& path() const { return path_; }
  bool created() const { return created_; }
  // The newest record that is whole; nothing in a new file.
  const std::optional<ResumeRecord>& record() const { return record_; }

  // Writes the record, under the next generation, to the disk. Its runs are left out, and it is not
  // clean, if they do not fit a slot: what is there is then checked by the next run.
  Result<void> save(ResumeRecord record);

  // The tree that an earlier run left; empty if it was not of this size.
  Result<std::span<std::byte>> keep_tree(std::size_t size);
  // Zeros.
  Result<std::span<std::byte>> new_tree(std::size_t size);
  std::span<std::byte> tree() const { return tree_.memory(); }
  // Writes a part of the tree to the file, if that is cheaper than writing to the memory, which shows
  // it as well. False: to be written to the memory.
  bool write_tree(std::size_t offset, std::span<const std::byte> nodes);
  Result<void> sync_tree() const;
  void release_pages() const { tree_.release_pages(); }

  // Takes the file's name away; the tree can be used as long as this object lives.
  Result<void> remove();

 private:
  StateFile() = default;
  bool read_records();
  Result<std::span<std::byte>> map_tree(std::size_t size);

  std::filesystem::path path_;
  FileHandle file_;
  bool created_ = false;
  std::optional<ResumeRecord> record_;
  MappedRegion tree_;
  std::optional<bool> memory_shows_writes_;  // not known yet
};

}  // namespace ppspp
