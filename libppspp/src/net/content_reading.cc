#include "net/content_reading.h"

#include <algorithm>
#include <boost/asio/error.hpp>
#include <boost/system/errc.hpp>
#include <cstring>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "base/assert.h"

namespace ppspp {
namespace {

// How far ahead of the reader the store is asked to bring content into memory.
constexpr std::uint64_t kReadAhead = std::uint64_t{1} << 20;

}  // namespace

void ContentReading::begin(boost::asio::mutable_buffer buffer, Done done) {
  PPSPP_ASSERT(!done_);
  buffer_ = buffer;
  done_ = std::move(done);
  if (buffer.size() == 0) finish({}, 0);
}

void ContentReading::abort(const boost::system::error_code& error) {
  if (done_) finish(error, 0);
}

void ContentReading::proceed(const Source& source) {
  if (!done_) return;
  if (source.live) step_over_gap(source);
  if (source.length && position_ >= *source.length) return finish(boost::asio::error::eof, 0);
  const std::size_t size = available(source);
  if (size > 0) return read(source, size);
  if (source.complete && !source.live) fail();  // it was here, and is no longer what was verified
}

// Of a live feed, chunks that were given up will not come.
void ContentReading::step_over_gap(const Source& source) {
  const ChunkIndex chunk = position_ / source.chunk_size;
  const ChunkIndex next = source.endpoint.next_readable(source.handle, chunk);
  if (next != chunk) position_ = next * source.chunk_size;
}

// Verified octets from the position on, as many as the buffer takes.
std::size_t ContentReading::available(const Source& source) const {
  const ChunkRange run = source.endpoint.verified_run(source.handle, position_ / source.chunk_size);
  if (run.empty()) return 0;
  const std::uint64_t end =
      std::min(run.end * source.chunk_size,
               source.length.value_or(std::numeric_limits<std::uint64_t>::max()));
  return static_cast<std::size_t>(std::min<std::uint64_t>(end - position_, buffer_.size()));
}

void ContentReading::read(const Source& source, std::size_t size) {
  if (source.store.content_suspect()) return read_checked(source, size);
  const std::span<std::byte> piece(static_cast<std::byte*>(buffer_.data()), size);
  switch (source.store.read(position_, std::span(&piece, 1))) {
    case StoreStatus::not_yet:
      return;  // Endpoint::store_ready is followed by another try
    case StoreStatus::failed:
      return fail();
    case StoreStatus::done:
      break;
  }
  // Asked once more, so that a change which the read has seen is known.
  if (source.store.content_suspect()) return read_checked(source, size);
  position_ += size;
  prefetch(source);
  finish({}, size);
}

// Not where something is missing: the system would fill the holes of the file with zeros first.
void ContentReading::prefetch(const Source& source) const {
  const ChunkRange run = source.endpoint.verified_run(source.handle, position_ / source.chunk_size);
  const std::uint64_t end =
      source.length ? std::min(position_ + kReadAhead, *source.length) : position_ + kReadAhead;
  if (run.end * source.chunk_size >= end) source.store.prefetch(position_, end - position_);
}

// The file was touched by others: chunk by chunk, each compared with its hash.
void ContentReading::read_checked(const Source& source, std::size_t size) {
  std::vector<std::byte> octets(source.chunk_size);
  std::size_t done = 0;
  while (done < size) {
    const ChunkIndex chunk = position_ / source.chunk_size;
    const std::uint64_t begin = chunk * source.chunk_size;
    const auto in_chunk = static_cast<std::size_t>(std::min<std::uint64_t>(
        source.chunk_size, source.length.value_or(begin + source.chunk_size) - begin));
    const std::span<std::byte> piece = std::span(octets).first(in_chunk);
    const StoreStatus status = source.store.read(begin, std::span(&piece, 1));
    if (status == StoreStatus::not_yet) break;
    if (status == StoreStatus::failed ||
        !source.endpoint.still_genuine(source.handle, chunk, piece)) {
      if (done == 0 && (status == StoreStatus::failed || source.complete)) return fail();
      break;
    }
    const auto skip = static_cast<std::size_t>(position_ - begin);
    const std::size_t part = std::min(in_chunk - skip, size - done);
    std::memcpy(static_cast<std::byte*>(buffer_.data()) + done, octets.data() + skip, part);
    done += part;
    position_ += part;
  }
  if (done > 0) finish({}, done);
}

void ContentReading::fail() {
  finish(boost::system::errc::make_error_code(boost::system::errc::io_error), 0);
}

void ContentReading::finish(const boost::system::error_code& error, std::size_t size) {
  done_(error, size);
}

}  // namespace ppspp
