#include "swarm/read_windows.h"

#include <algorithm>

namespace ppspp {
namespace {

std::vector<ChunkRange> merged(std::span<const ReadWindow> windows) {
  std::vector<ChunkRange> ranges;
  for (const ReadWindow& window : windows) {
    const ChunkRange range{window.begin, std::max(window.urgent_end, window.end)};
    if (!range.empty()) ranges.push_back(range);
  }
  std::ranges::sort(ranges, {}, &ChunkRange::begin);
  std::vector<ChunkRange> all;
  for (const ChunkRange range : ranges) {
    if (!all.empty() && range.begin <= all.back().end) {
      all.back().end = std::max(all.back().end, range.end);
    } else {
      all.push_back(range);
    }
  }
  return all;
}

}  // namespace

bool ReadWindows::set(std::span<const ReadWindow> windows) {
  bool changed = windows.size() < windows_.size();
  for (const ReadWindow& window : windows) changed |= !is_wanted(window.begin);
  windows_.assign(windows.begin(), windows.end());
  wanted_ = merged(windows_);
  if (turn_ >= windows_.size()) turn_ = 0;
  return changed;
}

bool ReadWindows::is_wanted(ChunkIndex chunk) const {
  const auto after = std::ranges::upper_bound(wanted_, chunk, {}, &ChunkRange::begin);
  return after != wanted_.begin() && (after - 1)->end >= chunk;
}

// The first window, from the one whose turn it is, that has something to be asked for.
template <typename Range>
ChunkRange ReadWindows::pick(const PickQuestion& q, const Range& range_of) {
  const std::size_t count = windows_.size();
  const std::uint64_t most = count > 1 ? std::min(q.max_chunks, kTurnChunks) : q.max_chunks;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t place = (turn_ + i) % count;
    const ChunkRange range = intersection(range_of(windows_[place]), {0, q.chunk_count});
    if (range.empty()) continue;
    const ChunkRange run =
        first_run_in_but_not_in(q.from.peer_has(), q.verified, q.requested, range, most);
    if (run.empty()) continue;
    turn_ = (place + 1) % count;
    return run;
  }
  return {};
}

bool ReadWindows::waits(const ReadWindow& window, const BinSet& verified,
                        std::uint64_t chunk_count) const {
  return window.begin < chunk_count && !verified.contains(window.begin);
}

ChunkRange ReadWindows::pick_urgent(const PickQuestion& q) {
  for (const bool waiting : {true, false}) {
    const ChunkRange run = pick(q, [&](const ReadWindow& window) {
      return waits(window, q.verified, q.chunk_count) == waiting
                 ? ChunkRange{window.begin, window.urgent_end}
                 : ChunkRange{};
    });
    if (!run.empty()) return run;
  }
  return {};
}

ChunkRange ReadWindows::pick_ahead(const PickQuestion& q) {
  return pick(q, [](const ReadWindow& window) {
    return ChunkRange{std::max(window.begin, window.urgent_end), window.end};
  });
}

bool ReadWindows::lacks_urgent(const BinSet& verified, const BinSet& requested,
                               std::uint64_t chunk_count) const {
  return std::ranges::any_of(windows_, [&](const ReadWindow& window) {
    const ChunkIndex end = std::min(window.urgent_end, chunk_count);
    ChunkIndex chunk = window.begin;
    while (chunk < end) {
      const ChunkIndex missing = verified.next_out(chunk);
      if (missing >= end) return false;
      chunk = requested.next_out(missing);
      if (chunk == missing) return true;
    }
    return false;
  });
}

std::optional<ChunkRange> ReadWindows::next_late(const BinSet& verified, const BinSet& requested,
                                                 std::uint64_t chunk_count) const {
  for (std::size_t i = 0; i < windows_.size(); ++i) {
    const ReadWindow& window = windows_[(turn_ + i) % windows_.size()];
    const ChunkIndex missing = verified.next_out(window.begin);
    const ChunkIndex end = std::min(window.urgent_end, chunk_count);
    if (missing < end && requested.contains(missing)) return ChunkRange{missing, end};
  }
  return std::nullopt;
}

void ReadWindows::subtract_from(ChunkRange range, std::vector<ChunkRange>& parts) const {
  for (const ChunkRange wanted : wanted_) {
    if (wanted.begin >= range.end) break;
    if (wanted.end <= range.begin) continue;
    if (range.begin < wanted.begin) parts.push_back({range.begin, wanted.begin});
    range.begin = std::min(wanted.end, range.end);
  }
  if (!range.empty()) parts.push_back(range);
}

}  // namespace ppspp
