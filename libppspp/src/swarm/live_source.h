// The source's side of a live feed (RFC 7574, 6.1): cuts what comes in into chunks, measures its
// rate to choose how many of them are signed at once, and signs. It holds no chunk that is full:
// those are handed to the store as they come.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "ppspp/chunk_range.h"
#include "ppspp/signing_key.h"
#include "ppspp/swarm_metadata.h"
#include "ppspp/swarm_types.h"
#include "ppspp/time.h"
#include "wire/message.h"

namespace ppspp {

class LiveSource {
 public:
  LiveSource(const SwarmMetadata& metadata, const LiveSourceSettings& settings,
             std::unique_ptr<Signer> signer);

  // --- The rate of the input. Content is kept until enough of it has come to tell.
  bool measuring() const { return measuring_; }
  // True: it is measured, and width() and window() are chosen; take_kept() is the content so far.
  bool measure(std::span<const std::byte> content, Now now);
  TimePoint measured_at() const;  // at the latest; kNever: nothing has come yet
  void end_measuring(Now now);    // with what has come
  std::vector<std::byte> take_kept() { return std::move(kept_); }
  std::uint64_t width() const { return width_; }    // chunks per signature
  std::uint64_t window() const { return window_; }  // chunks

  // --- Cutting
  ChunkIndex next_chunk() const { return next_chunk_; }
  // Takes whole chunks off the front of `content`, at most to the end of the group that is being
  // filled, and returns them; their first is next_chunk() before the call. What is left of less
  // than a chunk is kept for the next call. Empty: all of `content` was taken. The views are into
  // `content` or into the source, until the next call.
  std::span<const std::byte> cut(std::span<const std::byte>& content);
  std::span<const std::byte> partial_chunk() const { return partial_; }  // less than a chunk
  void count_partial_chunk() { ++next_chunk_, partial_.clear(); }

  // The signature over what stands on the wire: chunk specification, time and `content`, which is a
  // munro's hash or a chunk. Empty: the library failed. A view, until the next call.
  std::span<const std::byte> sign(ChunkRange chunks, std::uint64_t ntp,
                                  std::span<const std::byte> content, const WireFormat& format);

 private:
  void choose(std::uint64_t rate);

  SwarmMetadata metadata_;
  LiveSourceSettings settings_;
  std::unique_ptr<Signer> signer_;

  bool measuring_ = true;
  std::optional<TimePoint> first_at_;
  std::vector<std::byte> kept_;
  std::uint64_t width_ = 0;
  std::uint64_t window_ = 0;

  ChunkIndex next_chunk_ = 0;
  std::vector<std::byte> partial_;
  std::vector<std::byte> plaintext_;
  std::vector<std::byte> signature_;
};

}  // namespace ppspp
