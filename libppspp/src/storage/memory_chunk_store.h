// ChunkStore in memory: for content that is not kept, simulations and tests.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "ppspp/chunk_store.h"

namespace ppspp {

class MemoryChunkStore final : public ChunkStore {
 public:
  // A length (or tree) beyond what the store may take is refused, so that a peer's claim about the
  // size cannot exhaust the memory. Memory that is never written to costs nothing.
  static constexpr std::uint64_t kDefaultMaxLength = std::uint64_t{1} << 30;

  // Nothing in it: for a download.
  explicit MemoryChunkStore(std::uint64_t max_length = kDefaultMaxLength);
  // A copy of a content that is complete.
  explicit MemoryChunkStore(std::span<const std::byte> content);

  StoreStatus read(std::uint64_t offset, std::span<const std::span<std::byte>> pieces) override;
  StoreStatus write(std::uint64_t offset,
                    std::span<const std::span<const std::byte>> pieces) override;
  void prefetch(std::uint64_t, std::uint64_t) override {}
  StoreStatus set_content_length(std::uint64_t length) override;
  std::span<std::byte> tree_memory(std::size_t size) override;
  bool content_suspect() override { return suspect_; }

  // Zeros where nothing was written. For tests, also to damage it.
  std::span<std::byte> content() { return content_.octets(); }
  std::span<const std::byte> content() const { return content_.octets(); }
  void set_suspect(bool suspect) { suspect_ = suspect; }

 private:
  // Zero-filled, by pages as they are touched; no exception when there is none.
  class Memory {
   public:
    bool allocate(std::uint64_t size);
    std::span<std::byte> octets() const { return {octets_.get(), size_}; }

   private:
    struct Free {
      void operator()(std::byte* octets) const;
    };
    std::unique_ptr<std::byte[], Free> octets_;
    std::size_t size_ = 0;
  };

  std::uint64_t max_length_;
  bool written_ = false;
  bool suspect_ = false;
  Memory content_;
  Memory tree_;
};

}  // namespace ppspp
