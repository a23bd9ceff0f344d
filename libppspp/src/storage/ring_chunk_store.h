// ChunkStore in memory for live content: a ring that holds the window, however long the feed runs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "ppspp/chunk_store.h"

namespace ppspp {

class RingChunkStore final : public ChunkStore {
 public:
  // A window beyond this is refused.
  static constexpr std::uint64_t kDefaultMaxWindow = std::uint64_t{1} << 30;

  explicit RingChunkStore(std::uint64_t max_window = kDefaultMaxWindow);

  // A read outside of [highest octet written - window, highest octet written) fails, and so does a
  // write before it. Octets within it that were never written read as whatever is there.
  StoreStatus read(std::uint64_t offset, std::span<const std::span<std::byte>> pieces) override;
  StoreStatus write(std::uint64_t offset,
                    std::span<const std::span<const std::byte>> pieces) override;
  void prefetch(std::uint64_t, std::uint64_t) override {}
  StoreStatus set_content_length(std::uint64_t) override { return StoreStatus::done; }
  std::span<std::byte> tree_memory(std::size_t) override { return {}; }
  // Takes no memory until it is written to. Fails if the size is 0, more than the store may take,
  // or another than that of a ring which was written to.
  StoreStatus set_window(std::uint64_t size) override;
  bool content_suspect() override { return false; }

 private:
  struct Free {
    void operator()(std::byte* octets) const;
  };

  std::uint64_t begin() const;  // the first octet that may be read
  std::span<std::byte> run(std::uint64_t offset, std::uint64_t size) const;

  std::uint64_t max_window_;
  std::uint64_t size_ = 0;                     // of the window; 0: it is not set
  std::uint64_t end_ = 0;                      // one past the highest octet written
  std::unique_ptr<std::byte[], Free> octets_;  // octet o of the feed is at o % size_
};

}  // namespace ppspp
