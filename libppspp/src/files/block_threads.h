// Runs a function over numbered blocks on several threads, while the calling thread reports
// progress.
#pragma once

#include <cstdint>
#include <functional>

#include "files/hash_file.h"
#include "ppspp/result.h"

namespace ppspp {

// Makes what one thread needs for itself (buffers), and returns what handles one block. It is
// called in the thread; an error ends all.
using BlockHandler = std::function<Result<void>(std::uint64_t block)>;
using BlockHandlerFactory = std::function<BlockHandler()>;

struct BlockWork {
  std::uint64_t block_count = 0;
  std::uint64_t block_size = 0;  // octets, for progress
  std::uint64_t total_size = 0;  // octets: the last block may be short
};

// Each block once, in about ascending order. Returns the first error, or Errc::left if cancelled.
Result<void> for_each_block(const BlockWork& work, const HashOptions& options,
                            const BlockHandlerFactory& make_handler);

}  // namespace ppspp
