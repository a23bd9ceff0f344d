// A picture of what is here of a content.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "swarm/swarm.h"

namespace ppspp {

// Of so many equal parts, how much of each is here: from 0, nothing, to 255, all. A part of less
// than a chunk is that of the chunk in which it begins.
inline std::vector<std::uint8_t> availability_of(const Swarm& swarm, std::size_t buckets) {
  constexpr std::size_t kMostBuckets = 1 << 16;
  const ChunkRange all = swarm.pictured();
  if (all.empty() || buckets == 0) return {};
  buckets = std::min(buckets, kMostBuckets);
  const std::uint64_t whole = all.size() / buckets;
  const std::uint64_t rest = all.size() % buckets;
  const auto begin_of = [&](std::uint64_t bucket) {
    return all.begin + bucket * whole + bucket * rest / buckets;
  };
  std::vector<std::uint8_t> picture;
  picture.reserve(buckets);
  for (std::uint64_t bucket = 0; bucket < buckets; ++bucket) {
    const ChunkIndex begin = begin_of(bucket);
    const ChunkIndex end = std::max(begin + 1, begin_of(bucket + 1));
    std::uint64_t here = 0;
    for (ChunkRange run = swarm.verified().next_run(begin); !run.empty() && run.begin < end;
         run = swarm.verified().next_run(run.end)) {
      here += std::min(run.end, end) - run.begin;
    }
    // What is not all is below 255, and what is not nothing above 0.
    const std::uint64_t size = end - begin;
    const auto share =
        static_cast<std::uint64_t>(static_cast<double>(here) * 255 / static_cast<double>(size));
    const std::uint64_t level = here == 0      ? 0
                                : here == size ? 255
                                               : std::clamp<std::uint64_t>(share, 1, 254);
    picture.push_back(static_cast<std::uint8_t>(level));
  }
  return picture;
}

}  // namespace ppspp
