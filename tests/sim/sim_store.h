// A store that keeps no content: what is written must be the source's, and is read from there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
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

class SimStore final : public ChunkStore {
 public:
  // Empty, for a download, or with everything. `content` and `verdicts` outlive it.
  SimStore(const Content& content, StoreVerdicts& verdicts, bool complete);

  StoreStatus read(std::uint64_t offset, std::span<const std::span<std::byte>> pieces) override;
  StoreStatus write(std::uint64_t offset,
                    std::span<const std::span<const std::byte>> pieces) override;
  void prefetch(std::uint64_t, std::uint64_t) override {}
  StoreStatus set_content_length(std::uint64_t length) override;
  std::span<std::byte> tree_memory(std::size_t size) override;
  bool content_suspect() override { return false; }

  bool has(ChunkIndex chunk) const { return written_[chunk]; }

 private:
  struct Free {
    void operator()(std::byte* octets) const;
  };

  const Content& content_;
  StoreVerdicts& verdicts_;
  std::vector<bool> written_;  // by chunk
  std::unique_ptr<std::byte[], Free> tree_;
  std::size_t tree_size_ = 0;
  bool complete_;
};

}  // namespace ppspp::sim
