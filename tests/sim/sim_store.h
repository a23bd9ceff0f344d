// A store that keeps no content: what is written must be the source's, and is read from there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "ppspp/chunk_range.h"
#include "ppspp/chunk_store.h"
#include "sim/content.h"

namespace ppspp::sim {

// What stores found wrong; shared by all of a world.
struct StoreVerdicts {
  std::uint64_t wrong_writes = 0;     // not the source's octets: they should not have been verified
  std::uint64_t wrong_lengths = 0;    // not the source's length
  std::uint64_t unwritten_reads = 0;  // of what was never written
  bool all_well() const { return wrong_writes + wrong_lengths + unwritten_reads == 0; }
};

// What outlives a crash.
class SimDisk {
 public:
  // Empty, for a download, or with everything. `content` outlives it.
  SimDisk(const Content& content, bool complete);

  const Content& content() const { return content_; }
  bool has(ChunkIndex chunk) const { return chunk < written_.size() && written_[chunk]; }
  bool has_all(ChunkRange chunks) const;
  bool complete() const { return count_ == written_.size(); }
  std::uint64_t chunks() const { return count_; }
  void set(ChunkIndex chunk);
  void lose(ChunkIndex chunk);
  // Whether a download has found out how long the content is.
  bool length_known() const { return length_known_; }
  void set_length_known() { length_known_ = true; }
  // The hash tree; none before it was asked for.
  std::span<std::byte> tree() { return {tree_.get(), tree_size_}; }
  std::span<std::byte> tree_of(std::size_t size);
  // What a download that was interrupted finds out about itself: the chunks that are here and whose
  // hashes hang together. Empty: it begins again.
  std::vector<ChunkRange> check();

 private:
  struct Free {
    void operator()(std::byte* octets) const;
  };

  const Content& content_;
  std::vector<bool> written_;  // by chunk
  std::uint64_t count_ = 0;
  bool length_known_ = false;
  std::unique_ptr<std::byte[], Free> tree_;
  std::size_t tree_size_ = 0;
};

class SimStore final : public ChunkStore {
 public:
  // `verdicts` outlives it.
  SimStore(std::shared_ptr<SimDisk> disk, StoreVerdicts& verdicts)
      : disk_(std::move(disk)), verdicts_(verdicts) {}

  StoreStatus read(std::uint64_t offset, std::span<const std::span<std::byte>> pieces) override;
  StoreStatus write(std::uint64_t offset,
                    std::span<const std::span<const std::byte>> pieces) override;
  void prefetch(std::uint64_t, std::uint64_t) override {}
  StoreStatus set_content_length(std::uint64_t length) override;
  std::span<std::byte> tree_memory(std::size_t size) override { return disk_->tree_of(size); }
  StoreStatus set_window(std::uint64_t) override { return StoreStatus::done; }
  bool content_suspect() override { return false; }

  // Each so many reads one is answered not_yet, and works when it is tried again; 0: none.
  void set_slow(unsigned every) { slow_every_ = every; }
  // Whether a read was put off since the last call.
  bool take_put_off() { return std::exchange(put_off_, false); }

 private:
  std::shared_ptr<SimDisk> disk_;
  StoreVerdicts& verdicts_;
  unsigned slow_every_ = 0;
  unsigned reads_ = 0;
  std::set<std::uint64_t> loaded_;  // offsets of reads that were put off
  bool put_off_ = false;
};

}  // namespace ppspp::sim
