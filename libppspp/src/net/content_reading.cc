#include "net/content_reading.h"

#include <algorithm>
#include <boost/asio/error.hpp>
#include <boost/system/errc.hpp>
#include <limits>
#include <span>
#include <utility>

#include "base/assert.h"

namespace ppspp {
namespace {

// How far ahead of the reader the store is asked to bring content into memory.
constexpr std::uint64_t kReadAhead = std::uint64_t{1} << 20;

}  // namespace

void ContentReading::seek(std::uint64_t position) {
  position_ = position;
  told_.reset();
}

void ContentReading::begin(boost::asio::mutable_buffer buffer, Done done) {
  PPSPP_ASSERT(!done_);
  buffer_ = buffer;
  done_ = std::move(done);
  if (buffer.size() == 0) finish({}, 0);
}

void ContentReading::abort(const boost::system::error_code& error) {
  if (done_) finish(error, 0);
}

bool ContentReading::proceed(const Source& source, Now now) {
  if (!done_) return false;
  if (source.live) step_over_gap(source);
  if (source.length && position_ >= *source.length) {
    finish(boost::asio::error::eof, 0);
    return false;
  }
  const std::size_t size = available(source);
  if (size > 0 && read(source, size)) source.store.prefetch(position_, kReadAhead);
  return tell_position(source, now);
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

bool ContentReading::read(const Source& source, std::size_t size) {
  const std::span<std::byte> piece(static_cast<std::byte*>(buffer_.data()), size);
  switch (source.store.read(position_, std::span(&piece, 1))) {
    case StoreStatus::not_yet:
      return false;  // Endpoint::store_ready is followed by another try
    case StoreStatus::failed:
      finish(boost::system::errc::make_error_code(boost::system::errc::io_error), 0);
      return false;
    case StoreStatus::done:
      break;
  }
  position_ += size;
  finish({}, size);
  return true;
}

bool ContentReading::tell_position(const Source& source, Now now) {
  const ChunkIndex chunk = position_ / source.chunk_size;
  if (told_ == chunk) return false;
  told_ = chunk;
  source.endpoint.set_read_position(source.handle, chunk, now);
  return true;
}

void ContentReading::finish(const boost::system::error_code& error, std::size_t size) {
  done_(error, size);
}

}  // namespace ppspp
