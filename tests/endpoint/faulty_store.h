// A store in memory that fails when a test says so.
#pragma once

#include <functional>
#include <memory>

#include "storage/memory_chunk_store.h"

namespace ppspp::test {

class FaultyStore final : public ChunkStore {
 public:
  FaultyStore() = default;  // for a download
  explicit FaultyStore(std::span<const std::byte> content) : memory_(content) {}

  // Asked before each operation, with its offset; anything but `done` is what the store answers.
  std::function<StoreStatus(std::uint64_t)> on_read;
  std::function<StoreStatus(std::uint64_t)> on_write;
  std::function<StoreStatus(std::uint64_t)> on_length;

  MemoryChunkStore& memory() { return memory_; }

  StoreStatus read(std::uint64_t offset, std::span<const std::span<std::byte>> pieces) override {
    const StoreStatus status = on_read ? on_read(offset) : StoreStatus::done;
    return status == StoreStatus::done ? memory_.read(offset, pieces) : status;
  }
  StoreStatus write(std::uint64_t offset,
                    std::span<const std::span<const std::byte>> pieces) override {
    const StoreStatus status = on_write ? on_write(offset) : StoreStatus::done;
    return status == StoreStatus::done ? memory_.write(offset, pieces) : status;
  }
  void prefetch(std::uint64_t, std::uint64_t) override {}
  StoreStatus set_content_length(std::uint64_t length) override {
    const StoreStatus status = on_length ? on_length(length) : StoreStatus::done;
    return status == StoreStatus::done ? memory_.set_content_length(length) : status;
  }
  std::span<std::byte> tree_memory(std::size_t size) override { return memory_.tree_memory(size); }
  bool content_suspect() override { return memory_.content_suspect(); }

 private:
  MemoryChunkStore memory_;
};

}  // namespace ppspp::test
