// Where the verified content of one swarm lives, as the core sees it: octets at offsets.
//
// Not thread-safe: the store is called from the thread that drives the Endpoint, and never blocks
// it for long. A failure is the store's to explain to the user (it keeps the Error for the driver);
// the core only needs to know that it cannot have the octets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace ppspp {

enum class StoreStatus {
  done,
  not_yet,  // read: on its way from the disk; write: the queue is full. Try again after an input.
  failed,   // the store is broken (disk full, file gone or changed): the swarm stops using it
};

class ChunkStore {
 public:
  virtual ~ChunkStore() = default;

  // Fills `pieces`, one behind the other, from the octets that begin at `offset`. All or nothing.
  virtual StoreStatus read(std::uint64_t offset, std::span<const std::span<std::byte>> pieces) = 0;

  // Stores `pieces`, one behind the other, from `offset` on. They are verified content. The spans
  // need not outlive the call.
  virtual StoreStatus write(std::uint64_t offset,
                            std::span<const std::span<const std::byte>> pieces) = 0;

  // These octets will be read soon.
  virtual void prefetch(std::uint64_t offset, std::uint64_t size) = 0;

  // Static content: the exact length is known now; called once, before a read beyond the first
  // chunks. The store may allocate.
  virtual StoreStatus set_content_length(std::uint64_t length) = 0;

  // Zero-filled memory for the nodes of the hash tree, which lives as long as the store and is
  // where the store persists it (a mapped file). Called at most once; empty: it cannot be had. A
  // store that resumes returns memory with the hashes that it kept.
  virtual std::span<std::byte> tree_memory(std::size_t size) = 0;
  // Puts `nodes` into that memory, from `offset` on, in a way that is faster than writing to it: a
  // mapped file's pages need not be mapped for it, one after the other. False: the caller writes.
  virtual bool write_tree(std::size_t offset, std::span<const std::byte> nodes) {
    static_cast<void>(offset);
    static_cast<void>(nodes);
    return false;
  }

  // Live content: what lies more than `size` octets before the highest octet written will not be
  // read again, and may be overwritten. Called once, before the first write. A store that keeps
  // everything has nothing to do; one that is not for live content fails.
  virtual StoreStatus set_window(std::uint64_t size) {
    static_cast<void>(size);
    return StoreStatus::failed;
  }
  // Live content that is kept whole: as tree_memory(), but for at least `size` octets, and again
  // whenever more are needed. What was there before is kept, though it may move: what earlier calls
  // gave must not be used any more. Empty: it cannot be had.
  virtual std::span<std::byte> grow_tree_memory(std::size_t size) {
    static_cast<void>(size);
    return {};
  }

  // True when the octets may no longer be what was verified (the file was touched by others since):
  // the core then checks each chunk against its hash before it sends it.
  virtual bool content_suspect() = 0;
};

}  // namespace ppspp
