// What the readers of a static content are about to need, and in which order that is asked for:
// what readers wait for, in turns; then the rest of what is urgent to them, in turns; then what
// lies further ahead of them, in turns.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "bins/bin_set.h"
#include "ppspp/chunk_range.h"
#include "ppspp/swarm_types.h"
#include "swarm/chunk_picker.h"

namespace ppspp {

class ReadWindows {
 public:
  // Of several readers each gets so many chunks in its turn.
  static constexpr std::uint64_t kTurnChunks = 64;

  // Replaces the windows. True: something is wanted no more that was, or a window begins where
  // none was before.
  bool set(std::span<const ReadWindow> windows);
  bool empty() const { return windows_.empty(); }

  ChunkRange pick_urgent(const PickQuestion& question);
  ChunkRange pick_ahead(const PickQuestion& question);

  // Something urgent is neither here nor asked for.
  bool lacks_urgent(const BinSet& verified, const BinSet& requested,
                    std::uint64_t chunk_count) const;
  // The urgent chunks of the next reader that waits for what was asked for already.
  std::optional<ChunkRange> next_late(const BinSet& verified, const BinSet& requested,
                                      std::uint64_t chunk_count) const;
  // Appends the parts of `range` that no window wants.
  void subtract_from(ChunkRange range, std::vector<ChunkRange>& parts) const;

 private:
  bool waits(const ReadWindow& window, const BinSet& verified, std::uint64_t chunk_count) const;
  template <typename Range>
  ChunkRange pick(const PickQuestion& question, const Range& range_of);
  bool is_wanted(ChunkIndex chunk) const;

  std::vector<ReadWindow> windows_;
  std::vector<ChunkRange> wanted_;  // all windows: ascending, not touching
  std::size_t turn_ = 0;            // the window that is asked first
};

}  // namespace ppspp
